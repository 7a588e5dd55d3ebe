# SPDX-License-Identifier: BSD-3-Clause
"""Paired statistics against known values, closed forms and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from benchmarks.measure import statistics
from edge import parity
from edge.exporting import paired
from edge.exporting.paired import Z95, Pairs


def test_pairs_are_counted() -> None:
    """Gained: the second alone was right. Lost: the first alone."""
    first = np.array([True, True, False, False, True])
    second = np.array([True, False, True, False, False])
    assert paired.pairs(first, second) == Pairs(5, gained=1, lost=2)
    assert paired.pairs(first, second).difference == pytest.approx(-0.2)


def test_windows_that_are_not_paired() -> None:
    """Nothing is compared with windows of another number, or with none."""
    with pytest.raises(ValueError, match=r"shapes \(3,\) and \(2,\) are not those of paired"):
        paired.pairs(np.ones(3, bool), np.ones(2, bool))
    with pytest.raises(ValueError, match=r"shapes \(0,\) and \(0,\) are not those of paired"):
        paired.pairs(np.ones(0, bool), np.ones(0, bool))


@pytest.mark.parametrize(
    ("gained", "lost", "p"), [(0, 0, 1.0), (1, 9, 22 / 1024), (0, 6, 2 / 64), (5, 5, 1.0)]
)
def test_mcnemar(gained: int, lost: int, p: float) -> None:
    """Known values; scipy's binomial test says the same."""
    assert statistics.mcnemar(Pairs(240, gained, lost)) == pytest.approx(p)
    if gained + lost:
        assert stats.binomtest(gained, gained + lost).pvalue == pytest.approx(p)


@pytest.mark.parametrize("n", [44, 240, 2880])
def test_tango_without_a_difference(n: int) -> None:
    """The closed form of Tango (1998)."""
    interval = paired.tango(Pairs(n, 0, 0))
    half = Z95**2 / (n + Z95**2)
    assert (interval.low, interval.high) == pytest.approx((-half, half), abs=1e-9)


def test_tango_is_wilson_where_every_window_is_lost_or_gained() -> None:
    """Then it is the score interval of one share, stretched from [0, 1] to [-1, 1]."""
    n, gained = 50, 35
    share, z2 = gained / n, Z95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    interval = paired.tango(Pairs(n, gained, n - gained))
    wanted = (2 * (centre - half) - 1, 2 * (centre + half) - 1)
    assert (interval.low, interval.high) == pytest.approx(wanted, abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 400), st.integers(0, 60), st.integers(0, 60))
def test_tango_turns_round(n: int, gained: int, lost: int) -> None:
    """Swapping the two classifiers swaps the limits; the difference lies between them."""
    n += gained + lost
    one, other = paired.tango(Pairs(n, gained, lost)), paired.tango(Pairs(n, lost, gained))
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=1e-9)
    assert -1 <= one.low < one.value < one.high <= 1


def test_intervals_cover() -> None:
    """Some 95 % of intervals hold the true difference, of 3 % lost and 1 % gained of 400."""
    rng = np.random.default_rng(1)
    drawn = rng.multinomial(400, (0.01, 0.03, 0.96), 400)
    found = [Pairs(400, int(gained), int(lost)) for gained, lost, _ in drawn]
    for interval in (paired.tango, lambda p: statistics.bootstrap(p, 1000)):
        inside = [i.low <= -0.02 <= i.high for i in map(interval, found)]
        assert np.mean(inside) == pytest.approx(0.95, abs=0.03)


def test_bootstrap_is_that_of_the_windows() -> None:
    """Drawing counts gives the distribution of drawing windows; the same seed the same interval."""
    found = Pairs(200, 3, 9)
    windows = np.repeat([1, -1, 0], [3, 9, 188])
    rng = np.random.default_rng(5)
    means = windows[rng.integers(0, 200, (20_000, 200))].mean(1)
    interval = statistics.bootstrap(found)
    assert (interval.low, interval.high) == pytest.approx(
        tuple(np.percentile(means, (2.5, 97.5))), abs=0.0051
    )
    assert interval == statistics.bootstrap(found)


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (Pairs(2000, 2, 2), "yes"),
        (Pairs(1000, 0, 40), "no"),
        (Pairs(240, 0, 0), "not enough windows, need 765"),
        (Pairs(240, 1, 2), "not enough windows, need 143,561"),
        (Pairs(200, 0, 1), "not enough windows"),
    ],
)
def test_non_inferiority(found: Pairs, text: str) -> None:
    """Half a point: 240 windows cannot show it; at a difference of just that no number can."""
    assert str(paired.non_inferiority(found)) == text


def test_windows_needed_without_a_difference() -> None:
    """The closed form: n > z**2 (1 - margin) / margin, and one window less does not do."""
    need = paired.windows_needed(Pairs(240, 0, 0))
    assert need == math.ceil(Z95**2 * 0.995 / 0.005) == 765
    assert paired.non_inferiority(Pairs(need, 0, 0)).answer == "yes"
    assert paired.non_inferiority(Pairs(need - 1, 0, 0)).answer != "yes"


