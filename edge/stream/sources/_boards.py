# SPDX-License-Identifier: BSD-3-Clause
"""What is known of BrainFlow's boards beyond BrainFlow's own description of them.

Full scales follow the converters'
data sheets and the scale that BrainFlow applies (``openbci/inc/*.h``); how a Ganglion counts
follows ``openbci/ganglion.cpp``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edge.data.formats.openbci import CYTON_UV, GANGLION_UV
from edge.stream.parameters import BOARDS

ADS1299_GAIN = 24.0
RC_PPM = 5000.0
"""The ADS1299's own oscillator is good to 0.5 % at room temperature."""


@dataclass(frozen=True)
class Known:
    """Facts about a board.

    Attributes
    ----------
    full_scale_uv
        Greatest value at BrainFlow's gain, µV; None where it is not known.
    gain
        That BrainFlow scales by; None where the board has no choice of gains.
    ppm
        Bound of its clock's deviation, parts per million.
    singles
        Values of its counter that one frame has where others have two.
    folds
        Values of its counter above this count the same packets again in another compression.
    """

    full_scale_uv: float | None = None
    gain: float | None = None
    ppm: float = 500.0
    singles: frozenset[int] = frozenset()
    folds: int | None = None


_CYTON = Known(CYTON_UV, ADS1299_GAIN, RC_PPM)
_GANGLION = Known(GANGLION_UV, singles=frozenset({0}), folds=100)
KNOWN: Mapping[str, Known] = {
    **dict.fromkeys(("cyton", "cyton_daisy", "cyton_wifi", "cyton_daisy_wifi"), _CYTON),
    **dict.fromkeys(("ganglion", "ganglion_native"), _GANGLION),
    "ganglion_wifi": Known(GANGLION_UV),
}


def known(board: str) -> Known:
    """Facts about a board by its name without ``_BOARD``."""
    return KNOWN.get(board.lower(), Known())


def parameters_of(board: str) -> str:
    """Parameters of a board; empty where they are not known."""
    return next((names for names, boards in BOARDS.items() if board.lower() in boards), "")
