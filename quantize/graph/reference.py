# SPDX-License-Identifier: BSD-3-Clause
"""Run a :class:`~quantize.graph.qgraph.QGraph` in numpy, with TensorFlow Lite Micro's integers.

This is the reference: every other runtime and the C engine are compared with it. It is equal to
TensorFlow Lite Micro bit for bit. Float32 nodes (a float network, or the float part of a mixed one)
are computed in float32 and are a reference up to rounding only.

Values are (n_windows, 1, n_times, n_channels), int8 or float32, many windows at a time; logits are
int16.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from quantize.graph import lookup as tables
from quantize.graph.arithmetic import (
    INT8_MIN,
    Int64,
    divide_rounding,
    multiply,
    multiply_reduced,
    quantize_multiplier,
    reduced,
    saturate,
)
from quantize.graph.layouts import to_nhwc
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

Array = NDArray[Any]

AXES = {"time": 2, "channels": 3}
ARITHMETIC = {"add": np.add, "sub": np.subtract, "div": np.divide}

CHUNK = 16
"""Windows computed at once: few enough for the largest tensor to stay in the cache."""


@dataclass(frozen=True)
class Logits:
    """Everything that a network says about n_windows windows.

    Attributes
    ----------
    stored
        (n_windows, n_outputs) as the graph's output tensor holds them, int16 or float32.
    real
        (n_windows, n_outputs) float32, ``stored`` dequantized.
    accumulator
        (n_windows, n_outputs) int32 of the head, before requantization; None in a float graph.
    unrounded
        (n_windows, n_outputs) float32, the accumulator scaled to float; equal to ``real`` in a
        float graph.
    others
        What else the graph gives, by name, as its tensors hold it
        (:func:`quantize.graph.outputs.real`).
    undefined
        (n_windows,) bool, whether some float value on the way is NaN. Where int8 follows, that is
        any integer, and nothing shows behind it.
    """

    stored: Array
    real: NDArray[np.float32]
    accumulator: NDArray[np.int32] | None
    unrounded: NDArray[np.float32]
    others: Mapping[str, Array] = field(default_factory=dict)
    undefined: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))


def quantize(x: Array, quant: Quant) -> Array:
    """Round floats to integers, ties to even, saturating: ``round(x / scale) + zero_point``.

    The division is done in float32, as on a device.
    """
    steps = np.rint(np.asarray(x, np.float32) / np.float32(quant.scale))
    stored: Array = np.clip(steps + quant.zero_point, *quant.limits).astype(quant.dtype)
    return stored


def dequantize(stored: Array, quant: Quant) -> NDArray[np.float32]:
    """Return integers as float32: ``scale * (stored - zero_point)``."""
    steps = stored.astype(np.float32) - np.float32(quant.zero_point)
    return np.float32(quant.scale) * steps


def run(graph: QGraph, x: Array) -> Logits:
    """Run scaled windows through the graph.

    Parameters
    ----------
    x
        (n_windows, n_channels, n_times) float32, filtered and scaled as the contract says.
    """
    parts = [
        _run_nodes(graph, graph.nodes, {graph.input: to_input(graph, x[i : i + CHUNK])})
        for i in range(0, len(x), CHUNK)
    ]
    return _logits(graph, parts)


def finish(graph: QGraph, nodes: Sequence[Node], values: dict[str, Array]) -> Logits:
    """Run the last nodes of a graph on the values that they read, (n_windows, ...) each."""
    return _logits(graph, [_run_nodes(graph, nodes, values)])


def _logits(graph: QGraph, parts: Sequence[tuple[dict[str, Array], Int64]]) -> Logits:
    stored, *rest = (
        np.concatenate([values[name] for values, _ in parts]) for name in graph.outputs.values()
    )
    others = dict(zip(graph.others, rest, strict=True))
    undefined = np.concatenate([_undefined(graph, values) for values, _ in parts])
    if graph[graph.output].quant is None:
        return Logits(stored, stored, None, stored, others, undefined)
    accumulator = np.concatenate([sums for _, sums in parts])
    unrounded = accumulator.astype(np.float32) * graph.accumulator_scale()
    return Logits(
        stored,
        dequantize(stored, graph.quant(graph.output)),
        accumulator.astype(np.int32).reshape(stored.shape),
        unrounded.reshape(stored.shape),
        others,
        undefined,
    )


def _undefined(graph: QGraph, values: Mapping[str, Array]) -> NDArray[np.bool_]:
    """Windows with a NaN in some float tensor."""
    floats = [values[n.output] for n in graph.float_nodes() if n.output in values]
    found = np.zeros(len(values[graph.output]), bool)
    for value in floats:
        found |= np.isnan(value).reshape(len(value), -1).any(1)
    return found


def trace(graph: QGraph, x: Array) -> dict[str, Array]:
    """Return every tensor of the graph for windows ``x`` (see :func:`run`), by name."""
    parts = [
        _run_nodes(graph, graph.nodes, {graph.input: to_input(graph, x[i : i + CHUNK])})[0]
        for i in range(0, len(x), CHUNK)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def to_input(graph: QGraph, x: Array) -> Array:
    """Return scaled windows (n, n_channels, n_times) as input (n, 1, n_times, n_channels)."""
    samples = to_nhwc(np.asarray(x, np.float32))
    quant = graph[graph.input].quant
    return samples if quant is None else quantize(samples, quant)


@np.errstate(all="ignore")  # a device overflows without a word; edge.exporting.finite finds where
def _run_nodes(
    graph: QGraph, nodes: Sequence[Node], values: dict[str, Array]
) -> tuple[dict[str, Array], Int64]:
    """Add every node's output to ``values``; also the head's accumulators."""
    accumulator = np.zeros(0, np.int64)
    for node in nodes:
        if isinstance(node, Conv) and graph[node.output].quant is not None:
            sums = accumulate(graph, node, values[node.input])
            values[node.output] = _requantize_conv(graph, node, sums)
            if node == graph.head:
                accumulator = sums
        else:
            values[node.output] = evaluate(graph, node, values)
    return values, accumulator


def evaluate(graph: QGraph, node: Node, values: Mapping[str, Array]) -> Array:
    """Run one node on the values of its inputs."""
    x = values[node.input]
    match node:
        case Quantize():
            return quantize(x, graph.quant(node.output))
        case Dequantize():
            return dequantize(x, graph.quant(node.input))
        case Reshape():
            return x.reshape(len(x), *graph[node.output].shape[1:])
    if graph.is_float(node):
        return _evaluate_float(graph, node, values)
    source, target = graph.quant(node.input), graph.quant(node.output)
    match node:
        case Conv():
            return _requantize_conv(graph, node, accumulate(graph, node, x))
        case AveragePool():
            return _average_pool(node, x, source, target)
        case Mean():
            return _mean(x, source, target)
        case Activation():
            return tables.table(node.function, source, target)[x.astype(np.int64) - INT8_MIN]
        case Relu():
            return np.maximum(x, np.int8(source.zero_point))
        case LeakyRelu():
            return _leaky_relu(node, x, source, target)
        case Multiply():
            return _multiply(x, values[node.other], source, graph.quant(node.other), target)
        case Arithmetic():
            return _add(node, x, values[node.other], source, graph.quant(node.other), target)
        case Maximum():
            return np.asarray(x.max(AXES[node.over], keepdims=True))
        case _:
            assert_never(node)


def accumulate(graph: QGraph, node: Conv, x: Array) -> Int64:
    """Return an int8 convolution's sums with its bias, (n, 1, n_times, n_outputs) int32."""
    weight = graph.constants[f"{node.output}.weight"]
    bias = graph.constants[f"{node.output}.bias"].astype(np.int64)
    per_output = (0, 1, 2) if node.depthwise else (1, 2, 3)
    largest = 255 * int(np.abs(weight.astype(np.int64)).sum(per_output).max())
    exact = np.dtype(np.float32 if largest < 2**24 else np.float64)  # holds every sum exactly
    centred = x.astype(exact) - graph.quant(node.input).zero_point
    assert centred.dtype == exact
    return _correlate(node, centred, weight.astype(exact)).astype(np.int64) + bias


