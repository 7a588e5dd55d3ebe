"""The stem's weights in every port's layout; ``c/edge_stem_*.h`` say what reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.layouts import padded, plain_scaling
from firmware_bridge.scaling import Scaling

Array = NDArray[Any]
Layouts = Mapping[str, Array]

FIELD_BITS = 21
"""Of a partial sum in the packed filter of the dsp port."""


@dataclass(frozen=True, eq=False)
class Packed:
    """Weights and factors of mix and temporal filter, by port."""

    mix_weight: Layouts
    mix_scaling: Layouts
    temporal_weight: Layouts
    temporal_scaling: Layouts


def fields_hold(filters: Array) -> bool:
    """Whether doubled taps (n_mixed, length) keep every packed sum within its field."""
    largest = int(np.abs(filters.astype(np.int64)).sum(1).max())
    return bool(2 * largest * 128 < 2 ** (FIELD_BITS - 1))


def pack(
    mix_weight: Array, of_mix: Scaling, filters: Array, of_temporal: Scaling, fast: bool
) -> Packed:
    """Every layout; the plain one only where the fast kernels' bounds do not hold.

    Parameters
    ----------
    mix_weight
        (n_mixed, n_chans) int8.
    filters
        (n_mixed, length) int8.
    """
    return Packed(
        {"plain": mix_weight},
        {"plain": plain_scaling(of_mix)},
        {"plain": filters},
        {"plain": plain_scaling(of_temporal)},
    )


def scratch_bytes(
    mix_weight: Array, filters: Array, tile: int, tile_blocks: int, n_open: int
) -> int:
    """Working memory of the port that needs most."""
    n_mixed, length = (int(n) for n in filters.shape)
    sums = 4 * n_mixed * (tile_blocks + n_open)
    return sums + padded(n_mixed * (tile + length - 1), 4)
