# SPDX-License-Identifier: BSD-3-Clause
"""What every way of numbering frames takes and returns: plain values, no device and no clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

CLOCK = "clock"
"""The stamps contradict themselves or our own clock; filter and network begin anew."""


@dataclass(frozen=True, eq=False)
class Told:
    """What a device told of some frames, in the order of their arrival.

    Attributes
    ----------
    stamps_s
        (n,) times of the frames on the device's clock.
    keys
        (n,) a hash of each frame's samples; equal stamps and equal keys make a duplicate.
    counts
        (n,) the device's packet counter; None where there is none.
    now_s
        When they were read, on our own clock; None where nobody looked.
    """

    stamps_s: NDArray[np.float64]
    keys: NDArray[np.int64]
    counts: NDArray[np.float64] | None = None
    now_s: float | None = None


@dataclass(frozen=True)
class Note:
    """An incident of the numbering.

    Attributes
    ----------
    event
        :data:`CLOCK`.
    number
        Of the frame at which it was noticed.
    count
        Frames by which the stamps contradict the count, to 2**53 at most; 0 where they say nothing.
    """

    event: str
    number: int
    count: int = 0


@dataclass(frozen=True, eq=False)
class Numbered:
    """Numbers of the frames that have been decided on, the oldest first.

    Frames may be held back until later ones tell a loss from a late delivery; they are numbered by
    a later call, in order.

    Attributes
    ----------
    numbers
        (m,) of the oldest m frames not numbered yet. A number that was there already is a
        duplicate.
    restarts
        (m,) whether a frame has nothing to do with what came before it.
    notes
        What happened.
    """

    numbers: NDArray[np.int64]
    restarts: NDArray[np.bool_]
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True)
class ClockReport:
    """What a numbering knows of its device.

    Attributes
    ----------
    method
        ``counter`` or ``timestamps``.
    lost
        Frames that are missing between the first and the last.
    uncertainty
        Frames by which ``lost`` may be wrong.
    rate_hz
        Frames a second, as the clock says; None where nothing is known.
    jitter_ms
        Standard deviation of a frame's stamp; None where nothing is known.
    restarts
        How often the clock could not be followed.
    """

    method: str
    lost: int
    uncertainty: float
    rate_hz: float | None
    jitter_ms: float | None
    restarts: int


class Numbering(Protocol):
    """Numbers frames as they come."""

    def push(self, told: Told) -> Numbered:
        """Number the frames that can be numbered now."""

    def report(self) -> ClockReport:
        """What is known of the device."""


def keys(samples: NDArray[np.float64]) -> NDArray[np.int64]:
    """A hash (n,) of every frame (n, n_chans), equal where all samples are equal."""
    return np.array([hash(row.tobytes()) for row in np.ascontiguousarray(samples)], np.int64)
