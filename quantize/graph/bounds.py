# SPDX-License-Identifier: BSD-3-Clause
"""Prove how large the sums of an integer graph can become, for every possible window.

A sum is an accumulator before it is requantized. :func:`of` bounds it for one node whatever int8
values come in, of stored as of centred values, so that it holds for the reference and for C.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quantize.graph.arithmetic import quantize_multiplier
from quantize.graph.qgraph import (
    POOL_WEIGHT,
    Arithmetic,
    AveragePool,
    Conv,
    LeakyRelu,
    Mean,
    Multiply,
    Node,
    QGraph,
    Quant,
    inputs_of,
)
from quantize.graph.reference import ADD_HEAD_ROOM

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]

LIMIT = 2**31
"""What no sum may reach."""


@dataclass(frozen=True, eq=False)
class Sums:
    """The sums of one node, and what they are multiplied with.

    Attributes
    ----------
    bound
        (n,) no sum exceeds it in magnitude; n is the number of outputs of a convolution, else 1.
    factors
        (n,) real factors of the requantization; empty where sums are divided by an integer.
    """

    bound: Int64
    factors: Float64

    @property
    def shifted(self) -> int:
        """The largest magnitude once a factor above one has shifted a sum to the left."""
        if not self.factors.size:
            return int(self.bound.max())
        _, shift = quantize_multiplier(self.factors)
        return max(
            int(bound) << max(int(left), 0)
            for bound, left in zip(*np.broadcast_arrays(self.bound, shift), strict=True)
        )


@dataclass(frozen=True)
class Accumulator:
    """A sum in 32 bits: the bound that was proved for it, and what may go in.

    Attributes
    ----------
    node
        Name of the tensor that the operation writes.
    operation
        What sums, as ``qgraph.json`` calls it.
    bound
        No magnitude in 32 bits exceeds it, neither the sum's nor that of the sum once a factor
        above one has shifted it to the left.
    inputs
        The lowest and the highest real value of each tensor that goes in, by its name. They are
        all that 8 bits can hold; what lies beyond is cut off before, so nothing else goes in.
    """

    node: str
    operation: str
    bound: int
    inputs: Mapping[str, tuple[float, float]]


def accumulators(graph: QGraph) -> tuple[Accumulator, ...]:
    """Return every sum of a graph with its proved bound, in the order of the nodes."""
    found = ((node, of(graph, node)) for node in graph.nodes)
    return tuple(
        Accumulator(
            node=node.output,
            operation=node.kind,
            bound=_largest(graph, node, sums),
            inputs={name: real_range(graph.quant(name)) for name in inputs_of(node)},
        )
        for node, sums in found
        if sums is not None
    )


def _largest(graph: QGraph, node: Node, sums: Sums) -> int:
    """Logits of 16 bits are scaled in 64 bits, where nothing is shifted out of 32."""
    wide = graph.quant(node.output).bits == 16
    return int(sums.bound.max()) if wide else sums.shifted


def real_range(quant: Quant) -> tuple[float, float]:
    """Return the lowest and the highest real value that integers can stand for."""
    low, high = (_scale(quant) * (limit - quant.zero_point) for limit in quant.limits)
    return low, high


def of(graph: QGraph, node: Node) -> Sums | None:
    """Return the sums of a node that computes in integers; None if it has none."""
    if graph[node.output].quant is None or graph[node.input].quant is None:
        return None
    source, target = graph.quant(node.input), graph.quant(node.output)
    match node:
        case Conv():
            return Sums(of_conv(graph, node), conv_factors(graph, node))
        case AveragePool() if source == target:
            return Sums(np.array([128 * node.length + node.length // 2]), np.zeros(0))
        case AveragePool():
            factor = _scale(source) * float(node.weight_scale) / _scale(target)
            return Sums(of_pool(node), np.array([factor]))
        case Mean():
            bound = np.array([256 * graph[node.input].shape[2]])
            return Sums(bound, np.array([_scale(source) / _scale(target)]))
        case LeakyRelu():
            ratio = _scale(source) / _scale(target)
            return Sums(np.array([255, 255]), np.array([ratio, ratio * node.slope]))
        case Multiply():
            other = graph.quant(node.other)
            factor = _scale(source) * _scale(other) / _scale(target)
            return Sums(np.array([2**16]), np.array([factor]))
        case Arithmetic():
            twice = 2 * max(_scale(source), _scale(graph.quant(node.other)))
            factor = twice / (2**ADD_HEAD_ROOM * _scale(target))
            return Sums(np.array([2 ** (ADD_HEAD_ROOM + 8)]), np.array([factor]))
        case _:
            return None


def of_conv(graph: QGraph, node: Conv) -> Int64:
    """Bound the sums of an int8 convolution with its bias, (n_outputs,)."""
    weight = graph.constants[f"{node.output}.weight"].astype(np.int64)
    bias = graph.constants[f"{node.output}.bias"].astype(np.int64)
    axes = (0, 1, 2) if node.depthwise else (1, 2, 3)
    folded = bias - graph.quant(node.input).zero_point * weight.sum(axes)
    bound: Int64 = np.maximum(np.abs(bias), np.abs(folded)) + 256 * np.abs(weight).sum(axes)
    return bound


def conv_factors(graph: QGraph, node: Conv) -> Float64:
    """Return the real factor of every output of an int8 convolution, (n_outputs,)."""
    weight_scale = graph.constants[f"{node.output}.weight_scale"].astype(np.float64)
    source, target = graph.quant(node.input), graph.quant(node.output)
    real: Float64 = _scale(source) * weight_scale / _scale(target)
    return real


def of_pool(node: AveragePool) -> Int64:
    """Bound the sums of a pool that requantizes."""
    return np.array([256 * POOL_WEIGHT * node.length])


def _scale(quant: Quant) -> float:
    return float(np.float32(quant.scale))
