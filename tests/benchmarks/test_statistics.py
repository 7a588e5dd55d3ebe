"""Paired statistics against known values, closed forms and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from benchmarks import statistics
from benchmarks.statistics import Z95, Pairs


def test_pairs_are_counted() -> None:
    """Gained: the second alone was right. Lost: the first alone."""
    first = np.array([True, True, False, False, True])
    second = np.array([True, False, True, False, False])
    assert statistics.pairs(first, second) == Pairs(5, gained=1, lost=2)
    assert statistics.pairs(first, second).difference == pytest.approx(-0.2)


def test_windows_that_are_not_paired() -> None:
    """Nothing is compared with windows of another number, or with none."""
    with pytest.raises(ValueError, match=r"shapes \(3,\) and \(2,\) are not those of paired"):
        statistics.pairs(np.ones(3, bool), np.ones(2, bool))
    with pytest.raises(ValueError, match=r"shapes \(0,\) and \(0,\) are not those of paired"):
        statistics.pairs(np.ones(0, bool), np.ones(0, bool))


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
    interval = statistics.tango(Pairs(n, 0, 0))
    half = Z95**2 / (n + Z95**2)
    assert (interval.low, interval.high) == pytest.approx((-half, half), abs=1e-9)


def test_tango_is_wilson_where_every_window_is_lost_or_gained() -> None:
    """Then it is the score interval of one share, stretched from [0, 1] to [-1, 1]."""
    n, gained = 50, 35
    share, z2 = gained / n, Z95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    interval = statistics.tango(Pairs(n, gained, n - gained))
    wanted = (2 * (centre - half) - 1, 2 * (centre + half) - 1)
    assert (interval.low, interval.high) == pytest.approx(wanted, abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 400), st.integers(0, 60), st.integers(0, 60))
def test_tango_turns_round(n: int, gained: int, lost: int) -> None:
    """Swapping the two classifiers swaps the limits; the difference lies between them."""
    n += gained + lost
    one, other = statistics.tango(Pairs(n, gained, lost)), statistics.tango(Pairs(n, lost, gained))
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=1e-9)
    assert -1 <= one.low < one.value < one.high <= 1


def test_intervals_cover() -> None:
    """Some 95 % of intervals hold the true difference, of 3 % lost and 1 % gained of 400."""
    rng = np.random.default_rng(1)
    drawn = rng.multinomial(400, (0.01, 0.03, 0.96), 400)
    found = [Pairs(400, int(gained), int(lost)) for gained, lost, _ in drawn]
    for interval in (statistics.tango, lambda p: statistics.bootstrap(p, 1000)):
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
        (Pairs(240, 0, 0), "not enough windows, need 1,562"),
        (Pairs(240, 1, 2), "not enough windows, need 144,631"),
        (Pairs(200, 0, 1), "not enough windows"),
    ],
)
def test_non_inferiority(found: Pairs, text: str) -> None:
    """Half a point: 240 windows cannot show it; at a difference of just that no number can."""
    assert str(statistics.non_inferiority(found)) == text


def test_windows_needed_decide() -> None:
    """With nothing lost, n > z**2 (1 - margin) / margin; at that many, four studies of five do."""
    z = Z95 + statistics.Z_POWER
    assert statistics.windows_needed(Pairs(240, 0, 0)) == math.ceil(z**2 * 0.995 / 0.005)
    need = statistics.windows_needed(Pairs(1000, 10, 10))
    assert need is not None
    rng = np.random.default_rng(2)
    drawn = rng.multinomial(need, (0.01, 0.01, 0.98), 300)
    answers = [statistics.non_inferiority(Pairs(need, int(g), int(k))).answer for g, k, _ in drawn]
    assert answers.count("yes") / 300 == pytest.approx(0.8, abs=0.07)


def test_subjects_are_the_unit() -> None:
    """Student's interval of five subjects; one subject says nothing about others."""
    values = [-0.01, 0.0, 0.0, 0.005, -0.005]
    interval = statistics.over_subjects(values)
    wanted = stats.t.interval(0.95, 4, loc=np.mean(values), scale=stats.sem(values))
    assert interval.value == pytest.approx(-0.002)
    assert (interval.low, interval.high) == pytest.approx(wanted)
    assert statistics.over_subjects([0.1]) == statistics.Interval(0.1, -math.inf, math.inf)
