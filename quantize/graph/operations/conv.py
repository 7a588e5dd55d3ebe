# SPDX-License-Identifier: BSD-3-Clause
"""The operation ``conv``: a convolution over time."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from quantize.graph.arithmetic import (
    Int64,
    multiply,
    multiply_reduced,
    quantize_multiplier,
    reduced,
    saturate,
)
from quantize.graph.operations.base import Node, Reach, Shape, Sums, Values, refuse
from quantize.graph.operations.sliding import positions, taps
from quantize.graph.tensors import Array

if TYPE_CHECKING:
    from quantize.graph.qgraph import QGraph


@dataclass(frozen=True)
class Conv(Node):
    """A convolution over time.

    Constants: ``.weight`` (n_outputs, 1, length, n_inputs), or (1, 1, length, n_channels) when
    ``depthwise``; ``.bias`` (n_outputs,), float32, or int32 with scale ``input.scale *
    weight_scale`` where the output is int8; ``.weight_scale`` float32 where the weights are int8,
    (n_outputs,), or (1,) where the output is float32 (:meth:`QGraph.float_weight`). ``pad`` is in
    samples, left and right, with the value that stands for zero. ``relu`` clamps the output at
    zero.
    """

    depthwise: bool
    stride: int
    pad: tuple[int, int]
    relu: bool

    kind: ClassVar[str] = "conv"
    names: ClassVar[tuple[str, ...]] = ("conv", "depthwise_conv", "head")
    reach: ClassVar[Reach] = "neighbourhood"

    def needs(self, graph: QGraph) -> str:
        """Return ``head`` for the one whose sums are the logits."""
        if self == graph.head:
            return "head"
        return "depthwise_conv" if self.depthwise else "conv"

    def constants(self, graph: QGraph) -> Iterator[tuple[str, tuple[Shape | None, str]]]:
        """Yield weight and bias, and the weight's scale where there is one.

        Weights may be int8 in a float graph too; their scale says so.
        """
        n_outputs = graph[self.output].shape[-1]
        integer = graph[self.output].quant is not None
        scaled = integer or f"{self.output}.weight_scale" in graph.constants
        yield f"{self.output}.weight", (None, "int8" if scaled else "float32")
        yield f"{self.output}.bias", ((n_outputs,), "int32" if integer else "float32")
        if scaled:
            shape = (n_outputs,) if integer else (1,)
            yield f"{self.output}.weight_scale", (shape, "float32")

    def output_shape(self, graph: QGraph) -> Shape:
        """Return a position for every place of the filter, padding included."""
        n_times, n_inputs = graph[self.input].shape[2:]
        weight = graph.constants[f"{self.output}.weight"]
        n_outputs = graph[self.output].shape[-1]
        leading = (1, 1) if self.depthwise else (n_outputs, 1)
        if weight.ndim != 4 or weight.shape[:2] != leading or weight.shape[3] != n_inputs:
            wanted = f"({', '.join(map(str, (*leading, 'length', n_inputs)))})"
            refuse(f"{self.output}.weight", f"its shape is {weight.shape} and should be {wanted}")
        if self.depthwise and n_outputs != n_inputs:
            refuse(self.output, f"it is depthwise with {n_inputs} channels in and {n_outputs} out")
        length = weight.shape[2]
        if not all(0 <= pad < length for pad in self.pad):
            refuse(self.output, f"its pad is {self.pad!r:.60}; 0 ... {length - 1} are allowed")
        padded = n_times + sum(self.pad)
        return (1, 1, positions(self.output, padded, length, self.stride), n_outputs)

    def macs(self, graph: QGraph) -> int:
        """Return one for every weight at every position."""
        weight = graph.constants[f"{self.output}.weight"]
        n_inputs = 1 if self.depthwise else int(weight.shape[3])
        return math.prod(graph[self.output].shape) * int(weight.shape[2]) * n_inputs

    def kernel(self, graph: QGraph) -> tuple[int, int, int]:
        """Return the filter's length, the stride and the padding on the left."""
        return graph.constants[f"{self.output}.weight"].shape[2], self.stride, self.pad[0]

    def sums(self, graph: QGraph) -> Sums | None:
        """Bound the sums with their bias, whether the zero point is taken off before or after."""
        weight = graph.constants[f"{self.output}.weight"].astype(np.int64)
        bias = graph.constants[f"{self.output}.bias"].astype(np.int64)
        axes = (0, 1, 2) if self.depthwise else (1, 2, 3)
        folded = bias - graph.quant(self.input).zero_point * weight.sum(axes)
        bound = np.maximum(np.abs(bias), np.abs(folded)) + 256 * np.abs(weight).sum(axes)
        return Sums(bound, self.factors(graph))

    def factors(self, graph: QGraph) -> NDArray[np.float64]:
        """Return the real factor of every output's requantization, (n_outputs,)."""
        weight_scale = graph.constants[f"{self.output}.weight_scale"].astype(np.float64)
        source, target = graph.quant(self.input), graph.quant(self.output)
        real: NDArray[np.float64] = source.scale32 * weight_scale / target.scale32
        return real

    def in_int8(self, graph: QGraph, values: Values) -> Array:
        """Accumulate, then requantize."""
        return self.requantize(graph, self.accumulate(graph, values[self.input]))

    def accumulate(self, graph: QGraph, x: Array) -> Int64:
        """Return the int8 convolution's sums with its bias, (n, 1, n_times, n_outputs) int32."""
        weight = graph.constants[f"{self.output}.weight"]
        bias = graph.constants[f"{self.output}.bias"].astype(np.int64)
        per_output = (0, 1, 2) if self.depthwise else (1, 2, 3)
        largest = 255 * int(np.abs(weight.astype(np.int64)).sum(per_output).max())
        exact = np.dtype(np.float32 if largest < 2**24 else np.float64)  # holds every sum exactly
        centred = x.astype(exact) - graph.quant(self.input).zero_point
        assert centred.dtype == exact
        return self._correlate(centred, weight.astype(exact)).astype(np.int64) + bias

    def requantize(self, graph: QGraph, sums: Int64) -> Array:
        """Return the output's integers for sums of :meth:`accumulate`."""
        target = graph.quant(self.output)
        factors = quantize_multiplier(self.factors(graph))
        low, high = target.limits
        low = target.zero_point if self.relu else low
        if target.bits == 16:
            rounded = multiply_reduced(sums, *reduced(*factors))
            return np.clip(rounded, low, high).astype(target.dtype)
        return saturate(multiply(sums, *factors) + target.zero_point, low)

    def in_float(self, graph: QGraph, values: Values) -> Array:
        """Correlate and add the bias; int8 weights are dequantized first."""
        y = self._correlate(values[self.input], graph.float_weight(self))
        y = y + graph.constants[f"{self.output}.bias"]
        return np.maximum(y, np.float32(0)) if self.relu else y

    def _correlate(self, x: Array, weight: Array) -> Array:
        """Padded, strided correlation over time."""
        padded = np.pad(x, ((0, 0), (0, 0), self.pad, (0, 0)))
        windows = enumerate(taps(padded, weight.shape[2], self.stride))
        if self.depthwise:
            products = (tap * weight[0, 0, k] for k, tap in windows)
        else:
            products = (tap @ weight[:, 0, k].T for k, tap in windows)
        return functools.reduce(np.add, products)
