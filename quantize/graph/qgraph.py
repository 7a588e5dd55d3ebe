# SPDX-License-Identifier: BSD-3-Clause
"""Define `QGraph`, the one graph that every int8 file is written from and compared with.

It is plain, frozen, and needs no torch. Tensors are NHWC with H = 1: ``(1, 1, n_times,
n_channels)``; the logits are ``(1, n_outputs)``. A tensor with a :class:`Quant` holds int8, or
int16 where it holds the logits; one without holds float32. So the same type carries the float
network, the int8 network and any mixture of the two. Where they meet, a :class:`Quantize` or
:class:`Dequantize` node stands.

An operation is named after the tensor it writes; its constants are stored under
``<output>.weight`` and so on. :mod:`quantize.graph.files` reads and writes a graph's two files, and
:mod:`quantize.graph.check` proves that one can be run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

INPUT = "input"
"""What a network's window is called."""

LOGITS = "logits"
"""What a network's own output is called among :attr:`QGraph.outputs`."""

Array = NDArray[Any]


FINER = 64
"""How many steps of 16 bits make one of 8. Eight bits of that just hold the calibration windows, so
that two are left as head room."""


@dataclass(frozen=True)
class Quant:
    """How integers stand for reals: ``real = scale * (stored - zero_point)``, scale in float32.

    Attributes
    ----------
    scale
        The real difference of two neighbouring integers.
    zero_point
        The integer that stands for zero; it is 0 with 16 bits, as in TFLite.
    bits
        Size of what is stored.
    """

    scale: float
    zero_point: int
    bits: Literal[8, 16] = 8

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of what is stored."""
        return np.dtype(f"int{self.bits}")

    @property
    def limits(self) -> tuple[int, int]:
        """The smallest and the largest value that can be stored."""
        return -(2 ** (self.bits - 1)), 2 ** (self.bits - 1) - 1

    @property
    def step(self) -> float:
        """The step that differences are counted in: one of 8 bits, whatever is stored.

        Runtimes that are not exact differ by steps of int8 tensors on the way.
        """
        return self.scale if self.bits == 8 else FINER * self.scale


@dataclass(frozen=True)
class Tensor:
    """One value that flows through the graph: its name, shape and, for integers, quantization."""

    name: str
    shape: tuple[int, ...]
    quant: Quant | None


@dataclass(frozen=True)
class Conv:
    """A convolution over time.

    Constants: ``.weight`` (n_outputs, 1, length, n_inputs), or (1, 1, length, n_channels) when
    ``depthwise``; ``.bias`` (n_outputs,), float32, or int32 with scale ``input.scale *
    weight_scale`` where the output is int8; ``.weight_scale`` float32 where the weights are int8,
    (n_outputs,), or (1,) where the output is float32 (:meth:`QGraph.float_weight`). ``pad`` is in
    samples, left and right, with the value that stands for zero. ``relu`` clamps the output at
    zero.
    """

    output: str
    input: str
    depthwise: bool
    stride: int
    pad: tuple[int, int]
    relu: bool
    kind: Literal["conv"] = "conv"


POOL_WEIGHT = 127
"""Weights of a requantizing pool. With weights 1 the multiplier lies near 1 and its shift is one or
two bits, and rounding twice then errs by a step in up to a quarter of the values."""


@dataclass(frozen=True)
class AveragePool:
    """The mean over ``length`` samples every ``stride``, over whole windows only.

    With equal quantization before and after it is TFLite's AVERAGE_POOL_2D (rounded mean of the
    stored values); otherwise it is a depthwise convolution with weights :data:`POOL_WEIGHT` of
    scale ``1 / (POOL_WEIGHT * length)``.
    """

    output: str
    input: str
    length: int
    stride: int
    kind: Literal["average_pool"] = "average_pool"

    @property
    def weight_scale(self) -> np.float32:
        """The scale of the weights where the pool requantizes."""
        return np.float32(1 / (POOL_WEIGHT * self.length))


@dataclass(frozen=True)
class Mean:
    """The mean over all of time: (1, 1, n_times, n_channels) -> (1, 1, 1, n_channels)."""

    output: str
    input: str
    kind: Literal["mean"] = "mean"


FLOAT_ONLY = ("div", "exp", "log", "sqrt")
"""Functions without an int8 form: tables of three would be mostly saturated or zero, and quotients
have no kernel. The part of a network that holds one stays in float32 as a whole."""


@dataclass(frozen=True)
class Activation:
    """A function of one value; in int8 a 256-entry table (:mod:`quantize.graph.lookup`).

    Those of :data:`FLOAT_ONLY` compute in float32 alone.
    """

    output: str
    input: str
    function: Literal["elu", "gelu", "sigmoid", "tanh", "exp", "log", "sqrt"]
    kind: Literal["activation"] = "activation"


@dataclass(frozen=True)
class Relu:
    """The function ``max(x, 0)`` where no convolution computes it; it keeps its input's scale."""

    output: str
    input: str
    kind: Literal["relu"] = "relu"


@dataclass(frozen=True)
class LeakyRelu:
    """The function that is ``x`` where positive and ``slope * x`` where negative."""

    output: str
    input: str
    slope: float
    kind: Literal["leaky_relu"] = "leaky_relu"