@pytest.mark.parametrize("found", [Pairs(1000, 10, 10), Pairs(240, 2, 1), Pairs(240, 0, 2)])
def test_windows_needed_decide(found: Pairs) -> None:
    """At that many, four studies of five decide."""
    need = paired.windows_needed(found)
    assert need is not None
    gained, lost = found.gained / found.n, found.lost / found.n
    rng = np.random.default_rng(2)
    drawn = rng.multinomial(need, (gained, lost, 1 - gained - lost), 500)
    counts, times = np.unique(drawn[:, :2], axis=0, return_counts=True)
    answers = [paired.non_inferiority(Pairs(need, int(g), int(k))).answer for g, k in counts]
    wanted = "yes" if found.difference > -paired.MARGIN else "no"
    right = sum(n for n, answer in zip(times, answers, strict=True) if answer == wanted)
    assert right / 500 == pytest.approx(0.8, abs=0.05)


def one_model_each(*counts: tuple[int, int], n: int = 1000) -> list[list[Pairs]]:
    """Subjects by what was gained and lost."""
    return [[Pairs(n, gained, lost)] for gained, lost in counts]


def test_subjects_are_the_unit() -> None:
    """Student's interval of five subjects; one subject says nothing about others."""
    values = [-0.01, 0.0, 0.0, 0.005, -0.005]
    subjects = one_model_each((0, 10), (0, 0), (2, 2), (5, 0), (0, 5))
    interval = statistics.over_subjects(subjects)
    wanted = stats.t.interval(0.95, 4, loc=np.mean(values), scale=stats.sem(values))
    assert interval.value == pytest.approx(-0.002)
    assert (interval.low, interval.high) == pytest.approx(wanted)
    alone = statistics.over_subjects(one_model_each((100, 0)))
    assert alone == paired.Interval(0.1, -math.inf, math.inf)
    assert str(statistics.subjects_non_inferiority(subjects[:1])) == "not enough subjects"


def test_models_of_a_subject_count_once() -> None:
    """Three seeds of each are no more windows, and no more subjects, than one of each."""
    subjects = one_model_each((0, 10), (0, 4))
    thrice = [runs * 3 for runs in subjects]
    assert statistics.over_subjects(thrice) == statistics.over_subjects(subjects)
    assert statistics.subjects_needed(thrice) == statistics.subjects_needed(subjects)


def test_subjects_that_do_not_differ() -> None:
    """Two who lose nothing prove nothing: their windows' interval stands in for their spread."""
    found = statistics.subjects_non_inferiority(one_model_each((0, 0), (0, 0), n=60))
    windows = paired.tango(Pairs(120, 0, 0))
    assert (found.interval.low, found.interval.high) == (windows.low, windows.high)
    assert str(found) == "not enough subjects, need 13"  # 765 windows
    assert 60 * 12 < 765 <= 60 * 13
    enough = statistics.subjects_non_inferiority(one_model_each(*[(0, 0)] * 13, n=60))
    assert str(enough) == "yes"


def test_interval_over_subjects_covers() -> None:
    """Of few subjects with few losses, where Student's alone misses one time in five."""
    rng = np.random.default_rng(3)
    drawn = rng.multinomial(240, (0.002, 0.004, 0.994), (300, 2))
    found = [
        statistics.over_subjects([[Pairs(240, int(g), int(k))] for g, k, _ in study])
        for study in drawn
    ]
    assert np.mean([i.low <= -0.002 <= i.high for i in found]) >= 0.95


def test_subjects_needed() -> None:
    """By hand, mean 0 and spread 0.01: t of 33 degrees of freedom, (2.0345 + 0.8530) * 2 < 6."""
    subjects = one_model_each((250, 250 - 71), (250 - 71, 250), n=10_000)
    need = statistics.subjects_needed(subjects)
    assert need is not None
    differences = [runs[0].difference for runs in subjects]
    spread = float(np.std(differences, ddof=1)) / 0.005
    for n, enough in ((need, True), (need - 1, False)):
        quantiles = stats.t.ppf(0.975, n - 1) + stats.t.ppf(0.8, n - 1)
        assert (quantiles * spread <= math.sqrt(n)) == enough
    assert need == 34
    assert statistics.subjects_needed(one_model_each((100, 0))) is None
    assert statistics.subjects_needed(one_model_each((0, 5), (0, 5))) is None  # just the margin


def test_wilson_is_that_of_scipy() -> None:
    """Few and many windows, none, one and all of them."""
    for n in (1, 2, 5, 240, 2880):
        for count in {0, 1, n // 2, n - 1, n}:
            wanted = stats.binomtest(count, n).proportion_ci(method="wilson")
            found = parity.wilson(count, n)
            assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=1e-12)
    assert (parity.wilson(240, 240).high, parity.wilson(0, 240).low) == (1.0, 0.0)
