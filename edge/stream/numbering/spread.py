# SPDX-License-Identifier: BSD-3-Clause
"""How noisy the mean of 1, 2, 4 … 1024 frame times is, learnt from the times themselves.

Jitter of neighbouring frames often goes together (frames of a packet, a busy radio), so the noise
of a mean cannot be computed from that of a frame; it is measured at every scale, as the difference
of neighbouring means. Lost frames make only positive differences, so those do not count.
"""

from __future__ import annotations

import math

SCALES = tuple(2**i for i in range(11))
ENOUGH = 8
"""Differences of single frames before the prior is given up."""
FEW = 16
"""Differences after which a scale is believed."""
WEIGHT = 1 / 256
"""Of a difference, at least."""
OFTEN = 16
"""Differences after which the deviations are computed anew."""
FLOOR = 0.02
"""Frames; stamps are not believed to be better than this."""
TINY = 0.05
"""Positive differences, frames, that are too small for a loss and count as well."""
TO_SD = math.sqrt(1 / 2)
"""From the root mean square difference of two independent values to their standard deviation."""


class Spread:
    """Standard deviations by scale, and the means of the most recent frame times.

    Parameters
    ----------
    prior
        Of a single frame until something is known, frames.

    Attributes
    ----------
    sd
        Standard deviation of the mean at every scale, frames.
    correlated
        Of a single frame that, were it independent, would make the means as noisy as they are.
    """

    def __init__(self, prior: float) -> None:
        self.prior = prior
        self.counts = [0] * len(SCALES)
        self.squares = [0.0] * len(SCALES)
        self.sd = [prior] * len(SCALES)
        self.correlated = prior
        self.forget()

    def forget(self) -> None:
        """Leave out everything of before from the means that follow; the noise stays learnt."""
        self.sums = [0.0]
        self.total = 0

    @property
    def known(self) -> bool:
        """Whether the noise of a single time was measured."""
        return self.counts[0] >= ENOUGH

    def suppose(self, noise: float) -> None:
        """Take over a noise that was found by other means, where none is learnt yet."""
        if not self.known:
            self.prior = max(FLOOR, noise)
            self._settle()

    def mean(self, scale: int) -> float | None:
        """Of the last ``scale`` residuals, frames; None where there are not so many."""
        if self.total < scale:
            return None
        return (self.sums[-1] - self.sums[-1 - scale]) / scale

    def push(self, residual: float) -> None:
        """Take in how late a frame was, frames."""
        self.sums.append(self.sums[-1] + residual)
        self.total += 1
        for i, scale in enumerate(SCALES):
            if self.total % scale or self.total < 2 * scale:
                break
            last, middle, first = self.sums[-1], self.sums[-1 - scale], self.sums[-1 - 2 * scale]
            difference = (last - 2 * middle + first) / scale
            if difference <= TINY:
                self._learn(i, difference)
        if len(self.sums) > 4 * SCALES[-1] and self.total % SCALES[-1] == 0:
            base = self.sums[-1 - 2 * SCALES[-1]]
            self.sums = [value - base for value in self.sums[-1 - 2 * SCALES[-1] :]]

    def _learn(self, i: int, size: float) -> None:
        self.counts[i] += 1
        self.squares[i] += max(WEIGHT, 1 / self.counts[i]) * (size**2 - self.squares[i])
        if self.counts[i] < 2 * OFTEN or self.counts[i] % OFTEN == 0:
            self._settle()

    def _settle(self) -> None:
        noise = 0.0
        for j in range(len(SCALES)):
            known = self.counts[j] >= FEW
            before = self.prior if j == 0 else self.sd[j - 1]
            own = max(FLOOR, TO_SD * math.sqrt(self.squares[j]))
            if j == 0:
                few = own * (1 + 4 / max(1, self.counts[0]))
                self.sd[0] = few if self.counts[0] >= ENOUGH else max(self.prior, own)
            else:
                own = max(own, before / math.sqrt(2))  # means of independent times, the best case
                self.sd[j] = min(before, own) if known else before
            noise = max(noise, self.sd[j] * math.sqrt(SCALES[j]) if known else 0.0)
        self.correlated = max(noise, self.sd[0])
