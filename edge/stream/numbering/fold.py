# SPDX-License-Identifier: BSD-3-Clause
"""The rate of a device from the fractions of its frame times, which lost frames leave as they are.

Lost frames shift what follows by whole frames. Folded at the device's true rate, times less their
number therefore lie at one fraction of a frame however many losses are not found yet; folded at
another rate they spread. The rate that gathers them best is the device's (the maximum of a
periodogram), and where they gather is its phase. Where jitter spreads them too, means over some
frames are folded, as long as losses are not too dense for that.

Jitter that is as wide as a frame leaves the fractions no place to gather at, but as long as it is
less than half a frame to either side there is a part of the frame where none ever lies. The rate
that leaves the widest such gap is the device's then, and jitter is centred opposite to it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SPAN = 2048
"""Frames that are folded at most."""
FIRST = 64
"""Times before the first attempt, doubled for each until :data:`SPAN`, then every quarter of it."""
FEWEST, SPANNED = 32, 1000
"""So many times are enough where they span so many frames."""
OUTERMOST = 3
"""Times that say at which whole frame a line began or ends; their median may be of jitter."""
SMALL = 0.12
"""Noise, frames, to which means are brought."""
GATHERED = 0.15
"""Resultant length from which the fractions lie at one place."""
CHANCE, FAR_CHANCE = 1.8, 2.5
"""Times what chance gathers that has to be exceeded as well, by rates near the nominal one and by
others, which are less likely."""
ALIAS = 0.4
"""Share of a turn from one folded time to the next that is looked at at most."""
HIDDEN = 0.6
"""Noise, frames, from which single times show nothing."""
NEAR = 16
"""Rates on either side of the last one that are tried where one was found."""
DENSE = 4
"""Rates that are tried for each turn over the whole span."""
GAP_TIMES = 384
"""Times that are searched for a gap at most; what these do not show, more of them hardly do."""
GAP_DENSE = 16
"""Rates that are tried for each turn in search of a gap, which has edges."""
WIDE_NOISE = 0.25
"""Noise, frames, from which a gap says more than where the fractions gather."""
GAP_CHANCE = 1e-4
"""Probability with which times without any rate leave a gap that is believed."""
LEAST = 0.01
"""Frames; times are not believed to be better than this."""
CARE = 2.0
"""Times the standard error of a regression that is stated; losses and packets cost something."""


Values = NDArray[np.float64]


@dataclass(frozen=True)
class Found:
    """What folding found.

    Attributes
    ----------
    rate, error
        The rate's deviation as a share, and its standard error.
    noise
        Standard deviation of a single time, frames, were it independent of others.
    number
        Of the frame in the middle of those that were folded.
    time, time_error
        When that frame was due, in frames and but for whole ones, and its standard error.
    """

    rate: float
    error: float
    noise: float
    number: int
    time: float
    time_error: float


class Fold:
    """Remembers times less their number and finds the rate in them.

    Parameters
    ----------
    usual
        Deviation of the rate, as a share, that devices keep to.
    bound
        Greatest deviation that is looked for.
    """

    def __init__(self, usual: float, bound: float) -> None:
        self.usual, self.bound = usual, bound
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self.kept: deque[tuple[int, float]] = deque(maxlen=SPAN)
        self.due, self.fresh, self.looked = FIRST, 0, False
        self.looked_at = 0
        self.found: Found | None = None

    def push(self, number: int, time: float) -> bool:
        """Take in the time of a frame; whether it is time to look."""
        if not self.kept:
            self.looked_at = number
        self.kept.append((number, time - number))
        self.fresh += 1
        fewest, spanned = (FIRST, SPAN) if self.looked else (FEWEST, SPANNED)
        is_wide = self.fresh >= fewest and number - self.looked_at >= spanned
        if self.fresh < self.due and not is_wide:
            return False
        self.due = min(2 * self.due, SPAN // 4) if self.looked else self.due
        self.looked, self.fresh, self.looked_at = True, 0, number
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
        self.found = next(filter(None, (self._folded(size) for size in sorted(sizes))), None)
        if 1 in sizes and (self.found is None or self.found.noise > WIDE_NOISE):
            self.found = self._apart() or self.found
        return self.found

    def _apart(self) -> Found | None:
        """The usual rate whose fractions leave a gap, from the latest times."""
        numbers, times = np.array(self.kept)[-GAP_TIMES:].T
        if len(numbers) < FEWEST:
            return None
        means = Means(numbers, times)
        n_rates = 2 * math.ceil(GAP_DENSE * self.usual * means.span) + 1
        return means.apart(np.linspace(-self.usual, self.usual, n_rates))

    def due_by(self, found: Found) -> tuple[float, float]:
        """When the frame of what was found was due, by the first time and by the newest ones.

        Among the first times frames may be missing already, so the very first one says at which
        whole frame the line began, unless the next ones differ by no more than jitter does.
        """
        numbers, times = np.array(self.kept).T
        whole = np.round(times + numbers - (1 + found.rate) * (numbers - found.number) - found.time)
        first = whole[:OUTERMOST]
        began = np.median(first) if np.ptp(first) <= 1 else first[0]
        return found.time + float(began), found.time + float(np.median(whole[-OUTERMOST:]))

    def _folded(self, size: int) -> Found | None:
        """The rate from means over ``size`` times: near the last one, a usual one, any."""
        numbers, times = np.array(self.kept).T
        n = len(numbers) // size
        if n < FEWEST:
            return None
        means = Means(*(part[-n * size :].reshape(n, size).mean(1) for part in (numbers, times)))
        for rates, chance in self._attempts(means):
            found = means.gathered(rates, chance, size)
            if found is not None:
                return found
        return None

    def _attempts(self, means: Means) -> Iterator[tuple[Values, float]]:
        """Rates to try, and how far beyond chance they have to gather the times."""
        if self.found is not None:  # crystals stay where they are
            yield self.found.rate + np.arange(-NEAR, NEAR + 1) / (DENSE * means.span), CHANCE
        for limit, chance in ((self.usual, CHANCE), (self.bound, FAR_CHANCE)):
            bound = min(limit, ALIAS / means.step)
            n_rates = 2 * math.ceil(DENSE * bound * means.span) + 3
            yield np.linspace(-bound, bound, n_rates), chance


class Means:
    """Means of times less their number, at means of numbers, (n,) both."""

    def __init__(self, numbers: Values, times: Values) -> None:
        self.middle = round(float(numbers.mean()))
        self.numbers, self.times = numbers - self.middle, times
        self.span = max(float(numbers[-1] - numbers[0]), 1.0)
        self.step = float(np.median(np.diff(numbers)))

    def gathered(self, rates: Values, chance: float, size: int) -> Found | None:
        """Return the rate that gathers the times best; the outermost ones are no maximum."""
        n = len(self.numbers)
        turns = self.times[None, :] - rates[:, None] * self.numbers[None, :]
        means = np.exp(2j * np.pi * turns).mean(1)
        lengths = np.abs(means)
        best = int(lengths.argmax())
        length = min(float(lengths[best]), 1 - 1e-9)
        if best in (0, len(rates) - 1):
            return None
        if length < max(GATHERED, chance * math.sqrt(math.log(len(rates)) / n)):
            return None
        scatter = math.sqrt(-2 * math.log(length)) / (2 * math.pi)
        noise = max(scatter, LEAST)
        return Found(
            rate=_peak(rates, lengths, best),
            error=CARE * math.sqrt(12 / n) * noise / self.span,
            noise=scatter * math.sqrt(size),
            number=self.middle,
            time=self.middle + float(np.angle(means[best])) / (2 * math.pi),
            time_error=CARE * noise / math.sqrt(n),
        )

    def apart(self, rates: Values) -> Found | None:
        """Return the rate that leaves the widest gap between fractions, if chance does not."""
        n = len(self.numbers)
        turns = (self.times[None, :] - rates[:, None] * self.numbers[None, :]) % 1
        turns.sort(axis=1)
        gaps = np.diff(turns, axis=1, append=turns[:, :1] + 1)
        widest = gaps.max(1)
        best = int(widest.argmax())
        gap = float(widest[best])
        if n * len(rates) * (1 - gap) ** (n - 1) > GAP_CHANCE:
            return None
        opposite = float(turns[best, gaps[best].argmax()]) + (gap + 1) / 2
        late = (self.times - rates[best] * self.numbers - opposite + 0.5) % 1 - 0.5
        off = self.numbers - self.numbers.mean()
        turn = float(off @ late / (off @ off))
        scatter = max(LEAST, float((late - turn * off).std()))
        return Found(
            rate=float(rates[best]) + turn,
            error=CARE * scatter / math.sqrt(float(off @ off)),
            noise=scatter,
            number=self.middle,
            time=self.middle + opposite + float(late.mean()) - turn * float(self.numbers.mean()),
            time_error=CARE * scatter / math.sqrt(n),
        )


def _peak(rates: Values, lengths: Values, best: int) -> float:
    """The greatest of a parabola through the greatest length and its neighbours."""
    left, middle, right = lengths[best - 1 : best + 2]
    bend = left - 2 * middle + right
    turn = float((left - right) / (2 * bend)) if bend < 0 else 0.0
    return float(rates[best]) + turn * float(rates[1] - rates[0])
