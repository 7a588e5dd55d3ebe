# SPDX-License-Identifier: BSD-3-Clause
"""Decide whether one classifier is worse than another on the same windows, or how many it takes.

Pure functions of counts. Of the windows that two classifiers saw, only those matter on which one
was right and the other wrong: ``gained`` are the ones that the second got right and the first not,
``lost`` the other way round. Differences are second minus first, as shares in [-1, 1].
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.parity import Z95

Z_POWER = 0.8416212335729143
"""Standard normal quantile of 80 % power."""
MARGIN = 0.005
"""A loss of accuracy that nobody would notice: half a percentage point."""
MOST = 10_000_000
"""More than that, of windows or subjects, is no answer."""
DECIDED = ("yes", "no")

Correct = NDArray[np.bool_]


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Pairs:
    """Windows of a paired comparison: all, gained and lost by the second classifier."""

    n: int
    gained: int
    lost: int

    @property
    def difference(self) -> float:
        """Accuracy of the second minus that of the first."""
        return (self.gained - self.lost) / self.n


@dataclass(frozen=True)
class NonInferiority:
    """Whether the second classifier is not worse than the first by more than a margin.

    Attributes
    ----------
    answer
        ``yes`` where the whole 95 % interval lies above ``-margin``, ``no`` where it lies below,
        ``not enough windows`` (or ``subjects``) where it holds ``-margin``.
    interval
        Of the difference (:func:`tango`, :func:`benchmarks.measure.statistics.over_subjects`).
    need
        So many would decide at 80 % power if the shares seen here are the true ones; None where
        it is decided, or where no number would (a difference of exactly the margin).
    """

    answer: str
    margin: float
    interval: Interval
    need: int | None

    def __str__(self) -> str:
        if self.need is None:
            return self.answer
        return f"{self.answer}, need {self.need:,}"


def pairs(first: Correct, second: Correct) -> Pairs:
    """Count what is gained and lost; both are (n,) bool, whether each window was right."""
    if first.shape != second.shape or first.ndim != 1 or len(first) == 0:
        raise ValueError(f"shapes {first.shape} and {second.shape} are not those of paired windows")
    return Pairs(len(first), int((~first & second).sum()), int((first & ~second).sum()))


def tango(found: Pairs, z: float = Z95) -> Interval:
    """Return the score interval of the difference, never without a width.

    All d with ``|gained - lost - n d| / sqrt(n (2 q + d (1 - d))) <= z``, where q is the share of
    lost windows most likely under d (Tango 1998, Statistics in Medicine 17, 891-908). Without any
    gained or lost window that is ``z**2 / (n + z**2)`` on either side.
    """
    value = found.difference
    counts = (found.n, float(found.gained), float(found.lost))
    return Interval(value, limit(*counts, z, -1), limit(*counts, z, 1))


def limit(n: float, gained: float, lost: float, z: float, side: int) -> float:
    """Find by bisection where the score reaches z on one side of the difference."""
    inside, outside = (gained - lost) / n, float(side)
    for _ in range(60):
        middle = (inside + outside) / 2
        if abs(_score(n, gained, lost, middle)) <= z:
            inside = middle
        else:
            outside = middle
    return (inside + outside) / 2


def _score(n: float, gained: float, lost: float, d: float) -> float:
    """Tango's statistic of the hypothesis that the difference is d."""
    variance = n * _variance_under(n, gained, lost, d)
    excess = gained - lost - n * d
    if variance <= 0:
        return 0.0 if excess == 0 else math.copysign(math.inf, excess)
    return excess / math.sqrt(variance)


def _variance_under(n: float, gained: float, lost: float, d: float) -> float:
    """Of one window's difference, by the shares most likely where their difference is d."""
    b = (2 * n - gained + lost) * d - gained - lost
    c = -lost * d * (1 - d)
    share_lost = (math.sqrt(b * b - 8 * n * c) - b) / (4 * n)
    return 2 * share_lost + d * (1 - d)


def non_inferiority(found: Pairs, margin: float = MARGIN) -> NonInferiority:
    """Decide whether the second loses at most ``margin``; see :class:`NonInferiority`."""
    interval = tango(found)
    verdict = answer(interval, margin, "windows")
    need = None if verdict in DECIDED else windows_needed(found, margin)
    return NonInferiority(verdict, margin, interval, need)


def answer(interval: Interval, margin: float, unit: str) -> str:
    """Return what an interval says of a margin, see :attr:`NonInferiority.answer`."""
    if interval.low > -margin:
        return "yes"
    return "no" if interval.high < -margin else f"not enough {unit}"


def windows_needed(found: Pairs, margin: float = MARGIN) -> int | None:
    """Return the windows that would decide at 80 % power if the shares seen were the true ones.

    ``((z(95 %) sqrt(v0) + z(80 %) sqrt(v)) / (difference + margin))**2``, v the variance of one
    window's difference and v0 what it is most likely if the difference is ``-margin``, as in
    :func:`tango`, which decides (Nam 1997, Biometrics 53, 1422-1430).
    """
    return windows_of_counts(found.n, found.gained, found.lost, margin)


def windows_of_counts(n: float, gained: float, lost: float, margin: float) -> int | None:
    """Do the same for counts that may be means over several models."""
    difference = (gained - lost) / n
    variance = (gained + lost) / n - difference**2
    under = _variance_under(n, gained, lost, -margin)
    spread = Z95 * math.sqrt(under) + Z_POWER * math.sqrt(max(variance, 0))
    distance = abs(difference + margin)
    if distance * math.sqrt(MOST) <= spread:
        return None
    return math.ceil((spread / distance) ** 2)
