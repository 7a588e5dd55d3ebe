# SPDX-License-Identifier: BSD-3-Clause
"""Define `QGraph`, the one graph that every int8 file is written from and compared with.

It is plain, frozen, and needs no torch. Tensors are NHWC with H = 1: ``(1, 1, n_times,
n_channels)``; the logits are ``(1, n_outputs)``. A tensor with a :class:`Quant` holds int8, or
int16 where it holds the logits; one without holds float32. So the same type carries the float
network, the int8 network and any mixture of the two. Where they meet, a :class:`Quantize` or
:class:`Dequantize` node stands.

An operation is named after the tensor it writes; its constants are stored under
``<output>.weight`` and so on. :mod:`quantize.graph.operations` defines the operations,
:mod:`quantize.graph.files` reads and writes a graph's two files, and :mod:`quantize.graph.check`
proves that one can be run. Everything that describes a graph can be imported from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from quantize.graph.operations.activation import Activation
from quantize.graph.operations.arithmetic import Arithmetic
from quantize.graph.operations.average_pool import POOL_WEIGHT, AveragePool
from quantize.graph.operations.base import FLOAT_ONLY, Node
from quantize.graph.operations.conv import Conv
from quantize.graph.operations.conversions import Dequantize, Quantize
from quantize.graph.operations.leaky_relu import LeakyRelu
from quantize.graph.operations.max_pool import MaxPool
from quantize.graph.operations.maximum import Maximum
from quantize.graph.operations.mean import Mean
from quantize.graph.operations.multiply import Multiply
from quantize.graph.operations.relu import Relu
from quantize.graph.operations.reshape import Reshape
from quantize.graph.operations.table import OPERATIONS
from quantize.graph.tensors import FINER, Array, Quant, Tensor

__all__ = [
    "FINER",
    "FLOAT_ONLY",
    "INPUT",
    "LOGITS",
    "OPERATIONS",
    "POOL_WEIGHT",
    "Activation",
    "Arithmetic",
    "Array",
    "AveragePool",
    "Conv",
    "Dequantize",
    "LeakyRelu",
    "MaxPool",
    "Maximum",
    "Mean",
    "Multiply",
    "Node",
    "QGraph",
    "Quant",
    "Quantize",
    "Relu",
    "Reshape",
    "Tensor",
    "with_logits",
]

INPUT = "input"
"""What a network's window is called."""

LOGITS = "logits"
"""What a network's own output is called among :attr:`QGraph.outputs`."""


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
            missing = [name for name in node.inputs if name not in known]
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
        return node.converts is None and self.by_name[node.output].quant is None

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
