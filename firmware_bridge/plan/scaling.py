# SPDX-License-Identifier: BSD-3-Clause
"""Compute the requantization constants of every operation with the reference's own functions.

An accumulator becomes an int8 value by a 31-bit multiplier and a shift for each output channel
(:mod:`quantize.graph.arithmetic`). Bounds are proved here, when code is generated, so that kernels
need no check: which sums fit in 32 bits, and where the short form of requantization is exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from quantize.errors import IncompatibleError
from quantize.graph import bounds
from quantize.graph.arithmetic import Int64, quantize_multiplier
from quantize.graph.operations.base import Sums
from quantize.graph.qgraph import (
    POOL_WEIGHT,
    Arithmetic,
    AveragePool,
    Conv,
    Mean,
    Multiply,
    Node,
    QGraph,
)


@dataclass(frozen=True, eq=False)
class Scaling:
    """How accumulators of raw (not centred) int8 values become int8 values, by channel.

    Attributes
    ----------
    bias
        (n_outputs,) int64: the convolution's bias less the zero point's share of every sum, so
        that the kernel multiplies the stored values as they are.
    multiplier
        (n_outputs,) in [2**30, 2**31).
    shift
        (n_outputs,) to the left where positive, as in TFLite.
    zero_point
        Of the output.
    bound
        (n_outputs,) no accumulator exceeds it in magnitude.
    """

    bias: Int64
    multiplier: Int64
    shift: Int64
    zero_point: int
    bound: Int64

    @property
    def is_short(self) -> bool:
        """Whether all shifts go right by 1 ... 22 bits and twice the sum fits in 32 bits.

        Then double rounding is ``(high(2 * sum * multiplier) + half + (sum < 0 ? -1 : 0)) >> e``,
        and the zero point can be added before the shift.
        """
        right = -self.shift
        return bool(((right >= 1) & (right <= 22)).all() and (self.bound < 2**30).all())


def of_conv(graph: QGraph, node: Conv) -> Scaling:
    """Return the scaling of an int8 convolution.

    Raises
    ------
    IncompatibleError
        When a sum may exceed 32 bits.
    """
    weight = graph.constants[f"{node.output}.weight"].astype(np.int64)
    axes = (0, 1, 2) if node.depthwise else (1, 2, 3)
    bias = graph.constants[f"{node.output}.bias"].astype(np.int64)
    return _bounded(graph, node, bias - graph.quant(node.input).zero_point * weight.sum(axes))


def of_pool(graph: QGraph, node: AveragePool) -> Scaling | None:
    """Return the scaling of a pool that requantizes; None if it keeps its scale."""
    if not node.requantizes(graph):
        return None
    zero_point = graph.quant(node.input).zero_point
    return _bounded(graph, node, np.array([-POOL_WEIGHT * node.length * zero_point]))


def of_mean(graph: QGraph, node: Mean) -> Scaling:
    """Return the scaling of a sum over all samples; the multiplier is divided by their number."""
    n = graph[node.input].shape[2]
    multiplier, shift = node.factor(graph, n)
    return Scaling(
        bias=np.array([-n * graph.quant(node.input).zero_point]),
        multiplier=np.array([int(multiplier)]),
        shift=np.array([int(shift)]),
        zero_point=graph.quant(node.output).zero_point,
        bound=_sums(graph, node).bound,
    )


def of_multiply(graph: QGraph, node: Multiply) -> Scaling:
    """Return the scaling of a product of two centred values."""
    return _bounded(graph, node, np.zeros(1, np.int64))


@dataclass(frozen=True, eq=False)
class SumScaling:
    """The factors of a sum: a multiplier and right shift of both inputs and of the result."""

    inputs: tuple[int, int, int, int]
    total: Scaling


def of_sum(graph: QGraph, node: Arithmetic) -> SumScaling:
    """Return the scaling of a sum or difference; both inputs come to twice the larger scale."""
    first, second = node.factors(graph)
    total = _bounded(graph, node, np.zeros(1, np.int64))
    return SumScaling((int(first[0]), -int(first[1]), int(second[0]), -int(second[1])), total)


def _sums(graph: QGraph, node: Node) -> Sums:
    sums = node.sums(graph)
    assert sums is not None
    return sums


def _bounded(graph: QGraph, node: Node, bias: Int64) -> Scaling:
    """The scaling of a node whose sums, shifted to the left where they are, fit in 32 bits."""
    sums = _sums(graph, node)
    multiplier, shift = quantize_multiplier(sums.factors)
    shifted = sums.bound << np.maximum(shift, 0)
    if (shifted >= bounds.LIMIT).any():
        raise IncompatibleError(
            f"Node {node.output!r} cannot be written as C: its sums may reach "
            f"{int(shifted.max())}, beyond 32 bits. Calibrate on data of the contract's scaling, "
            f"or retrain with smaller weights."
        )
    return Scaling(bias, multiplier, shift, graph.quant(node.output).zero_point, sums.bound)
