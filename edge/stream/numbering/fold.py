# SPDX-License-Identifier: BSD-3-Clause
"""The rate of a device from the fractions of its frame times, which lost frames leave as they are.

Lost frames shift what follows by whole frames. Folded at the device's true rate, times less their
count therefore lie at one fraction of a frame however many are lost; folded at another rate they
spread. The rate that gathers them best is the device's (the maximum of a periodogram). Where jitter
spreads them too, means over some frames are folded, as long as losses are not too dense for that.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

SPAN = 2048
"""Frames that are folded at most."""
FIRST = 64
"""Times before the first attempt, doubled for each until :data:`SPAN`, then every quarter of it."""
FEWEST, SPANNED = 16, 1000
"""So many times are enough where they span so many frames."""
SMALL = 0.12
"""Noise, frames, to which means are brought."""
GATHERED = 0.15
"""Resultant length from which the fractions lie at one place."""
CHANCE = 1.8
"""Times what chance gathers that has to be exceeded as well."""
ALIAS = 0.4
"""Share of a turn from one folded time to the next that is looked at at most."""
HIDDEN = 0.6
"""Noise, frames, from which single times show nothing."""
NEAR = 16
"""Rates on either side of the last one that are tried where one was found."""
DENSE = 4
"""Rates that are tried for each turn over the whole span."""
LEAST = 0.01
"""Frames; times are not believed to be better than this."""
CARE = 2.0
"""Times the standard error of a regression that is stated; losses and packets cost something."""


@dataclass(frozen=True)
class Found:
    """What folding found.

    Attributes
    ----------
    rate, error
        The rate's deviation as a share, and its standard error.
    noise
        Standard deviation of a single time, frames, were it independent of others.
    """

    rate: float
    error: float
    noise: float


class Fold:
    """Remembers times less their count and finds the rate in them.

    Parameters
    ----------
    bound
        Greatest deviation of the rate that is looked for, as a share.
    """

    def __init__(self, bound: float) -> None:
        self.bound = bound
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self.kept: deque[tuple[int, float]] = deque(maxlen=SPAN)
        self.due, self.fresh, self.looked = FIRST, 0, False
        self.found: Found | None = None

    def push(self, count: int, time: float) -> bool:
        """Take in a time by the count of frames before it; whether it is time to look."""
        self.kept.append((count, time - count))
        self.fresh += 1
        wide = len(self.kept) >= FEWEST and count - self.kept[0][0] >= SPANNED
        if self.fresh < self.due and (self.looked or not wide):
            return False
        self.due = min(2 * self.due, SPAN // 4) if self.looked else self.due
        self.looked, self.fresh = True, 0
        return True

    def look(self, noise: float, known: bool) -> Found | None:
        """Find the rate; None where the fractions do not gather.

        Parameters
        ----------
        noise
            Standard deviation of a single time, frames.
        known
            Whether that was measured.
        """
        sizes = {max(1, math.ceil((noise / SMALL) ** 2))}
        if noise < HIDDEN or not known:
            sizes.add(1)
        found = [self._folded(size) for size in sorted(sizes)]
        self.found = next((one for one in found if one is not None), None)
        return self.found

    def _folded(self, size: int) -> Found | None:
        """The rate from means over ``size`` times."""
        counts, times = np.array(self.kept).T
        n = len(counts) // size
        if n < FEWEST:
            return None
        counts, times = (values[-n * size :].reshape(n, size).mean(1) for values in (counts, times))
        span = counts[-1] - counts[0]
        bound = min(self.bound, ALIAS / float(np.median(np.diff(counts))))
        n_rates = 2 * math.ceil(DENSE * bound * span) + 3
        step = 2 * bound / (n_rates - 1)
        rates = np.linspace(-bound, bound, n_rates)
        if self.found is not None:  # crystals stay where they are
            rates = self.found.rate + step * np.arange(-NEAR, NEAR + 1)
        turns = times[None, :] - rates[:, None] * counts[None, :]
        lengths = np.abs(np.exp(2j * np.pi * turns).mean(1))
        best = int(lengths.argmax())
        if lengths[best] < max(GATHERED, CHANCE * math.sqrt(math.log(n_rates) / n)):
            return None
        rate = float(rates[best])
        if 0 < best < len(rates) - 1:
            left, middle, right = lengths[best - 1 : best + 2]
            bend = left - 2 * middle + right
            if bend < 0:
                rate += float((left - right) / (2 * bend) * step)
        scatter = math.sqrt(-2 * math.log(min(float(lengths[best]), 1 - 1e-9))) / (2 * math.pi)
        error = CARE * math.sqrt(12 / n) * max(scatter, LEAST) / max(float(span), 1.0)
        return Found(rate, error, scatter * math.sqrt(size))
