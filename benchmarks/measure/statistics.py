# SPDX-License-Identifier: BSD-3-Clause
"""Compare two classifiers on the same windows, with paired statistics.

All are pure functions of counts. Of the windows that two classifiers saw, only those matter on
which one was right and the other wrong: ``gained`` are the ones that the second got right and the
first not, ``lost`` the other way round. Differences are second minus first, as shares in [-1, 1].
The Wilson interval of one share is :func:`edge.parity.wilson`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

Z95 = 1.959963984540054
"""Standard normal quantile of a two-sided 95 % interval."""
Z_POWER = 0.8416212335729143
"""Standard normal quantile of 80 % power."""
MARGIN = 0.005
"""A loss of accuracy that nobody would notice: half a percentage point."""
RESAMPLES = 10_000
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
    """The windows of a paired comparison: all, gained and lost by the second classifier."""

    n: int
    gained: int
    lost: int

    @property
    def difference(self) -> float:
        """The accuracy of the second minus that of the first."""
        return (self.gained - self.lost) / self.n


Runs = Sequence[Pairs]
"""One subject's: as many as there are models of it, by seed, say; together they count once."""


@dataclass(frozen=True)
class NonInferiority:
    """Whether the second classifier is not worse than the first by more than a margin.

    Attributes
    ----------
    answer
        ``yes`` where the whole 95 % interval lies above ``-margin``, ``no`` where it lies below,
        ``not enough windows`` (or ``subjects``) where it holds ``-margin``.
    interval
        Of the difference (:func:`tango`, :func:`over_subjects`).
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


def bootstrap(found: Pairs, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """Return the percentile bootstrap of the difference, windows resampled in pairs.

    Resampling n windows with replacement draws how many are gained, lost and neither from a
    multinomial distribution, which is what is drawn (Efron and Tibshirani 1993, An Introduction to
    the Bootstrap, section 13.3). With nothing gained or lost its width is zero, which is why
    :func:`non_inferiority` does not rest on it.
    """
    shares = np.array([found.gained, found.lost, found.n - found.gained - found.lost]) / found.n
    drawn = np.random.default_rng(seed).multinomial(found.n, shares, resamples)
    return _percentiles(found.difference, (drawn[:, 0] - drawn[:, 1]) / found.n)


def mcnemar(found: Pairs) -> float:
    """Return the two-sided p of the exact test that gains and losses are equally likely.

    ``min(1, 2 P(Binomial(gained + lost, 1/2) <= min(gained, lost)))`` (McNemar 1947, Psychometrika
    12, 153-157; the exact form is the sign test).
    """
    from scipy.stats import binomtest

    if found.gained == found.lost:  # no window decided otherwise is among them
        return 1.0
    return float(binomtest(found.gained, found.gained + found.lost).pvalue)


def tango(found: Pairs, z: float = Z95) -> Interval:
    """Return the score interval of the difference, which has a width even without a loss.

    All d with ``|gained - lost - n d| / sqrt(n (2 q + d (1 - d))) <= z``, where q is the share of
    lost windows most likely under d (Tango 1998, Statistics in Medicine 17, 891-908). Without any
    gained or lost window that is ``z**2 / (n + z**2)`` on either side.
    """
    value = found.difference
    counts = (found.n, float(found.gained), float(found.lost))
    return Interval(value, _limit(*counts, z, -1), _limit(*counts, z, 1))


def _limit(n: float, gained: float, lost: float, z: float, side: int) -> float:
    """Where the score reaches z on one side of the difference, by bisection."""
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
    """Test whether the second classifier loses at most ``margin``."""
    interval = tango(found)
    answer = _answer(interval, margin, "windows")
    need = None if answer in DECIDED else windows_needed(found, margin)
    return NonInferiority(answer, margin, interval, need)


def _answer(interval: Interval, margin: float, unit: str) -> str:
    if interval.low > -margin:
        return "yes"
    return "no" if interval.high < -margin else f"not enough {unit}"


def windows_needed(found: Pairs, margin: float = MARGIN) -> int | None:
    """Return how many windows would decide at 80 % power, were these shares true.

    ``((z(95 %) sqrt(v0) + z(80 %) sqrt(v)) / (difference + margin))**2``, v the variance of one
    window's difference and v0 what it is most likely if the difference is ``-margin``, as in
    :func:`tango`, which decides (Nam 1997, Biometrics 53, 1422-1430).
    """
    return _windows_needed(found.n, found.gained, found.lost, margin)


def _windows_needed(n: float, gained: float, lost: float, margin: float) -> int | None:
    difference = (gained - lost) / n
    variance = (gained + lost) / n - difference**2
    under = _variance_under(n, gained, lost, -margin)
    spread = Z95 * math.sqrt(under) + Z_POWER * math.sqrt(max(variance, 0))
    distance = abs(difference + margin)
    if distance * math.sqrt(MOST) <= spread:
        return None
    return math.ceil((spread / distance) ** 2)


def over_subjects(subjects: Sequence[Runs]) -> Interval:
    """Return the mean of the subjects' differences, with the subject as the unit.

    Student's t interval (Student 1908, Biometrika 6, 1-25): windows of one person are not
    independent, so that pooling them would promise too much. But two subjects who lose as many
    windows differ by nothing, and that interval has no width; so it is never narrower than that of
    all windows together (:func:`tango`), which leaves out what sets subjects apart.
    """
    values = _differences(subjects)
    mean = float(values.mean())
    if len(values) < 2:
        return Interval(mean, -math.inf, math.inf)
    half = float(t.ppf(0.975, len(values) - 1)) * float(values.std(ddof=1)) / math.sqrt(len(values))
    windows = _together(subjects)
    low, high = (_limit(*windows, Z95, side) for side in (-1, 1))
    return Interval(mean, min(mean - half, low), max(mean + half, high))


def subjects_non_inferiority(subjects: Sequence[Runs], margin: float = MARGIN) -> NonInferiority:
    """Test :func:`non_inferiority` of the mean over subjects."""
    interval = over_subjects(subjects)
    answer = _answer(interval, margin, "subjects")
    need = None if answer in DECIDED else subjects_needed(subjects, margin)
    return NonInferiority(answer, margin, interval, need)


def subjects_needed(subjects: Sequence[Runs], margin: float = MARGIN) -> int | None:
    """Return how many subjects would decide at 80 % power, were all like these.

    The fewest n with ``(t(95 %) + t(80 %)) sd <= (mean + margin) sqrt(n)``, t of n - 1 degrees of
    freedom (Lachin 1981, Controlled Clinical Trials 2, 93-113), that have :func:`windows_needed`,
    too. None for one subject, whose like nobody has seen, or where no number would do.
    """
    values = _differences(subjects)
    windows = _together(subjects)
    by_windows = _windows_needed(*windows, margin)
    distance = abs(float(values.mean()) + margin)
    if len(values) < 2 or by_windows is None or distance < 1 / MOST:
        return None
    spread = float(values.std(ddof=1)) / distance
    n = max(len(values) + 1, math.ceil(by_windows * len(values) / windows[0]))
    n = max(n, math.ceil(((Z95 + Z_POWER) * spread) ** 2))
    while float(t.ppf(0.975, n - 1) + t.ppf(0.8, n - 1)) * spread > math.sqrt(n):
        n += 1
    return n


def _differences(subjects: Sequence[Runs]) -> NDArray[np.float64]:
    return np.array([np.mean([run.difference for run in runs]) for runs in subjects], np.float64)


def _together(subjects: Sequence[Runs]) -> tuple[float, float, float]:
    """Windows, gained and lost of all subjects, means over the models of each."""
    each = [
        np.mean([(run.n, run.gained, run.lost) for run in runs], axis=0, dtype=np.float64)
        for runs in subjects
    ]
    n, gained, lost = np.sum(each, axis=0)
    return float(n), float(gained), float(lost)


def _percentiles(value: float, drawn: NDArray[Any]) -> Interval:
    low, high = np.percentile(drawn, (2.5, 97.5))
    return Interval(value, float(low), float(high))
