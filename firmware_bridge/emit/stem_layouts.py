# SPDX-License-Identifier: BSD-3-Clause
"""Arrange the stem's weights for every port; ``kernels/edge_stem_*.h`` read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.emit.layouts import conv_scaling, padded, pairs, plain_scaling, rows_padded
from firmware_bridge.plan.scaling import Scaling

Array = NDArray[Any]
Layouts = Mapping[str, Array]

FIELD_BITS = 21
"""Of a partial sum in the packed filter of the dsp port."""


@dataclass(frozen=True, eq=False)
class Packed:
    """The weights and factors of mix and temporal filter, by port."""

    mix_weight: Layouts
    mix_scaling: Layouts
    temporal_weight: Layouts
    temporal_scaling: Layouts


def fields_hold(filters: Array) -> bool:
    """Return whether doubled taps (n_mixed, length) keep every packed sum in its field."""
    largest = int(np.abs(filters.astype(np.int64)).sum(1).max())
    return bool(2 * largest * 128 < 2 ** (FIELD_BITS - 1))


def pack(
    mix_weight: Array, of_mix: Scaling, filters: Array, of_temporal: Scaling, fast: bool
) -> Packed:
    """Return every layout; the plain one only where the fast kernels' bounds do not hold.

    Parameters
    ----------
    mix_weight
        (n_mixed, n_chans) int8.
    filters
        (n_mixed, length) int8.
    """
    plain = Packed(
        {"plain": mix_weight},
        {"plain": plain_scaling(of_mix)},
        {"plain": filters},
        {"plain": plain_scaling(of_temporal)},
    )
    if not fast:
        return plain
    factors_mix, factors_temporal = conv_scaling(of_mix), conv_scaling(of_temporal)
    return Packed(
        {
            "dsp": dsp_mix_weight(mix_weight),
            "neon": neon_mix_weight(mix_weight),
            "dot": dot_mix_weight(mix_weight),
            "mve": mve_rows(mix_weight),
            **plain.mix_weight,
        },
        {**factors_mix, "mve": mve_mix_scaling(of_mix)},
        {
            "dsp": dsp_taps(filters),
            "neon": neon_taps(filters),
            "dot": dot_taps(filters),
            "mve": mve_rows(filters),
            **plain.temporal_weight,
        },
        factors_temporal,
    )


def pair_order(n_chans: int) -> list[tuple[int, int]]:
    """Return the channels that share a word in the dsp port; ``n_chans`` stands for none."""
    whole = n_chans // 4 * 4
    order = [(c + k, c + k + 2) for c in range(0, whole, 4) for k in (0, 1)]
    return order + [(c, min(c + 1, n_chans)) for c in range(whole, n_chans, 2)]


def dsp_mix_weight(weight: Array) -> Array:
    """Arrange (n_mixed, n_chans) as (n_mixed / 4, n_pairs, 4) int32 of doubled pairs."""
    n_mixed, n_chans = weight.shape
    doubled = np.zeros((padded(n_mixed, 4), n_chans + 1), np.int64)
    doubled[:n_mixed, :n_chans] = 2 * weight.astype(np.int64)
    order = np.array(pair_order(n_chans))
    words = pairs(doubled[:, order[:, 0]], doubled[:, order[:, 1]])
    return np.ascontiguousarray(words.reshape(-1, 4, len(order)).transpose(0, 2, 1))


def dsp_taps(filters: Array) -> Array:
    """Arrange (n_mixed, length) as (n_mixed, n_taps) int32 of packed doubled taps."""
    n_mixed, length = filters.shape
    n_taps = (length + 2) // 2
    shifted = np.zeros((n_mixed, 2 * n_taps), np.int64)
    shifted[:, 1 : length + 1] = 2 * filters.astype(np.int64)
    packed: Array = shifted[:, 1::2] + (shifted[:, ::2] << FIELD_BITS)
    return packed.astype(np.int32)


def neon_mix_weight(weight: Array) -> Array:
    """Arrange (n_mixed, n_chans) as (n_mixed / 8, n_chans / 2, 8, 2) int8."""
    n_mixed, n_chans = weight.shape
    filled = np.zeros((padded(n_mixed, 8), padded(n_chans, 4)), np.int8)
    filled[:n_mixed, :n_chans] = weight
    pairs_of = filled.reshape(-1, 8, filled.shape[1] // 2, 2)
    return np.ascontiguousarray(pairs_of.transpose(0, 2, 1, 3))


def neon_taps(filters: Array) -> Array:
    """Arrange (n_mixed, length) as (n_mixed / 8, length rounded up to 2, 8) int8."""
    n_mixed, length = filters.shape
    filled = np.zeros((padded(n_mixed, 8), padded(length, 2)), np.int8)
    filled[:n_mixed, :length] = filters
    return np.ascontiguousarray(filled.reshape(-1, 8, filled.shape[1]).transpose(0, 2, 1))


def neon_tap_pairs(filters: Array) -> Array:
    """Arrange (n_mixed, length) as (n_mixed / 8, n_taps, 2, 8, 2) int8, pairs of taps.

    For outputs at even positions, then for those at odd ones, which begin half a pair later; a
    filter of even length gets a zero before it.
    """
    n_mixed, length = filters.shape
    n_taps, lead = (length + 2) // 2, (length + 1) % 2
    both = np.zeros((padded(n_mixed, 8), 2, 2 * n_taps), np.int8)
    for odd in range(2):
        both[:n_mixed, odd, odd + lead : odd + lead + length] = filters
    ordered = both.reshape(-1, 8, 2, n_taps, 2).transpose(0, 3, 2, 1, 4)
    return np.ascontiguousarray(ordered)


def dot_mix_weight(weight: Array) -> Array:
    """Arrange (n_mixed, n_chans) as (n_mixed / 4, n_chans / 16, 4, 16) int8."""
    n_mixed, n_chans = weight.shape
    filled = np.zeros((padded(n_mixed, 4), padded(n_chans, 16)), np.int8)
    filled[:n_mixed, :n_chans] = weight
    blocks = filled.reshape(-1, 4, filled.shape[1] // 16, 16)
    return np.ascontiguousarray(blocks.transpose(0, 2, 1, 3))


def dot_taps(filters: Array) -> Array:
    """Arrange (n_mixed, length) as (n_mixed, n_shifted, 4, 4) int8, taps shifted by 0 ... 3."""
    n_mixed, length = filters.shape
    shifted = np.zeros((n_mixed, 4, 4 * _shifted(length)), np.int8)
    for shift in range(4):
        shifted[:, shift, shift : shift + length] = filters
    return np.ascontiguousarray(shifted.reshape(n_mixed, 4, -1, 4).transpose(0, 2, 1, 3))


def mve_rows(rows: Array) -> Array:
    """Round (n_mixed, n) int8 up to multiples of 2 and of 16."""
    n_mixed, length = rows.shape
    filled = np.zeros((padded(n_mixed, 2), padded(length, 16)), np.int8)
    filled[:n_mixed, :length] = rows
    return filled


def mve_mix_scaling(scaling: Scaling) -> Array:
    """Return (n_mixed / 2, 3, 4) int32: factors of two channels, each twice."""
    columns = np.stack([scaling.bias, scaling.multiplier, scaling.shift], axis=1)
    twos = rows_padded(columns, 2).reshape(-1, 2, 3).transpose(0, 2, 1)
    return np.repeat(twos, 2, axis=2).astype(np.int32)


def _shifted(length: int) -> int:
    """Words that hold a filter's taps shifted by up to three."""
    return (length + 6) // 4


