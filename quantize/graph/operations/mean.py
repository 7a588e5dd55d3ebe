# SPDX-License-Identifier: BSD-3-Clause
"""The operation ``mean``: the mean over all of time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from quantize.graph.arithmetic import Int64, multiply, quantize_multiplier, saturate
from quantize.graph.operations.base import Node, Shape, Sums, Values
from quantize.graph.tensors import Array

if TYPE_CHECKING:
    from quantize.graph.qgraph import QGraph


@dataclass(frozen=True)
class Mean(Node):
    """The mean over all of time: (1, 1, n_times, n_channels) -> (1, 1, 1, n_channels)."""

    kind: ClassVar[str] = "mean"
    names: ClassVar[tuple[str, ...]] = ("mean",)

    def output_shape(self, graph: QGraph) -> Shape:
        """Return one position."""
        return (1, 1, 1, graph[self.input].shape[3])

    def sums(self, graph: QGraph) -> Sums | None:
        """Bound the sums over all samples."""
        bound = np.array([256 * graph[self.input].shape[2]])
        return Sums(bound, np.array([self._ratio(graph)]))

    def factor(self, graph: QGraph, n: int) -> tuple[Int64, Int64]:
        """Return multiplier and shift of a sum of ``n`` samples, as TFLite divides them by n."""
        mantissa, shift = quantize_multiplier(self._ratio(graph))
        head_room = min(n.bit_length() - 1, 32, 31 + int(shift))
        return (mantissa << head_room) // n, shift - head_room

    def _ratio(self, graph: QGraph) -> float:
        return graph.quant(self.input).scale32 / graph.quant(self.output).scale32

    def in_int8(self, graph: QGraph, values: Values) -> Array:
        """Add up the centred values and requantize their sum."""
        x, zero_point = values[self.input], graph.quant(self.input).zero_point
        sums = (x.astype(np.int64) - zero_point).sum(2, keepdims=True)
        factor = self.factor(graph, x.shape[2])
        return saturate(multiply(sums, *factor) + graph.quant(self.output).zero_point)

    def in_float(self, graph: QGraph, values: Values) -> Array:
        """Return the mean of every channel."""
        return np.asarray(values[self.input].mean(2, keepdims=True))
