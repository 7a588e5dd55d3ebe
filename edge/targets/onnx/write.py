# SPDX-License-Identifier: BSD-3-Clause
"""Write an ``.onnx`` file node by node, with quantization as the QDQ convention has it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.targets.base import writer_of
from edge.targets.onnx.operations import WRITERS, channels_first
from quantize.graph.arithmetic import INT8_MIN
from quantize.graph.qgraph import Dequantize, Node, QGraph, Quant, Quantize

OPSET = 17
"""From 13 on a scale may differ by channel; 17 is what ONNX Runtime 1.12 (2022) reads."""
IR_VERSION = 8
"""The file format that came with opset 17."""


def encode(graph: QGraph) -> bytes:
    """Return the ``.onnx`` file of a graph, the same bytes whenever the graph is the same."""
    return Writer(graph).run()


class Writer:
    """One file in the making, which the functions of :mod:`edge.targets.onnx.operations` fill.

    ``name`` is a tensor as an operation computes it, in float; where the graph has it in int8 it is
    also ``name.stored``, and ``name.real`` behind its DequantizeLinear.
    """

    def __init__(self, graph: QGraph) -> None:
        import onnx

        self.onnx: Any = onnx
        self.graph = graph
        self.open = _behind_head(graph)
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []

    def run(self) -> bytes:
        """Write every node and return the file."""
        graph, helper = self.graph, self.onnx.helper
        kind = self.onnx.TensorProto.FLOAT
        source = graph[graph.input]
        _, _, n_times, n_chans = source.shape
        if source.quant is not None:
            self._quantize(source.name, source.name, source.quant)
        for node in graph.nodes:
            self._node(node)
        for name, tensor in graph.others.items():
            self.emit("Identity", [self._real(tensor)], name)
        outputs = {graph.output: graph.output, **graph.others}
        made = helper.make_graph(
            self.nodes,
            "eeg-edge",
            [helper.make_tensor_value_info(graph.input, kind, [1, n_chans, 1, n_times])],
            [
                helper.make_tensor_value_info(name, kind, channels_first(graph[tensor].shape))
                for name, tensor in outputs.items()
            ],
            self.initializers,
        )
        model = helper.make_model(
            made,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="eeg-edge",
        )
        self.onnx.checker.check_model(model, full_check=True)
        data: bytes = model.SerializeToString(deterministic=True)
        return data

    def _node(self, node: Node) -> None:
        match node:
            case Quantize():
                self._quantize(node.input, node.output, self.graph.quant(node.output))
            case Dequantize():
                self.emit("Identity", [self._real(node.input)], node.output)
            case _:
                self._compute(node)

    def _compute(self, node: Node) -> None:
        """The operation, and QuantizeLinear behind it where the tensor is int8."""
        quant = None if node.output in self.open else self.graph[node.output].quant
        write = writer_of(WRITERS, node, "onnx")
        write(self, node, [self._real(name) for name in node.inputs])
        if quant is not None:
            self._quantize(node.output, node.output, quant)

    def _real(self, name: str) -> str:
        """The tensor in float; behind its DequantizeLinear where it is int8."""
        quant = self.graph[name].quant
        if quant is None or name in self.open:
            return name
        inputs = [f"{name}.stored", *self._quant(name, quant)]
        return self.emit("DequantizeLinear", inputs, f"{name}.real")

    def _quantize(self, source: str, name: str, quant: Quant) -> None:
        self.emit("QuantizeLinear", [source, *self._quant(name, quant)], f"{name}.stored")

    def _quant(self, name: str, quant: Quant) -> list[str]:
        return [
            self.constant(f"{name}.scale", np.array(quant.scale, np.float32)),
            self.constant(f"{name}.zero_point", np.array(quant.zero_point - INT8_MIN, np.uint8)),
        ]

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """Add a constant, unless there is one of that name, and return its name."""
        if all(known.name != name for known in self.initializers):
            self.initializers.append(self.onnx.numpy_helper.from_array(value, name))
        return name

    def emit(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Add a node, unless one already writes that output, and return the output's name."""
        if all(output not in known.output for known in self.nodes):
            made = self.onnx.helper.make_node(kind, inputs, [output], name=output, **attributes)
            self.nodes.append(made)
        return output


def _behind_head(graph: QGraph) -> frozenset[str]:
    """Tensors of the head and behind it, which are left in float."""
    if graph[graph.output].quant is None:
        return frozenset()
    names = {graph.head.output}
    for node in graph.nodes:
        if names.intersection(node.inputs):
            names.add(node.output)
    return frozenset(names)
