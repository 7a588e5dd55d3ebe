# SPDX-License-Identifier: BSD-3-Clause
"""Read a :class:`~quantize.graph.qgraph.QGraph` out of a PyTorch graph, float or Q/DQ.

An operation is int8 when every value it reads comes out of a dequantize node and what it writes
goes into a quantize node; otherwise it is float32 and the conversions around it become nodes.
PyTorch's (n, n_channels, 1, n_times) becomes (n, 1, n_times, n_channels).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.fx import GraphModule
from torch.fx import Node as TorchNode

from quantize.errors import IncompatibleError
from quantize.graph.qgraph import (
    INPUT,
    LOGITS,
    Array,
    Conv,
    Dequantize,
    Node,
    QGraph,
    Quant,
    Quantize,
    Tensor,
)
from quantize.pt2e import naming
from quantize.pt2e.operations import READERS, time
from quantize.refine import head

aten = torch.ops.aten


def extract(graph: GraphModule) -> QGraph:
    """Return the graph that files are written from; integer logits have 16 bits.

    Raises
    ------
    IncompatibleError
        For an operation that has no node type, naming it.
    """
    return head.widened(_Extraction(graph).run())


class _Extraction:
    """State of one walk over a PyTorch graph: what has been read so far."""

    def __init__(self, graph: GraphModule) -> None:
        self.graph = graph
        self.names = naming.names(graph.graph.nodes)
        self.values: dict[TorchNode, str] = {}  # what each PyTorch node is called in the QGraph
        self.tensors: dict[str, Tensor] = {}
        self.nodes: list[Node] = []
        self.constants: dict[str, Array] = {}

    def run(self) -> QGraph:
        for node in self.graph.graph.nodes:
            if node.op == "placeholder":
                self._input(node)
            elif _is_quantize(node):
                self._quantize(node)
            elif _is_dequantize(node) and node.args[0] in self.values:
                self.values[node] = self.values[node.args[0]]
            elif node in self.names and not _is_fused_relu(node):
                self._compute(node)
        output = next(iter(self.graph.graph.output_node().all_input_nodes))
        return QGraph(
            input=INPUT,
            output=self._as(self.values[output], integer=self._is_int8(output)),
            tensors=tuple(self.tensors.values()),
            nodes=tuple(self.nodes),
            constants=self.constants,
        )

    def _input(self, node: TorchNode) -> None:
        quants = [_quant(user) for user in node.users if _is_quantize(user)]
        self._define(INPUT, node, quants[0] if quants else None)
        self.values[node] = INPUT
        for user in node.users:
            if _is_quantize(user):
                self.values[user] = INPUT

    def _quantize(self, node: TorchNode) -> None:
        """A quantize node that no operation has taken as its own output."""
        if node in self.values:
            return
        source = self.values[_node(node.args[0])]
        name = f"{source}.int8"
        self.tensors[name] = Tensor(name, self.tensors[source].shape, _quant(node))
        self.nodes.append(Quantize(name, source))
        self.values[node] = name

    def _compute(self, node: TorchNode) -> None:
        last = _fused_relu_of(node) or node
        quantizer = self._own_quantizer(node, last)
        name = LOGITS if self._is_output(last) else self.names[node]
        sources = [
            self._as(self.values[source], integer=quantizer is not None)
            for source in node.all_input_nodes
            if source in self.values
        ]
        self._define(name, last, None if quantizer is None else _quant(quantizer))
        self.nodes.append(self._node(node, name, sources, last))
        self.values[node] = self.values[last] = name
        if quantizer is not None:
            self.values[quantizer] = name

    def _own_quantizer(self, node: TorchNode, last: TorchNode) -> TorchNode | None:
        """The quantize node behind an operation that can be computed in int8.

        A convolution cannot without a scale for every output; every other operation between int8
        values is the same whether its part of the network was to be float or not.
        """
        is_conv = node.target is aten.conv2d.default
        if is_conv and "per_channel" not in str(_node(node.args[1]).target):
            return None
        users = list(last.users)
        reads = [source for source in node.all_input_nodes if source in self.values]
        if len(users) == 1 and _is_quantize(users[0]) and all(map(_is_dequantize, reads)):
            return users[0]
        return None

    def _as(self, name: str, *, integer: bool) -> str:
        """The tensor as int8 or float32, converted where it is not."""
        tensor = self.tensors[name]
        if integer or tensor.quant is None:
            return name
        converted = f"{name}.float"
        if converted not in self.tensors:
            self.tensors[converted] = Tensor(converted, tensor.shape, None)
            self.nodes.append(Dequantize(converted, name))
        return converted

    def _is_int8(self, node: TorchNode) -> bool:
        return self.tensors[self.values[node]].quant is not None

    def _is_output(self, last: TorchNode) -> bool:
        """Whether only (de)quantization lies between a node and the graph's output."""
        users = list(last.users)
        while len(users) == 1 and (_is_quantize(users[0]) or _is_dequantize(users[0])):
            users = list(users[0].users)
        return [user.op for user in users] == ["output"]

    def _define(self, name: str, node: TorchNode, quant: Quant | None) -> None:
        shape = tuple(int(n) for n in node.meta["val"].shape)
        if len(shape) == 4:
            shape = (shape[0], shape[2], shape[3], shape[1])
        self.tensors[name] = Tensor(name, shape, quant)

    def _node(self, node: TorchNode, name: str, sources: list[str], last: TorchNode) -> Node:
        if node.target is aten.conv2d.default:
            return self._conv(node, name, sources[0], relu=last is not node)
        reader = READERS.get(node.target)
        read = None if reader is None else reader.read(name, sources, node)
        if read is not None:
            return read
        raise IncompatibleError(
            f"{self.names[node]}: the operation {naming.operation(node)!r} cannot be exported. "
            f"Activations that can: ELU, ReLU, LeakyReLU, GELU, SiLU, Sigmoid, Tanh."
        )

    def _conv(self, node: TorchNode, name: str, source: str, *, relu: bool) -> Conv:
        arguments = dict(enumerate(node.args))
        weight_node = _node(node.args[1])
        weight = self._constant(weight_node)
        groups: Any = arguments.get(6, 1)
        depthwise = groups > 1
        if groups not in (1, len(weight)) or (depthwise and weight.shape[1] != 1):
            raise IncompatibleError(f"{name}: grouped convolutions cannot be exported.")
        order = (1, 2, 3, 0) if depthwise else (0, 2, 3, 1)
        bias_node = arguments.get(2)
        bias = (
            self._constant(bias_node)
            if isinstance(bias_node, TorchNode)
            else np.zeros(len(weight), np.float32)
        )
        if _is_dequantize(weight_node):
            scale = self.constants[f"{name}.weight_scale"] = self._weight_scale(weight_node)
        if self.tensors[name].quant is not None:
            step = float(np.float32(self._quant_of(source).scale)) * scale.astype(np.float64)
            bias = _in_steps(bias, step, source, name)
        self.constants[f"{name}.weight"] = np.ascontiguousarray(weight.transpose(order))
        self.constants[f"{name}.bias"] = bias
        pad = time(arguments.get(4, [0, 0]))
        return Conv(name, source, depthwise, time(arguments.get(3, [1, 1])), (pad, pad), relu)

    def _quant_of(self, name: str) -> Quant:
        quant = self.tensors[name].quant
        assert quant is not None
        return quant

    def _constant(self, node: TorchNode) -> Array:
        """A parameter's value; int8 for a dequantized weight."""
        if _is_dequantize(node):
            node = _node(node.args[0])
        value: Any = self.graph
        for attribute in str(node.target).split("."):
            value = getattr(value, attribute)
        array: Array = value.detach().numpy()
        return array

    def _weight_scale(self, node: TorchNode) -> Array:
        if "per_tensor" in str(node.target):
            return np.array([node.args[1]], np.float32)
        zero_points = self._constant(_node(node.args[2]))
        assert not zero_points.any(), "weights are symmetric"
        return self._constant(_node(node.args[1])).astype(np.float32)