def _correlate(node: Conv, x: Array, weight: Array) -> Array:
    """Padded, strided correlation over time."""
    padded = np.pad(x, ((0, 0), (0, 0), node.pad, (0, 0)))
    length = weight.shape[2]
    n_out = (padded.shape[2] - length) // node.stride + 1
    last = (n_out - 1) * node.stride + 1
    taps = (padded[:, :, k : k + last : node.stride] for k in range(length))
    if node.depthwise:
        products = (tap * weight[0, 0, k] for k, tap in enumerate(taps))
    else:
        products = (tap @ weight[:, 0, k].T for k, tap in enumerate(taps))
    return functools.reduce(np.add, products)


def _requantize_conv(graph: QGraph, node: Conv, sums: Int64) -> Array:
    source, target = graph.quant(node.input), graph.quant(node.output)
    weight_scale = graph.constants[f"{node.output}.weight_scale"].astype(np.float64)
    real = float(np.float32(source.scale)) * weight_scale / float(np.float32(target.scale))
    factors = quantize_multiplier(real)
    low, high = target.limits
    low = target.zero_point if node.relu else low
    if target.bits == 16:
        return np.clip(multiply_reduced(sums, *reduced(*factors)), low, high).astype(target.dtype)
    return saturate(multiply(sums, *factors) + target.zero_point, low)


