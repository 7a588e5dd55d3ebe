"""Emitters of the operations that the recipe leaves in float32, and of the way there and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from firmware_bridge import layouts
from firmware_bridge.source import (
    Constant,
    Emission,
    broadcast_steps,
    call,
    identifier,
    time_and_channels,
)
from quantize.qgraph import (
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
    Quantize,
    Relu,
)

KERNELS = ("edge_float.h",)


def _call(function: str, node: Node, *arguments: object) -> Emission:
    text = call(function, identifier(node.input), *arguments, identifier(node.output))
    return Emission(text, (), KERNELS)


def _count(graph: QGraph, node: Node) -> int:
    return int(np.prod(graph[node.output].shape))


def literal(value: float) -> str:
    """A float32 in C, exactly."""
    return f"{float(np.float32(value)).hex()}f"


def emit_quantize(graph: QGraph, node: Quantize) -> Emission:
    """float32 to int8."""
    quant = graph.quant(node.output)
    scale = literal(quant.scale)
    return _call("edge_quantize", node, _count(graph, node), scale, quant.zero_point)


def _emit_dequantize(graph: QGraph, node: Dequantize) -> Emission:
    quant = graph.quant(node.input)
    scale = literal(quant.scale)
    return _call("edge_dequantize", node, _count(graph, node), scale, quant.zero_point)


def _emit_conv(graph: QGraph, node: Conv) -> Emission:
    name = identifier(node.output)
    weight = graph.constants[f"{node.output}.weight"].astype(np.float32)
    bias = graph.constants[f"{node.output}.bias"].astype(np.float32)
    n_times, n_inputs = time_and_channels(graph, node.input)
    n, n_outputs = time_and_channels(graph, node.output)
    sizes = (n_times, n_inputs, weight.shape[2], node.stride, node.pad[0], n)
    rest = (f"{name}_weight", f"{name}_bias", int(node.relu), name)
    source = identifier(node.input)
    if node.depthwise:
        text = call("edge_float_depthwise", source, *sizes, *rest)
        weight = weight.squeeze()
    else:
        text = call("edge_float_conv", source, *sizes, n_outputs, *rest)
        weight, bias = layouts.float_fours(weight[:, 0], bias)
    constants = (
        Constant(f"{name}_weight", f"{node.output}: weights", {"plain": weight}),
        Constant(f"{name}_bias", f"{node.output}: bias", {"plain": bias}),
    )
    return Emission(text, constants, KERNELS)


def _emit_pool(graph: QGraph, node: AveragePool) -> Emission:
    sizes = time_and_channels(graph, node.output)
    return _call("edge_float_pool", node, *sizes, node.length, node.stride)


def _emit_mean(graph: QGraph, node: Mean) -> Emission:
    n_times, n_chans = time_and_channels(graph, node.input)
    return _call("edge_float_pool", node, 1, n_chans, n_times, n_times)


def _emit_multiply(graph: QGraph, node: Multiply) -> Emission:
    return _call("edge_float_multiply", node, *_broadcast(graph, node))


def _emit_arithmetic(graph: QGraph, node: Arithmetic) -> Emission:
    return _call(f"edge_float_{node.function}", node, *_broadcast(graph, node))


def _broadcast(graph: QGraph, node: Multiply | Arithmetic) -> tuple[object, ...]:
    """Sizes of the result, the second tensor and its steps."""
    sizes = time_and_channels(graph, node.output)
    return (*sizes, identifier(node.other), *broadcast_steps(graph, node.other))


def _emit_maximum(graph: QGraph, node: Maximum) -> Emission:
    sizes = time_and_channels(graph, node.input)
    return _call(f"edge_float_maximum_over_{node.over}", node, *sizes)


def _emit_activation(graph: QGraph, node: Activation) -> Emission:
    return _call(f"edge_float_{node.function}", node, _count(graph, node))


def _emit_relu(graph: QGraph, node: Relu) -> Emission:
    return _call("edge_float_relu", node, _count(graph, node))


def _emit_leaky_relu(graph: QGraph, node: LeakyRelu) -> Emission:
    return _call("edge_float_leaky_relu", node, _count(graph, node), literal(node.slope))


FLOAT_EMITTERS: Mapping[type, Callable[[QGraph, Any], Emission]] = MappingProxyType(
    {
        Activation: _emit_activation,
        Arithmetic: _emit_arithmetic,
        AveragePool: _emit_pool,
        Conv: _emit_conv,
        Dequantize: _emit_dequantize,
        LeakyRelu: _emit_leaky_relu,
        Maximum: _emit_maximum,
        Mean: _emit_mean,
        Multiply: _emit_multiply,
        Relu: _emit_relu,
    }
)
"""Operations whose output is float32."""
