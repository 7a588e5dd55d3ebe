# SPDX-License-Identifier: BSD-3-Clause
"""Compute the requantization constants of every operation with the reference's own functions.

An accumulator becomes an int8 value by a 31-bit multiplier and a shift for each output channel
(:mod:`quantize.graph.arithmetic`). Bounds are proved here, when code is generated, so that kernels
need no check: which sums fit in 32 bits, and where the short form of requantization is exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quantize.errors import IncompatibleError
from quantize.graph import bounds
from quantize.graph.arithmetic import quantize_multiplier
from quantize.graph.qgraph import (
    POOL_WEIGHT,
    Arithmetic,
    AveragePool,
    Conv,
    Mean,
    Multiply,
    QGraph,
    Quant,
)
from quantize.graph.reference import ADD_HEAD_ROOM, add_factors

Int64 = NDArray[np.int64]


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
    source, target = graph.quant(node.input), graph.quant(node.output)
    weight = graph.constants[f"{node.output}.weight"].astype(np.int64)
    axes = (0, 1, 2) if node.depthwise else (1, 2, 3)
    bias = graph.constants[f"{node.output}.bias"].astype(np.int64)
    folded = bias - source.zero_point * weight.sum(axes)
    real, bound = bounds.conv_factors(graph, node), bounds.of_conv(graph, node)
    return _bounded(node.output, folded, real, target.zero_point, bound)


def of_pool(graph: QGraph, node: AveragePool) -> Scaling | None:
    """Return the scaling of a pool that requantizes; None if it keeps its scale."""
    source, target = graph.quant(node.input), graph.quant(node.output)
    if source == target:
        return None
    real = float(np.float32(source.scale)) * float(node.weight_scale)
    real /= float(np.float32(target.scale))
    bias = np.array([-POOL_WEIGHT * node.length * source.zero_point])
    return _bounded(node.output, bias, np.array([real]), target.zero_point, bounds.of_pool(node))


def of_mean(graph: QGraph, node: Mean) -> Scaling:
    """Return the scaling of a sum over all samples; the multiplier is divided by their number."""
    source, target = graph.quant(node.input), graph.quant(node.output)
    n = graph[node.input].shape[2]
    multiplier, shift = quantize_multiplier(_ratio(source, target))
    head_room = min(n.bit_length() - 1, 32, 31 + int(shift))
    return Scaling(
        bias=np.array([-n * source.zero_point]),
        multiplier=np.array([(int(multiplier) << head_room) // n]),
        shift=np.array([int(shift) - head_room]),
        zero_point=target.zero_point,
        bound=np.array([256 * n]),
    )


def of_multiply(graph: QGraph, node: Multiply) -> Scaling:
    """Return the scaling of a product of two centred values."""
    a, b, target = graph.quant(node.input), graph.quant(node.other), graph.quant(node.output)
    real = float(np.float32(a.scale)) * float(np.float32(b.scale)) / float(np.float32(target.scale))
    return _bounded(
        node.output, np.zeros(1, np.int64), np.array([real]), target.zero_point, np.array([2**16])
    )


@dataclass(frozen=True, eq=False)
class SumScaling:
    """The factors of a sum: a multiplier and right shift of both inputs and of the result."""

    inputs: tuple[int, int, int, int]
    total: Scaling


def of_sum(graph: QGraph, node: Arithmetic) -> SumScaling:
    """Return the scaling of a sum or difference; both inputs come to twice the larger scale."""
    a, b, target = graph.quant(node.input), graph.quant(node.other), graph.quant(node.output)
    (first, second), _ = add_factors(a, b, target)
    twice = 2 * max(float(np.float32(quant.scale)) for quant in (a, b))
    real = twice / (2**ADD_HEAD_ROOM * float(np.float32(target.scale)))
    total = _bounded(
        *(node.output, np.zeros(1, np.int64), np.array([real]), target.zero_point),
        np.array([2 ** (ADD_HEAD_ROOM + 8)]),
    )
    return SumScaling((int(first[0]), -int(first[1]), int(second[0]), -int(second[1])), total)


def _ratio(source: Quant, target: Quant) -> float:
    return float(np.float32(source.scale)) / float(np.float32(target.scale))


def _bounded(
    name: str, bias: Int64, real: NDArray[np.float64], zero_point: int, bound: Int64
) -> Scaling:
    multiplier, shift = quantize_multiplier(real)
    shifted = bound << np.maximum(shift, 0)
    if (shifted >= 2**31).any():
        raise IncompatibleError(
            f"Node {name!r} cannot be written as C: its sums may reach {int(shifted.max())}, "
            f"beyond 32 bits. Calibrate on data of the contract's scaling, or retrain with "
            f"smaller weights."
        )
    return Scaling(bias, multiplier, shift, zero_point, bound)