def _average_pool(node: AveragePool, x: Array, source: Quant, target: Quant) -> Array:
    sums = _window_sums(node, x.astype(np.int64))
    if source == target:
        return saturate(divide_rounding(sums, node.length))
    real = float(np.float32(source.scale)) * float(node.weight_scale)
    real /= float(np.float32(target.scale))
    centred = POOL_WEIGHT * (sums - node.length * source.zero_point)
    return saturate(multiply(centred, *quantize_multiplier(real)) + target.zero_point)


def _window_sums(node: AveragePool, x: Array) -> Array:
    n_out = (x.shape[2] - node.length) // node.stride + 1
    last = (n_out - 1) * node.stride + 1
    taps = (x[:, :, k : k + last : node.stride] for k in range(node.length))
    return functools.reduce(np.add, taps)


def _mean(x: Array, source: Quant, target: Quant) -> Array:
    n = x.shape[2]
    sums = (x.astype(np.int64) - source.zero_point).sum(2, keepdims=True)
    mantissa, shift = quantize_multiplier(_ratio(source, target))
    head_room = min(n.bit_length() - 1, 32, 31 + int(shift))
    mantissa = (mantissa << head_room) // n
    return saturate(multiply(sums, mantissa, shift - head_room) + target.zero_point)


def _leaky_relu(node: LeakyRelu, x: Array, source: Quant, target: Quant) -> Array:
    centred = x.astype(np.int64) - source.zero_point
    ratio = float(np.float32(source.scale) / np.float32(target.scale))
    slope = float(np.float32(np.float32(source.scale) * np.float32(node.slope)))
    slope = float(np.float32(np.float32(slope) / np.float32(target.scale)))
    positive = multiply(centred, *quantize_multiplier(ratio))
    negative = multiply(centred, *quantize_multiplier(slope))
    return saturate(np.where(centred >= 0, positive, negative) + target.zero_point)


def _multiply(x: Array, other: Array, a: Quant, b: Quant, target: Quant) -> Array:
    product = (x.astype(np.int64) - a.zero_point) * (other.astype(np.int64) - b.zero_point)
    real = float(np.float32(a.scale)) * float(np.float32(b.scale)) / float(np.float32(target.scale))
    return saturate(multiply(product, *quantize_multiplier(real)) + target.zero_point)


ADD_HEAD_ROOM = 20
"""Bits by which both values are shifted to the left before they are brought to one scale."""


def _add(node: Arithmetic, x: Array, other: Array, a: Quant, b: Quant, target: Quant) -> Array:
    """Both on twice the larger scale, 20 bits finer; their sum or difference requantized."""
    if node.function == "div":
        raise ValueError(f"{node.output}: quotients have no int8 form")
    (first, second), last = add_factors(a, b, target)
    left = multiply((x.astype(np.int64) - a.zero_point) << ADD_HEAD_ROOM, *first)
    right = multiply((other.astype(np.int64) - b.zero_point) << ADD_HEAD_ROOM, *second)
    total = left + right if node.function == "add" else left - right
    return saturate(multiply(total, *last) + target.zero_point)


def add_factors(
    a: Quant, b: Quant, target: Quant
) -> tuple[tuple[tuple[Int64, Int64], tuple[Int64, Int64]], tuple[Int64, Int64]]:
    """Return multipliers and shifts of both inputs and of the sum, as TFLite rounds them."""
    scales = [float(np.float32(quant.scale)) for quant in (a, b)]
    twice = 2 * max(scales)
    inputs = quantize_multiplier(scales[0] / twice), quantize_multiplier(scales[1] / twice)
    of_sum = twice / (2**ADD_HEAD_ROOM * float(np.float32(target.scale)))
    return inputs, quantize_multiplier(of_sum)


def _ratio(source: Quant, target: Quant) -> float:
    return float(np.float32(source.scale)) / float(np.float32(target.scale))


def _evaluate_float(graph: QGraph, node: Node, values: Mapping[str, Array]) -> Array:
    x = values[node.input]
    match node:
        case Conv():
            y = _correlate(node, x, graph.float_weight(node))
            y = y + graph.constants[f"{node.output}.bias"]
            return np.maximum(y, np.float32(0)) if node.relu else y
        case AveragePool():
            return _window_sums(node, x) * np.float32(1 / node.length)
        case Mean():
            return np.asarray(x.mean(2, keepdims=True))
        case Activation():
            return tables.apply(node.function, x)
        case Relu():
            return np.maximum(x, np.float32(0))
        case LeakyRelu():
            return np.where(x >= 0, x, np.float32(node.slope) * x)
        case Multiply():
            return x * values[node.other]
        case Arithmetic():
            return ARITHMETIC[node.function](x, values[node.other])
        case Maximum():
            return np.asarray(x.max(AXES[node.over], keepdims=True))
        case _:
            raise AssertionError(f"{node.kind} is not a float operation")
