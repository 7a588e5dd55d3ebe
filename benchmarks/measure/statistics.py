# SPDX-License-Identifier: BSD-3-Clause
"""Compare two classifiers on the same windows, with paired statistics.

All are pure functions of counts. :mod:`edge.exporting.paired` has the counts themselves and the
score interval that decides whether a loss is too large, since an export asks for it too. The
Wilson interval of one share is :func:`edge.parity.wilson`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from edge.exporting.paired import (
    DECIDED,
    MARGIN,
    MOST,
    Z_POWER,
    Interval,
    NonInferiority,
    Pairs,
    answer,
    limit,
    windows_of_counts,
)
from edge.parity import Z95

RESAMPLES = 10_000
Runs = Sequence[Pairs]
"""One subject's: as many as there are models of it, by seed, say; together they count once."""


def bootstrap(found: Pairs, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """Return the percentile bootstrap of the difference, windows resampled in pairs.

    Resampling n windows with replacement draws how many are gained, lost and neither from a
    multinomial distribution, which is what is drawn (Efron and Tibshirani 1993, An Introduction to
    the Bootstrap, section 13.3). With nothing gained or lost its width is zero, which is why
    :func:`~edge.exporting.paired.non_inferiority` does not rest on it.
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


def over_subjects(subjects: Sequence[Runs]) -> Interval:
    """Return the mean of the subjects' differences, with the subject as the unit.

    Student's t interval (Student 1908, Biometrika 6, 1-25): windows of one person are not
    independent, so that pooling them would promise too much. But two subjects who lose as many
    windows differ by nothing, and that interval has no width; so it is never narrower than that of
    all windows together (:func:`~edge.exporting.paired.tango`), which leaves out what sets subjects
    apart.
    """
    values = _differences(subjects)
    mean = float(values.mean())
    if len(values) < 2:
        return Interval(mean, -math.inf, math.inf)
    half = float(t.ppf(0.975, len(values) - 1)) * float(values.std(ddof=1)) / math.sqrt(len(values))
    windows = _together(subjects)
    low, high = (limit(*windows, Z95, side) for side in (-1, 1))
    return Interval(mean, min(mean - half, low), max(mean + half, high))


def subjects_non_inferiority(subjects: Sequence[Runs], margin: float = MARGIN) -> NonInferiority:
    """Test :func:`~edge.exporting.paired.non_inferiority` of the mean over subjects."""
    interval = over_subjects(subjects)
    verdict = answer(interval, margin, "subjects")
    need = None if verdict in DECIDED else subjects_needed(subjects, margin)
    return NonInferiority(verdict, margin, interval, need)


def subjects_needed(subjects: Sequence[Runs], margin: float = MARGIN) -> int | None:
    """Return how many subjects would decide at 80 % power, were all like these.

    The fewest n with ``(t(95 %) + t(80 %)) sd <= (mean + margin) sqrt(n)``, t of n - 1 degrees of
    freedom (Lachin 1981, Controlled Clinical Trials 2, 93-113), that have
    :func:`~edge.exporting.paired.windows_needed`, too. None for one subject, whose like nobody has
    seen, or where no number would do.
    """
    values = _differences(subjects)
    windows = _together(subjects)
    by_windows = windows_of_counts(*windows, margin)
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
