# SPDX-License-Identifier: BSD-3-Clause
"""Emit the operations that stay in float32, and the conversions before and behind them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from firmware_bridge.emit import layouts
from firmware_bridge.plan.source import (
    Constant,
    Emission,
    broadcast_steps,
    call,
    call_with_sizes,
    float_literal,
    identifier,
    scratch,
    symbol,
    time_and_channels,
)
from quantize.graph.operations.binary import Binary
from quantize.graph.qgraph import (
    Activation,
    Arithmetic,
    AveragePool,
    Conv,
    Dequantize,
    LeakyRelu,
    Maximum,
    MaxPool,
    Mean,
    Multiply,
    Node,
    QGraph,
    Quantize,
    Relu,
)

KERNELS = ("edge_float.h",)
SIZES = "edge_float_conv_sizes"


def _call(function: str, node: Node, *arguments: object) -> Emission:
    text = call(function, identifier(node.input), *arguments, identifier(node.output))
    return Emission(text, (), KERNELS)


def _count(graph: QGraph, node: Node) -> int:
    return int(np.prod(graph[node.output].shape))


def emit_quantize(graph: QGraph, node: Quantize, _: str) -> Emission:
    """Emit the conversion of float32 to int8."""
    quant = graph.quant(node.output)
    scale = float_literal(quant.scale)
    return _call("edge_quantize", node, _count(graph, node), scale, quant.zero_point)


def _emit_dequantize(graph: QGraph, node: Dequantize, _: str) -> Emission:
    quant = graph.quant(node.input)
    scale = float_literal(quant.scale)
    return _call("edge_dequantize", node, _count(graph, node), scale, quant.zero_point)


def _emit_conv(graph: QGraph, node: Conv, model: str) -> Emission:
    weight, bias = (graph.constants[f"{node.output}.{role}"] for role in ("weight", "bias"))
    names = [symbol(model, node.output, role) for role in ("weight", "bias")]
    emission = (_depthwise if node.depthwise else _full)(graph, node, *names)
    if node.depthwise:
        weight = weight[0, 0]
    else:
        weight, bias = layouts.float_fours(weight[:, 0], bias)
    constants = (
        Constant(names[0], f"{node.output}: weights", {"plain": weight}),
        Constant(names[1], f"{node.output}: bias", {"plain": bias}),
    )
    return replace(emission, constants=constants)


def _full(graph: QGraph, node: Conv, weight: str, bias: str) -> Emission:
    source, target, sizes = identifier(node.input), identifier(node.output), _sizes(graph, node)
    scale = _weight_scale(graph, node)
    if scale is None:
        text = call_with_sizes(SIZES, sizes, "edge_float_conv", source, weight, bias, target)
        return Emission(text, kernels=KERNELS)
    fours = 4 * graph.constants[f"{node.output}.weight"][0].size
    tensors = (source, weight, scale, bias, f"(float *){scratch(node.output)}", target)
    text = call_with_sizes(SIZES, sizes, "edge_float_conv_int8", *tensors)
    return Emission(text, kernels=KERNELS, scratch_bytes=4 * fours)


def _depthwise(graph: QGraph, node: Conv, weight: str, bias: str) -> Emission:
    source, target, sizes = identifier(node.input), identifier(node.output), _sizes(graph, node)
    scale = _weight_scale(graph, node)
    n_weights = graph.constants[f"{node.output}.weight"].size
    real = weight if scale is None else f"(float *){scratch(node.output)}"
    text = call_with_sizes(SIZES, sizes, "edge_float_depthwise", source, real, bias, target)
    if scale is None:
        return Emission(text, kernels=KERNELS)
    first = call("edge_dequantize", weight, n_weights, scale, 0, real)
    return Emission(f"{first}\n{text}", kernels=KERNELS, scratch_bytes=4 * n_weights)


def _sizes(graph: QGraph, node: Conv) -> dict[str, int]:
    """What a convolution reads, how, and what it gives."""
    n_times, n_inputs = time_and_channels(graph, node.input)
    n, n_outputs = time_and_channels(graph, node.output)
    return {
        "n_times": n_times,
        "n_inputs": n_inputs,
        "length": graph.constants[f"{node.output}.weight"].shape[2],
        "stride": node.stride,
        "pad": node.pad[0],
        "n": n,
        "n_outputs": n_outputs,
        "y_step": n_outputs,
        "relu": int(node.relu),
    }


def _weight_scale(graph: QGraph, node: Conv) -> str | None:
    """The scale of int8 weights; None where they are float32."""
    scale = graph.constants.get(f"{node.output}.weight_scale")
    return None if scale is None else float_literal(scale[0])


def _emit_pool(graph: QGraph, node: AveragePool, _: str) -> Emission:
    sizes = time_and_channels(graph, node.output)
    return _call("edge_float_pool", node, *sizes, node.length, node.stride)


def _emit_max_pool(graph: QGraph, node: MaxPool, _: str) -> Emission:
    n, n_chans = time_and_channels(graph, node.output)
    sizes = {"n": n, "n_chans": n_chans, "length": node.length, "stride": node.stride}
    tensors = identifier(node.input), identifier(node.output)
    text = call_with_sizes("edge_max_pool_sizes", sizes, "edge_float_max_pool", *tensors)
    return Emission(text, kernels=("edge_max_pool.h",))


def _emit_mean(graph: QGraph, node: Mean, _: str) -> Emission:
    n_times, n_chans = time_and_channels(graph, node.input)
    return _call("edge_float_pool", node, 1, n_chans, n_times, n_times)


def _emit_multiply(graph: QGraph, node: Multiply, _: str) -> Emission:
    return _call("edge_float_multiply", node, *_broadcast(graph, node))


def _emit_arithmetic(graph: QGraph, node: Arithmetic, _: str) -> Emission:
    return _call(f"edge_float_{node.function}", node, *_broadcast(graph, node))


def _broadcast(graph: QGraph, node: Binary) -> tuple[object, ...]:
    """Sizes of the result, the second tensor and its steps."""
    sizes = time_and_channels(graph, node.output)
    return (*sizes, identifier(node.other), *broadcast_steps(graph, node.other))


def _emit_maximum(graph: QGraph, node: Maximum, _: str) -> Emission:
    sizes = time_and_channels(graph, node.input)
    return _call(f"edge_float_maximum_over_{node.over}", node, *sizes)


def _emit_activation(graph: QGraph, node: Activation, _: str) -> Emission:
    return _call(f"edge_float_{node.function}", node, _count(graph, node))


def _emit_relu(graph: QGraph, node: Relu, _: str) -> Emission:
    return _call("edge_float_relu", node, _count(graph, node))


def _emit_leaky_relu(graph: QGraph, node: LeakyRelu, _: str) -> Emission:
    return _call("edge_float_leaky_relu", node, _count(graph, node), float_literal(node.slope))


FLOAT_EMITTERS: Mapping[str, Callable[[QGraph, Any, str], Emission]] = MappingProxyType(
    {
        "activation": _emit_activation,
        "arithmetic": _emit_arithmetic,
        "average_pool": _emit_pool,
        "conv": _emit_conv,
        "dequantize": _emit_dequantize,
        "leaky_relu": _emit_leaky_relu,
        "max_pool": _emit_max_pool,
        "maximum": _emit_maximum,
        "mean": _emit_mean,
        "multiply": _emit_multiply,
        "relu": _emit_relu,
    }
)
"""Operations whose output is float32, by ``kind``."""