def _in_steps(bias: Array, step: Array, source: str, name: str) -> Array:
    """A bias as int32."""
    steps = np.rint(bias.astype(np.float64) / step)
    if np.abs(steps).max() >= 2**31:
        raise IncompatibleError(
            f"{name}: its input {source!r} hardly varies beside its bias, which does not fit into "
            f"int32. The model has died there; train it again, or leave --int8 out."
        )
    return steps.astype(np.int32)


def _is_quantize(node: TorchNode) -> bool:
    return node.op == "call_function" and "quantized_decomposed.quantize" in str(node.target)


def _is_dequantize(node: TorchNode) -> bool:
    return node.op == "call_function" and "quantized_decomposed.dequantize" in str(node.target)


def _is_fused_relu(node: TorchNode) -> bool:
    if node.target is not aten.relu.default:
        return False
    return _fused_relu_of(_node(node.args[0])) is node


def _fused_relu_of(node: TorchNode) -> TorchNode | None:
    users = list(node.users)
    if node.target is aten.conv2d.default and [u.target for u in users] == [aten.relu.default]:
        return users[0]
    return None


def _node(argument: Any) -> TorchNode:
    assert isinstance(argument, TorchNode)
    return argument


def _quant(node: TorchNode) -> Quant:
    _, scale, zero_point, _, _, dtype = node.args
    bits: Any = 16 if dtype is torch.int16 else 8
    return Quant(float(np.float32(scale)), int(zero_point), bits)  # type: ignore[arg-type]