@dataclass(frozen=True)
class Multiply:
    """The product of two tensors, the second broadcast to the first."""

    output: str
    input: str
    other: str
    kind: Literal["multiply"] = "multiply"


@dataclass(frozen=True)
class Arithmetic:
    """The sum, difference or quotient of two tensors, the second broadcast to the first.

    Quotients are float only.
    """

    output: str
    input: str
    other: str
    function: Literal["add", "sub", "div"]
    kind: Literal["arithmetic"] = "arithmetic"


@dataclass(frozen=True)
class Maximum:
    """The largest value over all of time or over all channels, quantized as its input is.

    (1, 1, n_times, n_channels) -> (1, 1, 1, n_channels) or (1, 1, n_times, 1).
    """

    output: str
    input: str
    over: Literal["time", "channels"]
    kind: Literal["maximum"] = "maximum"


@dataclass(frozen=True)
class Reshape:
    """A tensor's values under another shape, with the same quantization."""

    output: str
    input: str
    kind: Literal["reshape"] = "reshape"


@dataclass(frozen=True)
class Quantize:
    """The conversion of float32 to int8."""

    output: str
    input: str
    kind: Literal["quantize"] = "quantize"


@dataclass(frozen=True)
class Dequantize:
    """The conversion of int8 to float32."""

    output: str
    input: str
    kind: Literal["dequantize"] = "dequantize"


Node = (
    Conv
    | AveragePool
    | Mean
    | Activation
    | Relu
    | LeakyRelu
    | Multiply
    | Arithmetic
    | Maximum
    | Reshape
    | Quantize
    | Dequantize
)


def inputs_of(node: Node) -> tuple[str, ...]:
    """Return the names of the tensors that a node reads."""
    if isinstance(node, Multiply | Arithmetic):
        return (node.input, node.other)
    return (node.input,)


@dataclass(frozen=True)
class QGraph:
    """A network as a list of nodes in the order in which they run.

    ``output`` is the tensor of the logits; ``others`` are the tensors of what else is given out, by
    name (:mod:`quantize.graph.outputs`).

    Raises
    ------
    ValueError
        When a node reads a tensor that does not exist yet, or a name is written twice.
    """

    input: str
    output: str
    tensors: tuple[Tensor, ...]
    nodes: tuple[Node, ...]
    constants: Mapping[str, Array]
    others: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = {self.input}
        for node in self.nodes:
            missing = [name for name in inputs_of(node) if name not in known]
            if missing or node.output in known or node.output not in self.by_name:
                raise ValueError(
                    f"node {node.output!r} reads {missing} or is written twice or has no tensor"
                )
            known.add(node.output)
        for name in self.outputs.values():
            if name not in known:
                raise ValueError(f"nothing writes the output {name!r}")

    @cached_property
    def by_name(self) -> Mapping[str, Tensor]:
        """The tensors by name."""
        return {tensor.name: tensor for tensor in self.tensors}

    @property
    def outputs(self) -> Mapping[str, str]:
        """The tensors that are given out, by name, in the order of every file."""
        return {LOGITS: self.output, **self.others}

    def __getitem__(self, name: str) -> Tensor:
        return self.by_name[name]

    def quant(self, name: str) -> Quant:
        """Return the quantization of a tensor that holds integers."""
        quant = self.by_name[name].quant
        if quant is None:
            raise ValueError(f"tensor {name!r} holds float32")
        return quant

    def is_float(self, node: Node) -> bool:
        """Return whether a node computes in float32; conversions do not."""
        if isinstance(node, Quantize | Dequantize):
            return False
        return self.by_name[node.output].quant is None

    def float_nodes(self) -> tuple[Node, ...]:
        """Return the nodes that compute in float32."""
        return tuple(node for node in self.nodes if self.is_float(node))

    def float_weight(self, node: Conv) -> NDArray[np.float32]:
        """Return the weights of a convolution in float32; int8 ones are dequantized."""
        weight = self.constants[f"{node.output}.weight"]
        scale = self.constants.get(f"{node.output}.weight_scale")
        real: NDArray[np.float32] = weight if scale is None else weight.astype(np.float32) * scale
        return real

    @property
    def head(self) -> Conv:
        """The convolution whose accumulators are the logits."""
        writers = {node.output: node for node in self.nodes}
        node = writers[self.output]
        while isinstance(node, Reshape):
            node = writers[node.input]
        if not isinstance(node, Conv):
            raise ValueError(f"the logits are written by {node.kind!r}, not by a convolution")
        return node

    def accumulator_scale(self) -> NDArray[np.float32]:
        """Return the logit of one step of the head's accumulator, (n_outputs,)."""
        source = np.float32(self.quant(self.head.input).scale)
        scale: NDArray[np.float32] = self.constants[f"{self.head.output}.weight_scale"] * source
        return scale


def with_logits(graph: QGraph, quant: Quant) -> QGraph:
    """Return the graph with its logits quantized in another way."""
    same = {graph.head.output, graph.output}
    tensors = (replace(t, quant=quant) if t.name in same else t for t in graph.tensors)
    return replace(graph, tensors=tuple(tensors))


def walk_constants(node: Node) -> Iterator[str]:
    """Yield the names under which a node's constants may be stored."""
    if isinstance(node, Conv):
        for role in ("weight", "bias", "weight_scale"):
            yield f"{node.output}.{role}"
