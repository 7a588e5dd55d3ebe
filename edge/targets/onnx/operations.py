# SPDX-License-Identifier: BSD-3-Clause
"""Write each operation of a graph as nodes of ONNX, in float: one function for each, in `WRITERS`.

A function is given the file, the node and the names of what the node reads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from quantize.graph.qgraph import (
    Activation,
    Arithmetic,
    AveragePool,
    Conv,
    LeakyRelu,
    Maximum,
    MaxPool,
    Node,
    Reshape,
)

if TYPE_CHECKING:
    from edge.targets.onnx.write import Writer

ACTIVATIONS: Mapping[str, str] = MappingProxyType(
    {
        "elu": "Elu",
        "exp": "Exp",
        "log": "Log",
        "sigmoid": "Sigmoid",
        "sqrt": "Sqrt",
        "tanh": "Tanh",
    }
)


def _conv(to: Writer, node: Conv, sources: list[str]) -> None:
    value = node.output
    weight = to.graph.constants[f"{node.output}.weight"]
    order = (3, 0, 1, 2) if node.depthwise else (0, 3, 1, 2)
    inputs = [*sources, *_parameters(to, node, np.ascontiguousarray(weight.transpose(order)))]
    result = f"{value}.sum" if node.relu else value
    left, right = node.pad
    to.emit(
        "Conv",
        inputs,
        result,
        kernel_shape=[1, weight.shape[2]],
        strides=[1, node.stride],
        pads=[0, left, 0, right],
        group=weight.shape[3] if node.depthwise else 1,
    )
    if node.relu:
        to.emit("Relu", [result], value)


def _parameters(to: Writer, node: Conv, weight: NDArray[Any]) -> list[str]:
    """Weight and bias as the convolution reads them: in float, dequantized where int8."""
    name = node.output
    bias = to.graph.constants[f"{name}.bias"]
    scale = to.graph.constants.get(f"{name}.weight_scale")
    weights = to.constant(f"{name}.weight", weight)
    biases = to.constant(f"{name}.bias", bias)
    if scale is None:
        return [weights, biases]
    real = _dequantize(to, weights, scale, np.int8)
    if to.graph.is_float(node):
        return [real, biases]
    step = np.float32(to.graph.quant(node.input).scale) * scale
    return [real, _dequantize(to, biases, step, np.int32)]


def _dequantize(to: Writer, name: str, scale: NDArray[np.float32], dtype: type) -> str:
    """A symmetric constant with a scale per channel, its first axis, or one for all.

    The zero points may be left out by the standard, not for ONNX Runtime 1.32.
    """
    scale, axis = (scale[0], {}) if len(scale) == 1 else (scale, {"axis": 0})
    zero = np.zeros(scale.shape, dtype)
    inputs = [
        name,
        to.constant(f"{name}.scale", np.asarray(scale)),
        to.constant(f"{name}.zero_point", zero),
    ]
    return to.emit("DequantizeLinear", inputs, f"{name}.real", **axis)


def _gelu(to: Writer, source: str, output: str) -> None:
    """``0.5 x (1 + erf(x / sqrt 2))``: Gelu itself came with opset 20."""
    root = to.constant(f"{output}.root", np.array(np.sqrt(0.5), np.float32))
    one = to.constant(f"{output}.one", np.array(1, np.float32))
    half = to.constant(f"{output}.half", np.array(0.5, np.float32))
    scaled = to.emit("Mul", [source, root], f"{output}.scaled")
    erf = to.emit("Erf", [scaled], f"{output}.erf")
    shifted = to.emit("Add", [erf, one], f"{output}.shifted")
    gate = to.emit("Mul", [shifted, half], f"{output}.gate")
    to.emit("Mul", [source, gate], output)


def _activation(to: Writer, node: Activation, sources: list[str]) -> None:
    if node.function == "gelu":
        _gelu(to, sources[0], node.output)
    else:
        to.emit(ACTIVATIONS[node.function], sources, node.output)


def _average_pool(to: Writer, node: AveragePool, sources: list[str]) -> None:
    sizes = {"kernel_shape": [1, node.length], "strides": [1, node.stride]}
    to.emit("AveragePool", sources, node.output, **sizes)


def _max_pool(to: Writer, node: MaxPool, sources: list[str]) -> None:
    sizes = {"kernel_shape": [1, node.length], "strides": [1, node.stride]}
    to.emit("MaxPool", sources, node.output, **sizes)


def _leaky_relu(to: Writer, node: LeakyRelu, sources: list[str]) -> None:
    to.emit("LeakyRelu", sources, node.output, alpha=node.slope)


def _arithmetic(to: Writer, node: Arithmetic, sources: list[str]) -> None:
    to.emit(node.function.capitalize(), sources, node.output)


def _maximum(to: Writer, node: Maximum, sources: list[str]) -> None:
    axes = [3] if node.over == "time" else [1]
    to.emit("ReduceMax", sources, node.output, axes=axes, keepdims=1)


def _reshape(to: Writer, node: Reshape, sources: list[str]) -> None:
    shape = np.array(channels_first(to.graph[node.output].shape), np.int64)
    inputs = [*sources, to.constant(f"{node.output}.shape", shape)]
    to.emit("Reshape", inputs, node.output)


def _plain(kind: str) -> Callable[[Writer, Node, list[str]], None]:
    """A node of ONNX without attributes."""

    def write(to: Writer, node: Node, sources: list[str]) -> None:
        to.emit(kind, sources, node.output)

    return write


def channels_first(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Turn the graph's (n, 1, n_times, n_channels) into (n, n_channels, 1, n_times)."""
    return (shape[0], shape[3], *shape[1:3]) if len(shape) == 4 else shape


WRITERS: Mapping[str, Callable[[Writer, Any, list[str]], None]] = MappingProxyType(
    {
        "activation": _activation,
        "arithmetic": _arithmetic,
        "average_pool": _average_pool,
        "conv": _conv,
        "leaky_relu": _leaky_relu,
        "max_pool": _max_pool,
        "maximum": _maximum,
        "mean": _plain("GlobalAveragePool"),
        "multiply": _plain("Mul"),
        "relu": _plain("Relu"),
        "reshape": _reshape,
    }
)
"""Functions that add the nodes of an operation, by its ``kind``."""
