# SPDX-License-Identifier: BSD-3-Clause
"""Write each operation of a graph as operators of TFLite: one function for each, in `WRITERS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from quantize.graph.qgraph import (
    POOL_WEIGHT,
    Activation,
    Arithmetic,
    AveragePool,
    Conv,
    LeakyRelu,
    Maximum,
    MaxPool,
    Mean,
    Multiply,
    Node,
    Quant,
    Reshape,
)

if TYPE_CHECKING:
    from edge.targets.tflite.write import Writer

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
        "MAX_POOL_2D": (1, 2),
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


def _conv(to: Writer, node: Conv) -> None:
    constants = to.graph.constants
    weight_scale = constants.get(f"{node.output}.weight_scale")
    weight = to.file.constant(
        f"{node.output}.weight",
        constants[f"{node.output}.weight"],
        weight_scale,
        axis=3 if node.depthwise else 0,
    )
    bias_scale = None
    if weight_scale is not None and to.graph.is_float(node):
        weight = _real(to, node, weight)
    elif weight_scale is not None:
        bias_scale = np.float32(to.graph.quant(node.input).scale) * weight_scale
    source, padding, biases = *_padded(to, node), constants[f"{node.output}.bias"]
    target = to.graph[node.output].quant
    if target is not None and target.bits == 16:
        source, biases = _widened(to, node, source)
    bias = to.file.constant(f"{node.output}.bias", biases, bias_scale)
    _convolution(to, node, source, weight, bias, padding)


def _real(to: Writer, node: Conv, weight: int) -> int:
    """int8 weights in float; XNNPACK does that once, when the file is loaded."""
    shape = to.graph.constants[f"{node.output}.weight"].shape
    real = to.file.tensor(f"{node.output}.weight.float", shape, None)
    code = "DEQUANTIZE"
    to.file.operator(code, to.version(code, node.output), (weight,), real)
    return real


def _widened(to: Writer, node: Conv, source: int) -> tuple[int, NDArray[np.int64]]:
    """The input as int16, which a convolution needs that writes int16, and its bias.

    The integers are taken as they are, the zero point with them, which is 0 in 16 bits: the
    bias makes up for it. So no runtime has to requantize int8 to int16, which tflite-runtime
    2.14 cannot. With a bias of 64 bits all runtimes compute the same integers.
    """
    quant, constants = to.graph.quant(node.input), to.graph.constants
    shape = to.graph[node.input].shape
    wide = to.file.tensor(f"{node.output}.wide", shape, Quant(quant.scale, 0, bits=16))
    options = to.schema.CastOptionsT()
    options.inDataType = to.schema.TensorType.INT8
    options.outDataType = to.schema.TensorType.INT16
    to.file.operator("CAST", to.version("CAST", node.output), (source,), wide, options)
    sums = constants[f"{node.output}.weight"].astype(np.int64).sum((1, 2, 3))
    return wide, constants[f"{node.output}.bias"] - quant.zero_point * sums


def _convolution(
    to: Writer, node: Conv | AveragePool, source: int, weight: int, bias: int, padding: str
) -> None:
    depthwise = isinstance(node, AveragePool) or node.depthwise
    code = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
    options = to.schema.DepthwiseConv2DOptionsT() if depthwise else to.schema.Conv2DOptionsT()
    options.padding = getattr(to.schema.Padding, padding)
    options.strideW, options.strideH = node.stride, 1
    if depthwise:
        options.depthMultiplier = 1
    if isinstance(node, Conv) and node.relu:
        options.fusedActivationFunction = to.schema.ActivationFunctionType.RELU
    to.file.operator(
        code,
        to.version(code, node.output),
        (source, weight, bias),
        to.indices[node.output],
        options,
    )


def _padded(to: Writer, node: Conv) -> tuple[int, str]:
    """The input and the padding scheme; an even filter needs an explicit PAD."""
    source = to.graph[node.input]
    length = to.graph.constants[f"{node.output}.weight"].shape[2]
    left, right = node.pad
    if left == right == 0:
        return to.indices[node.input], "VALID"
    if node.stride == 1 and left == right and left + right == length - 1:
        return to.indices[node.input], "SAME"
    name = f"{node.output}.padded"
    n, h, t, c = source.shape
    padded = to.file.tensor(name, (n, h, t + left + right, c), source.quant)
    amounts = to.file.constant(
        f"{name}.amounts", np.array([[0, 0], [0, 0], [left, right], [0, 0]], np.int32), None
    )
    to.file.operator(
        "PAD",
        to.version("PAD", node.input),
        (to.indices[node.input], amounts),
        padded,
        to.schema.PadOptionsT(),
    )
    return padded, "VALID"


def _average_pool(to: Writer, node: AveragePool) -> None:
    source, target = to.graph[node.input].quant, to.graph[node.output].quant
    if source != target:
        _requantized_pool(to, node, source)
        return
    _pool(to, node, "AVERAGE_POOL_2D")


def _max_pool(to: Writer, node: MaxPool) -> None:
    _pool(to, node, "MAX_POOL_2D")


def _pool(to: Writer, node: AveragePool | MaxPool, code: str) -> None:
    options = to.schema.Pool2DOptionsT()
    options.padding = to.schema.Padding.VALID
    options.strideW, options.strideH = node.stride, 1
    options.filterWidth, options.filterHeight = node.length, 1
    to.emit(code, node, options)


def _requantized_pool(to: Writer, node: AveragePool, source: Quant | None) -> None:
    """A pool with a scale of its own: a depthwise convolution with equal weights."""
    assert source is not None
    n_channels = to.graph[node.input].shape[-1]
    scale = np.array([node.weight_scale])  # one for all channels
    weights = np.full((1, 1, node.length, n_channels), POOL_WEIGHT, np.int8)
    weight = to.file.constant(f"{node.output}.weight", weights, scale, axis=3)
    bias = to.file.constant(
        f"{node.output}.bias",
        np.zeros(n_channels, np.int32),
        np.float32(source.scale) * scale,
    )
    _convolution(to, node, to.indices[node.input], weight, bias, "VALID")


def _mean(to: Writer, node: Mean) -> None:
    options = to.schema.ReducerOptionsT()
    options.keepDims = True
    # of axes 1 and 2 LiteRT's own kernel rounds the zero point apart from the sum
    to.emit("MEAN", node, options, extra=(to.integers(f"{node.output}.axes", [2]),))


def _activation(to: Writer, node: Activation) -> None:
    options = to.schema.ExpOptionsT() if node.function == "exp" else None
    options = to.schema.GeluOptionsT() if node.function == "gelu" else options
    to.emit(ACTIVATIONS[node.function], node, options)


def _leaky_relu(to: Writer, node: LeakyRelu) -> None:
    options = to.schema.LeakyReluOptionsT()
    options.alpha = node.slope
    to.emit("LEAKY_RELU", node, options)


def _multiply(to: Writer, node: Multiply) -> None:
    to.emit("MUL", node, to.schema.MulOptionsT(), (to.indices[node.other],))


def _arithmetic(to: Writer, node: Arithmetic) -> None:
    options = getattr(to.schema, f"{node.function.capitalize()}OptionsT")()
    to.emit(node.function.upper(), node, options, (to.indices[node.other],))


def _maximum(to: Writer, node: Maximum) -> None:
    options = to.schema.ReducerOptionsT()
    options.keepDims = True
    to.emit("REDUCE_MAX", node, options, extra=(to.integers(f"{node.output}.axes", [node.axis]),))


def _reshape(to: Writer, node: Reshape) -> None:
    shape = list(to.graph[node.output].shape)
    options = to.schema.ReshapeOptionsT()
    options.newShape = shape
    to.emit("RESHAPE", node, options, (to.integers(f"{node.output}.shape", shape),))


def _plain(code: str) -> Callable[[Writer, Node], None]:
    """An operator without options that reads one tensor."""
    return lambda to, node: to.emit(code, node)


WRITERS: Mapping[str, Callable[[Writer, Any], None]] = MappingProxyType(
    {
        "activation": _activation,
        "arithmetic": _arithmetic,
        "average_pool": _average_pool,
        "conv": _conv,
        "dequantize": _plain("DEQUANTIZE"),
        "leaky_relu": _leaky_relu,
        "max_pool": _max_pool,
        "maximum": _maximum,
        "mean": _mean,
        "multiply": _multiply,
        "quantize": _plain("QUANTIZE"),
        "relu": _plain("RELU"),
        "reshape": _reshape,
    }
)
"""Functions that add the operators of a node, by its ``kind``."""
