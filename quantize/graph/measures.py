# SPDX-License-Identifier: BSD-3-Clause
"""How far a quantized tensor or network is from what it stands for; and which windows to ask.

The one place for the signal-to-quantization-noise ratio and for the choice of a few windows out of
many, so that every report, gate and search means the same by them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

FLOOR_DB = -300.0
"""SQNR of something that is not zero against a reference that is: JSON has no minus infinity."""


def sqnr_db(reference: NDArray[Any], found: NDArray[Any]) -> float | None:
    """Return ``10 log10(sum reference**2 / sum (reference - found)**2)`` in dB.

    None where the two are equal; :data:`FLOOR_DB` where they are not and the reference is zero,
    as a tensor is that has died in float and that int8 gives values to.
    """
    noise = float(np.square(reference - found, dtype=np.float64).sum())
    signal = float(np.square(reference, dtype=np.float64).sum())
    if noise == 0:
        return None
    return 10 * math.log10(signal / noise) if signal > 0 else FLOOR_DB


def evenly(n: int, count: int, *, down: bool = False) -> NDArray[np.int64]:
    """Return ``count`` indices spread evenly over ``range(n)``, or all of them where n is smaller.

    The first and the last are among them; each is rounded to the nearest, ties to even. With
    ``down`` it is rounded down, as everything does that decides about an int8 graph: with other
    windows the same network gets other ranges, and every kept figure would be another one (the
    SQNR of the shipped eca 32.8 dB in place of 33.1).
    """
    if n == 0:
        return np.zeros(0, np.int64)
    places = np.linspace(0, n - 1, min(n, count))
    return np.unique(np.floor(places) if down else places.round()).astype(np.int64)
