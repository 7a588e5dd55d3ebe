# SPDX-License-Identifier: BSD-3-Clause
"""Arrange weights and factors in the layouts that the headers in ``kernels/`` document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.plan.scaling import Scaling

Array = NDArray[Any]

VECTOR_PORTS = ("neon", "dot", "mve")
"""Ports that share the layouts of vectors of four sums."""


def plain_scaling(scaling: Scaling) -> Array:
    """Return (n_outputs, 3) int32: bias, multiplier, shift."""
    columns = np.broadcast_arrays(scaling.bias, scaling.multiplier, scaling.shift)
    return np.stack(columns, axis=1).astype(np.int32)


def dsp_scaling(scaling: Scaling) -> Array:
    """Return rows of 4 int32 for Cortex-M: doubled bias, multiplier, rounding, shift."""
    right = -scaling.shift
    added = (np.int64(1) << (right - 1)) + scaling.zero_point * (np.int64(1) << right)
    columns = np.stack([2 * scaling.bias, scaling.multiplier, added, right], axis=1)
    return rows_padded(columns, 4).astype(np.int32)


def conv_scaling(scaling: Scaling) -> Mapping[str, Array]:
    """Return the factors of a convolution for every port."""
    vector = vector_scaling(scaling)
    return {
        "dsp": dsp_scaling(scaling),
        **dict.fromkeys(VECTOR_PORTS, vector),
        "plain": plain_scaling(scaling),
    }


def vector_scaling(scaling: Scaling) -> Array:
    """Return (n_outputs / 4, 3, 4) int32: bias, multiplier, minus right shift."""
    columns = np.stack([scaling.bias, scaling.multiplier, scaling.shift], axis=1)
    fours = rows_padded(columns, 8).reshape(-1, 4, 3).transpose(0, 2, 1)
    return np.ascontiguousarray(fours).astype(np.int32)


def dense_weight(weight: Array) -> Mapping[str, Array]:
    """Return the weights (n_outputs, k) of ``edge_dense``."""
    rows = np.zeros((padded(weight.shape[0], 4), padded(weight.shape[1], 16)), np.int8)
    rows[: weight.shape[0], : weight.shape[1]] = weight
    return {
        "dsp": dsp_dense_weight(weight),
        **dict.fromkeys(VECTOR_PORTS, rows),
        "plain": weight,
    }


def dsp_dense_weight(weight: Array) -> Array:
    """Return (n_outputs / 4, k / 4, 8) int32, pairs (0, 2) and (1, 3) of inputs."""
    n_outputs, k = (padded(n, 4) for n in weight.shape)
    doubled = np.zeros((n_outputs, k), np.int64)
    doubled[: weight.shape[0], : weight.shape[1]] = 2 * weight.astype(np.int64)
    fours = doubled.reshape(n_outputs // 4, 4, k // 4, 4).transpose(0, 2, 1, 3)
    even, odd = pairs(fours[..., 0], fours[..., 2]), pairs(fours[..., 1], fours[..., 3])
    return np.concatenate([even, odd], axis=2)


def depthwise_weight(weight: Array) -> Mapping[str, Array]:
    """Return the weights (length, n_chans) of ``edge_depthwise``."""
    rows = np.zeros((weight.shape[0], padded(weight.shape[1], 8)), np.int8)
    rows[:, : weight.shape[1]] = weight
    return {
        "dsp": dsp_depthwise_weight(weight),
        **dict.fromkeys(VECTOR_PORTS, rows),
        "plain": weight,
    }


def dsp_depthwise_weight(weight: Array) -> Array:
    """Return (n_chans / 4, length / 2, 4) int32 of doubled pairs of taps."""
    length, n_chans = padded(weight.shape[0], 2), padded(weight.shape[1], 4)
    doubled = np.zeros((length, n_chans), np.int64)
    doubled[: weight.shape[0], : weight.shape[1]] = 2 * weight.astype(np.int64)
    words = pairs(doubled[::2], doubled[1::2]).reshape(length // 2, n_chans // 4, 4)
    return np.ascontiguousarray(words.transpose(1, 0, 2)[..., [0, 2, 1, 3]])


def float_fours(weight: Array, bias: Array) -> tuple[Array, Array]:
    """Return weights (n_outputs, length, n_inputs) with four outputs side by side."""
    n_outputs, length, n_inputs = weight.shape
    rows = np.zeros((padded(n_outputs, 4), length, n_inputs), weight.dtype)
    rows[:n_outputs] = weight
    fours = rows.reshape(-1, 4, length, n_inputs).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(fours), np.pad(bias, (0, len(rows) - n_outputs))


def pairs(low: Array, high: Array) -> Array:
    """Pack two int16 into an int32, the first in the lower half."""
    words = (low.astype(np.int64) & 0xFFFF) | ((high.astype(np.int64) & 0xFFFF) << 16)
    return words.astype(np.uint32).view(np.int32)


def rows_padded(rows: Array, to: int) -> Array:
    """Add rows of zeros until their number is a multiple of ``to``."""
    return np.pad(rows, ((0, padded(len(rows), to) - len(rows)), (0, 0)))


def padded(count: int, to: int) -> int:
    """Return the next multiple of ``to``."""
    return -(-count // to) * to
