# SPDX-License-Identifier: BSD-3-Clause
"""A straight line through clock against count: the phase and the rate of a device.

Everything is in frames: time is counted in nominal frame periods. The estimator is a Kalman filter
with two states, the phase and the rate's deviation from nominal, whose memory is limited to some
thousand frames because crystals drift with temperature.
"""

from __future__ import annotations

import math

from edge.stream.numbering.fold import Found

MEMORY = 4000.0
"""Frames after which an observation has lost most of its weight."""
EARLIER = 0.3
"""Frames by which a phase that is known but for whole frames is taken to be earlier at most; a line
that is late by a frame shows, and one that is early looks like a loss."""
OUTLIER = 3.0
"""Standard deviations to which a single observation's pull is limited."""


class Line:
    """Time of a frame by its number, ``phase + (1 + deviation) * (number - reference)``.

    Parameters
    ----------
    rate_sd
        Standard deviation of the rate's deviation before anything is known, as a share.
    """

    def __init__(self, rate_sd: float) -> None:
        self.deviation = 0.0
        self.p_usual = self.p_rate = rate_sd**2
        self.anchored = False
        self._place(0, 0.0)

    def _place(self, number: int, time: float) -> None:
        self.reference, self.phase = number, time
        self.p_phase, self.p_both = 0.0, 0.0

    def anchor(self, number: int, time: float, noise: float) -> None:
        """Begin at a frame; what is known of the rate is kept."""
        self._place(number, time)
        self.p_phase = noise**2
        self.anchored = True

    def anchor_noise(self, noise: float) -> None:
        """What the first frame's noise turned out to be, before anything else was learnt."""
        self.p_phase = noise**2

    def at(self, number: int) -> float:
        """Time at which a frame is expected, frames."""
        return self.phase + (1 + self.deviation) * (number - self.reference)

    def shift(self, frames: float) -> None:
        """Move the whole line in time."""
        self.phase += frames

    def take(self, found: Found) -> None:
        """Take over a rate and a phase that were found by other means.

        Whole frames stay what they were. A rate that is hardly known is drawn to the nominal one,
        as far as devices keep to that.
        """
        time = self.at(found.number)
        time += (found.time - time + EARLIER) % 1 - EARLIER
        self._place(found.number, time)
        self.deviation, self.p_rate = found.rate, found.error**2
        if found.rate**2 < 9 * self.p_usual:
            share = self.p_usual / (self.p_usual + self.p_rate)
            self.deviation *= share
            self.p_rate *= share
        self.p_phase = found.time_error**2

    def spread(self, number: int, bound: float) -> float:
        """How far off the expectation may be, frames, by what is not known of the line."""
        age = max(0, number - self.reference)
        return math.sqrt(self.p_phase) + age * min(3 * math.sqrt(self.p_rate), bound)

    def learn(self, number: int, time: float, noise: float, bound: float) -> None:
        """Take in the time of a frame.

        Parameters
        ----------
        noise
            Standard deviation of the time, frames.
        bound
            Greatest deviation of the rate, as a share.
        """
        variance = noise**2
        step = number - self.reference
        self.phase += (1 + self.deviation) * step
        self.reference = number
        self.p_phase += step * (2 * self.p_both + step * self.p_rate) + variance * step / MEMORY**2
        self.p_both += step * self.p_rate
        self.p_rate += variance * step / MEMORY**4
        total = self.p_phase + variance
        limit = OUTLIER * math.sqrt(total)
        surprise = min(limit, max(-limit, time - self.phase))
        gain_phase, gain_rate = self.p_phase / total, self.p_both / total
        self.phase += gain_phase * surprise
        self.deviation = min(bound, max(-bound, self.deviation + gain_rate * surprise))
        self.p_rate -= gain_rate * self.p_both
        self.p_both -= gain_phase * self.p_both
        self.p_phase -= gain_phase * self.p_phase
