# SPDX-License-Identifier: BSD-3-Clause
"""Judge whether samples can be EEG in the unit that a file says, by how far they deviate.

The deviation is that of one-second blocks about their own mean, its median over blocks and
channels: neither an electrode's offset, nor drift, nor a burst of artifacts moves it much. Scalp
EEG lies around 10 µV. The bounds are as wide as they can be and still catch a wrong prefix: a
factor of a thousand takes what is ordinary (0.4 µV to 250 µV) out of them.
"""

from __future__ import annotations

import numpy as np

from edge.data.description import Samples

LEAST_UV, MOST_UV = 0.1, 3000.0
TYPICAL_UV = 10.0
UV_PER = {"uV": 1.0, "mV": 1e3, "V": 1e6}
"""Units that a contract can say, in µV."""


def deviation(samples: Samples, sfreq: float) -> float:
    """Return the typical deviation of samples (n_chans, n), in their own unit."""
    block = max(2, round(sfreq))
    n_blocks = samples.shape[1] // block
    if not n_blocks:
        n_blocks, block = 1, samples.shape[1]
    if block < 2:
        return 0.0
    blocks = samples[:, : n_blocks * block].reshape(len(samples), n_blocks, block)
    spread = blocks.std(axis=2)
    moving = spread[spread > 0]
    return float(np.median(moving)) if len(moving) else 0.0


def is_plausible(deviation_uv: float) -> bool:
    """Return whether a deviation can be EEG's; a signal that stands still passes."""
    return deviation_uv == 0 or LEAST_UV <= deviation_uv <= MOST_UV


def likely_unit(deviation_of_numbers: float) -> str | None:
    """Return the unit in which numbers of some deviation would most likely be EEG.

    >>> likely_unit(7.0), likely_unit(7e-6), likely_unit(1e9)
    ('uV', 'V', None)
    """
    if not deviation_of_numbers > 0:
        return None
    possible = {
        unit: abs(np.log(deviation_of_numbers * uv / TYPICAL_UV))
        for unit, uv in UV_PER.items()
        if is_plausible(deviation_of_numbers * uv)
    }
    return min(possible, key=lambda unit: possible[unit]) if possible else None