def macros(mix_weight: Array, filters: Array) -> Mapping[str, int]:
    """Return the turns of inner loops, which are constants of the model."""
    n_chans, length = int(mix_weight.shape[1]), int(filters.shape[1])
    return {
        "EDGE_STEM_LENGTH": length,
        "EDGE_STEM_LENGTH_16": padded(length, 16),
        "EDGE_STEM_PAIRS": len(pair_order(n_chans)),
        "EDGE_STEM_SHIFTED": _shifted(length),
        "EDGE_STEM_TAPS": (length + 2) // 2,
        "EDGE_STEM_WIDE_16": padded(n_chans, 16),
        "EDGE_STEM_WORDS": padded(n_chans, 4) // 4,
    }


def scratch_bytes(mix_weight: Array, filters: Array, tile: tuple[int, int, int], fast: bool) -> int:
    """Return the working memory of the port that needs most.

    Parameters
    ----------
    tile
        Outputs and blocks of a tile, and open windows of the pool.
    """
    n_outputs, n_blocks, n_open = tile
    n_chans = int(mix_weight.shape[1])
    n_mixed, length = (int(n) for n in filters.shape)
    sums = 4 * n_mixed * (n_blocks + n_open)
    plain = padded(n_mixed * (n_outputs + length - 1), 4)
    if not fast:
        return sums + plain
    half, n_taps = n_outputs // 2, (length + 2) // 2
    packed_rows = padded(n_mixed, 4) * (half + n_taps - 1)
    dsp = 4 * (n_mixed + 2 * len(pair_order(n_chans)) * half + packed_rows)
    neon = padded(n_mixed, 8) * (n_outputs + length + 9) + 8 * (n_outputs + 8)
    words = 4 * (padded(n_chans, 4) // 4) * padded(n_outputs, 16)
    row = padded(n_outputs + length - 1 + 4 * _shifted(length) + 32, 16)
    dot = words + padded(n_mixed, 4) * row
    mve = padded(n_mixed, 2) * (n_outputs + padded(length, 16) + 20)
    return sums + max(plain, dsp, neon, dot, mve)
