# SPDX-License-Identifier: BSD-3-Clause
"""Run a :class:`~quantize.graph.qgraph.QGraph` in numpy, with TensorFlow Lite Micro's integers.

This is the reference: every other runtime and the C engine are compared with it. It is equal to
TensorFlow Lite Micro bit for bit. Float32 nodes (a float network, or the float part of a mixed one)
are computed in float32 and are a reference up to rounding only. What a node computes stands in its
operation's file (:mod:`quantize.graph.operations`).

Values are (n_windows, 1, n_times, n_channels), int8 or float32, many windows at a time; logits are
int16.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from quantize.graph.arithmetic import Int64
from quantize.graph.layouts import to_nhwc
from quantize.graph.qgraph import Array, Conv, Node, QGraph
from quantize.graph.tensors import dequantize, quantize

__all__ = ["Logits", "dequantize", "finish", "quantize", "run", "to_input", "trace"]

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
            sums = node.accumulate(graph, values[node.input])
            values[node.output] = node.requantize(graph, sums)
            if node == graph.head:
                accumulator = sums
        else:
            values[node.output] = node.evaluate(graph, values)
    return values, accumulator
