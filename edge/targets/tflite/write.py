# SPDX-License-Identifier: BSD-3-Clause
"""Write a ``.tflite`` file operator by operator, with the reference's integers."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantize.graph.qgraph import (
    POOL_WEIGHT,
    Activation,
    Arithmetic,
    AveragePool,
    Conv,
    Dequantize,
    LeakyRelu,
    Maximum,
    Mean,
    Multiply,
    Node,
    QGraph,
    Quant,
    Quantize,
    Relu,
    Reshape,
)

VERSIONS: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        "ADD": (1, 2),
        "AVERAGE_POOL_2D": (1, 2),
        "CONV_2D": (1, 3),
        "DEPTHWISE_CONV_2D": (1, 3),
        "DEQUANTIZE": (2, 2),
        "DIV": (1, 2),
        "ELU": (1, 1),
        "EXP": (1, 2),
        "GELU": (1, 2),
        "LEAKY_RELU": (1, 2),
        "LOG": (1, 2),
        "LOGISTIC": (1, 2),
        "MEAN": (1, 2),
        "MUL": (1, 2),
        "PAD": (1, 2),
        "QUANTIZE": (1, 1),
        "REDUCE_MAX": (1, 2),
        "RELU": (1, 2),
        "RESHAPE": (1, 1),
        "SQRT": (1, 1),
        "SUB": (1, 2),
        "TANH": (1, 2),
    }
)
"""The lowest version of each operator that serves, (float32, int8), so that old runtimes load."""
WIDE_VERSIONS: Mapping[str, int] = MappingProxyType({"CAST": 1, "CONV_2D": 4, "RESHAPE": 1})
"""The same where the result is int16."""

ACTIVATIONS = {
    "elu": "ELU",
    "exp": "EXP",
    "gelu": "GELU",
    "log": "LOG",
    "sigmoid": "LOGISTIC",
    "sqrt": "SQRT",
    "tanh": "TANH",
}
AXES = {"time": 2, "channels": 3}


def encode(graph: QGraph) -> bytes:
    """Return the ``.tflite`` file of a graph, the same bytes whenever the graph is the same."""
    return _Writer(graph).run()


class _Writer:
    """One file in the making."""

    def __init__(self, graph: QGraph) -> None:
        from ai_edge_litert import schema_py_generated as schema

        from edge.targets.tflite.flatbuffer import FileBuilder

        self.schema: Any = schema
        self.graph = graph
        self.file = FileBuilder("eeg-edge")
        self.indices: dict[str, int] = {}

    def run(self) -> bytes:
        self._activation(self.graph.input)
        for node in self.graph.nodes:
            self._activation(node.output)
            self._node(node)
        source, names = self.graph.input, self.graph.outputs
        outputs = [self.indices[name] for name in names.values()]
        if self.graph.others:
            self.file.signature(
                {source: self.indices[source]}, dict(zip(names, outputs, strict=True))
            )
        return self.file.finish([self.indices[source]], outputs)

    def _activation(self, name: str) -> None:
        tensor = self.graph[name]
        self.indices[name] = self.file.tensor(name, tensor.shape, tensor.quant)

    def _node(self, node: Node) -> None:
        match node:
            case Conv():
                self._conv(node)
            case AveragePool():
                self._average_pool(node)
            case Mean():
                options = self.schema.ReducerOptionsT()
                options.keepDims = True
                # of axes 1 and 2 LiteRT's own kernel rounds the zero point apart from the sum
                axes = self._integers(f"{node.output}.axes", [2])
                self._emit("MEAN", node, options, extra=(axes,))
            case Activation():
                options = self.schema.ExpOptionsT() if node.function == "exp" else None
                options = self.schema.GeluOptionsT() if node.function == "gelu" else options
                self._emit(ACTIVATIONS[node.function], node, options)
            case Relu():
                self._emit("RELU", node)
            case LeakyRelu():
                options = self.schema.LeakyReluOptionsT()
                options.alpha = node.slope
                self._emit("LEAKY_RELU", node, options)
            case Multiply():
                extra = (self.indices[node.other],)
                self._emit("MUL", node, self.schema.MulOptionsT(), extra)
            case Arithmetic():
                options = getattr(self.schema, f"{node.function.capitalize()}OptionsT")()
                self._emit(node.function.upper(), node, options, (self.indices[node.other],))
            case Maximum():
                options = self.schema.ReducerOptionsT()
                options.keepDims = True
                axes = self._integers(f"{node.output}.axes", [AXES[node.over]])
                self._emit("REDUCE_MAX", node, options, extra=(axes,))
            case Reshape():
                shape = list(self.graph[node.output].shape)
                options = self.schema.ReshapeOptionsT()
                options.newShape = shape
                extra = (self._integers(f"{node.output}.shape", shape),)
                self._emit("RESHAPE", node, options, extra)
            case Quantize():
                self._emit("QUANTIZE", node)
            case Dequantize():
                self._emit("DEQUANTIZE", node)

    def _emit(
        self, code: str, node: Node, options: Any = None, extra: tuple[int, ...] = ()
    ) -> None:
        inputs = (self.indices[node.input], *extra)
        self.file.operator(
            code, self._version(code, node.output), inputs, self.indices[node.output], options
        )

    def _version(self, code: str, output: str) -> int:
        quant = self.graph[output].quant
        if quant is not None and quant.bits == 16:
            return WIDE_VERSIONS[code]
        return VERSIONS[code][quant is not None]

    def _integers(self, name: str, values: list[int]) -> int:
        return self.file.constant(name, np.array(values, np.int32), None)

    def _conv(self, node: Conv) -> None:
        constants = self.graph.constants
        weight_scale = constants.get(f"{node.output}.weight_scale")
        weight = self.file.constant(
            f"{node.output}.weight",
            constants[f"{node.output}.weight"],
            weight_scale,
            axis=3 if node.depthwise else 0,
        )
        bias_scale = None
        if weight_scale is not None and self.graph.is_float(node):
            weight = self._real(node, weight)
        elif weight_scale is not None:
            bias_scale = np.float32(self.graph.quant(node.input).scale) * weight_scale
        source, padding, biases = *self._padded(node), constants[f"{node.output}.bias"]
        target = self.graph[node.output].quant
        if target is not None and target.bits == 16:
            source, biases = self._widened(node, source)
        bias = self.file.constant(f"{node.output}.bias", biases, bias_scale)
        self._convolution(node, source, weight, bias, padding)

    def _real(self, node: Conv, weight: int) -> int:
        """int8 weights in float; XNNPACK does that once, when the file is loaded."""
        shape = self.graph.constants[f"{node.output}.weight"].shape
        real = self.file.tensor(f"{node.output}.weight.float", shape, None)
        code = "DEQUANTIZE"
        self.file.operator(code, self._version(code, node.output), (weight,), real)
        return real

    def _widened(self, node: Conv, source: int) -> tuple[int, NDArray[np.int64]]:
        """The input as int16, which a convolution needs that writes int16, and its bias.

        The integers are taken as they are, the zero point with them, which is 0 in 16 bits: the
        bias makes up for it. So no runtime has to requantize int8 to int16, which tflite-runtime
        2.14 cannot. With a bias of 64 bits all runtimes compute the same integers.
        """
        quant, constants = self.graph.quant(node.input), self.graph.constants
        shape = self.graph[node.input].shape
        wide = self.file.tensor(f"{node.output}.wide", shape, Quant(quant.scale, 0, bits=16))
        options = self.schema.CastOptionsT()
        options.inDataType = self.schema.TensorType.INT8
        options.outDataType = self.schema.TensorType.INT16
        self.file.operator("CAST", self._version("CAST", node.output), (source,), wide, options)
        sums = constants[f"{node.output}.weight"].astype(np.int64).sum((1, 2, 3))
        return wide, constants[f"{node.output}.bias"] - quant.zero_point * sums

    def _convolution(
        self, node: Conv | AveragePool, source: int, weight: int, bias: int, padding: str
    ) -> None:
        depthwise = isinstance(node, AveragePool) or node.depthwise
        code = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
        options = (
            self.schema.DepthwiseConv2DOptionsT() if depthwise else self.schema.Conv2DOptionsT()
        )
        options.padding = getattr(self.schema.Padding, padding)
        options.strideW, options.strideH = node.stride, 1
        if depthwise:
            options.depthMultiplier = 1
        if isinstance(node, Conv) and node.relu:
            options.fusedActivationFunction = self.schema.ActivationFunctionType.RELU
        self.file.operator(
            code,
            self._version(code, node.output),
            (source, weight, bias),
            self.indices[node.output],
            options,
        )

    def _padded(self, node: Conv) -> tuple[int, str]:
        """The input and the padding scheme; an even filter needs an explicit PAD."""
        source = self.graph[node.input]
        length = self.graph.constants[f"{node.output}.weight"].shape[2]
        left, right = node.pad
        if left == right == 0:
            return self.indices[node.input], "VALID"
        if node.stride == 1 and left == right and left + right == length - 1:
            return self.indices[node.input], "SAME"
        name = f"{node.output}.padded"
        n, h, t, c = source.shape
        padded = self.file.tensor(name, (n, h, t + left + right, c), source.quant)
        amounts = self.file.constant(
            f"{name}.amounts", np.array([[0, 0], [0, 0], [left, right], [0, 0]], np.int32), None
        )
        self.file.operator(
            "PAD",
            self._version("PAD", node.input),
            (self.indices[node.input], amounts),
            padded,
            self.schema.PadOptionsT(),
        )
        return padded, "VALID"

    def _average_pool(self, node: AveragePool) -> None:
        source, target = self.graph[node.input].quant, self.graph[node.output].quant
        if source != target:
            self._requantized_pool(node, source)
            return
        options = self.schema.Pool2DOptionsT()
        options.padding = self.schema.Padding.VALID
        options.strideW, options.strideH = node.stride, 1
        options.filterWidth, options.filterHeight = node.length, 1
        self._emit("AVERAGE_POOL_2D", node, options)

    def _requantized_pool(self, node: AveragePool, source: Quant | None) -> None:
        """A pool with a scale of its own: a depthwise convolution with equal weights."""
        assert source is not None
        n_channels = self.graph[node.input].shape[-1]
        scale = np.array([node.weight_scale])  # one for all channels
        weights = np.full((1, 1, node.length, n_channels), POOL_WEIGHT, np.int8)
        weight = self.file.constant(f"{node.output}.weight", weights, scale, axis=3)
        bias = self.file.constant(
            f"{node.output}.bias",
            np.zeros(n_channels, np.int32),
            np.float32(source.scale) * scale,
        )
        self._convolution(node, self.indices[node.input], weight, bias, "VALID")
