# SPDX-License-Identifier: BSD-3-Clause
"""Number frames by what a device tells of them, a packet counter or timestamps."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Numbering(Protocol):
    """Frame by frame; a number that was there already is a repeated frame."""

    def push(self, told: NDArray[np.float64]) -> NDArray[np.int64]:
        """Numbers of the next frames from what was told of each."""


class Counted:
    """A counter that goes up by one with every frame and wraps at ``modulus``.

    A loss of half the modulus or more looks like a counter that went back.
    """

    def __init__(self, modulus: int = 256) -> None:
        self.modulus = modulus
        self.last = (-1, -1)

    def push(self, told: NDArray[np.float64]) -> NDArray[np.int64]:
        """Numbers of the next frames."""
        numbers = np.empty(len(told), np.int64)
        count, number = self.last
        for i, value in enumerate(np.asarray(told, np.int64) % self.modulus):
            step = 1 if number < 0 else (int(value) - count) % self.modulus
            if step > self.modulus // 2:
                step -= self.modulus
            count, number = int(value), number + step
            numbers[i] = number
        self.last = (count, number)
        return numbers


class Stamped:
    """Timestamps, as regular or not as the device makes them.

    A frame that comes later than expected by half a period and six times the usual jitter has lost
    frames before it; what is usual is learnt, from a cautious beginning. A timestamp that is not
    later than the last one is a repeated frame.
    """

    JITTER_S = 0.005
    MARGIN = 6.0
    GAIN = 0.01
    """Weight of a frame in what is learnt: the device's own rate and its jitter."""

    def __init__(self, sfreq: float) -> None:
        self.period_s = 1 / sfreq
        self.jitter_s = self.JITTER_S
        self.number = -1
        self.stamp_s = self.expected_s = 0.0

    def push(self, told: NDArray[np.float64]) -> NDArray[np.int64]:
        """Numbers of the next frames from their timestamps in seconds."""
        return np.array([self._next(float(stamp_s)) for stamp_s in told], np.int64)

    def _next(self, stamp_s: float) -> int:
        if self.number < 0:
            self.expected_s = stamp_s
        elif stamp_s <= self.stamp_s:
            return self.number
        late_s = stamp_s - self.expected_s
        lost = 0
        if late_s > self.period_s / 2 + self.MARGIN * self.jitter_s:
            lost = round(late_s / self.period_s)
            late_s -= lost * self.period_s
        else:
            self.jitter_s += self.GAIN * (abs(late_s) - self.jitter_s)
        self.number += 1 + lost
        self.expected_s += (1 + lost) * self.period_s + self.GAIN * late_s
        self.stamp_s = stamp_s
        return self.number
