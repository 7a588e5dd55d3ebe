# SPDX-License-Identifier: BSD-3-Clause
"""Statistics of latencies, and how rounds are run."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.measure import protocol
from benchmarks.measure.protocol import Protocol


def test_median_interval_of_ten() -> None:
    """Order statistics 2 and 9 of ten: the textbook's 97.9 % interval, the nearest above 95 %."""
    found = protocol.median_interval([7, 1, 3, 10, 2, 9, 4, 8, 6, 5])
    assert (found.value, found.low, found.high, found.n) == (5.5, 2, 9, 10)


def test_interval_covers_the_median() -> None:
    """Of 400 samples of 31 values the interval misses the true median in about one of twenty."""
    rng = np.random.default_rng(0)
    found = [protocol.median_interval(list(rng.exponential(size=31))) for _ in range(400)]
    missed = sum(not e.low <= np.log(2) <= e.high for e in found)
    assert 5 <= missed <= 25


@given(st.lists(st.floats(1, 1e6), min_size=1, max_size=60))
def test_interval_holds_the_estimate(values: list[float]) -> None:
    """Low, value and high are in order and come from the values."""
    found = protocol.median_interval(values)
    assert min(values) <= found.low <= found.value <= found.high <= max(values)


ROUNDS = (
    {"stock": [100.0, 110.0, 90.0], "ours": [10.0, 11.0, 9.0]},
    {"stock": [200.0, 220.0, 180.0], "ours": [20.0, 22.0, 18.0]},
    {"stock": [120.0, 100.0, 80.0], "ours": [5.0, 5.0, 5.0]},
)


def test_ratio_is_taken_inside_a_round() -> None:
    """A round in which everything is slow changes no ratio."""
    assert protocol.ratio(ROUNDS, "stock", "ours").value == 10
    assert protocol.median(ROUNDS, "stock").value == 100


def test_percentiles_are_of_all_calls() -> None:
    """Percentiles and spread look at every call of every round."""
    assert protocol.percentile(ROUNDS, "stock", 0.95) == 220
    assert protocol.percentile(ROUNDS, "ours", 0.5) == 10
    assert protocol.spread(ROUNDS, "ours") == pytest.approx((18 - 5) / 10)


def test_rounds_are_interleaved() -> None:
    """Every round calls every entrant, in the same order, with as many calls each time."""
    log: list[str] = []
    calls = {name: lambda name=name: log.append(name) for name in "ab"}  # type: ignore[misc]
    settings = Protocol(min_rounds=5, limit_s=0.0, block_us=0.0)
    rounds = protocol.interleave(calls, settings)
    assert len(rounds) == 5
    assert all(len(samples) == 3 for r in rounds for samples in r.values())
    measured = log[-5 * 2 * 4 :]  # a call that is not counted and three that are
    assert [name for name, _ in itertools.groupby(measured)] == ["a", "b"] * 5


def test_stops_when_tight() -> None:
    """With a generous tolerance the minimum of rounds is enough, whatever the limit."""
    settings = Protocol(min_rounds=7, tight=1e9, limit_s=3600.0, block_us=0.0)
    assert len(protocol.interleave({"a": lambda: None}, settings)) == 7
