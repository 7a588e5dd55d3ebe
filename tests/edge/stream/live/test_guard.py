# SPDX-License-Identifier: BSD-3-Clause
"""What a frame stream may do, and what becomes of it: every fault is injected here."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from edge.stream.frames import Block
from edge.stream.live.guard import Event, Guard, Stretch, Tolerance

TOLERANCE = Tolerance(max_gap=3, flat=5)
N = 60


def signal(n: int = N) -> np.ndarray:
    """(n, 2): the sample's number, and noise."""
    rng = np.random.default_rng(0)
    return np.stack([np.arange(n, dtype=float), rng.standard_normal(n)], axis=1)


def guard(low: float = -1e9, high: float = 1e9) -> Guard:
    """A guard over two channels."""
    return Guard(("A", "B"), np.array([[low, high]] * 2), TOLERANCE)


def run(samples: np.ndarray, numbers: np.ndarray, cuts: tuple[int, ...] = ()) -> tuple[Guard, list]:
    """A guard that was fed blocks, and its stretches."""
    watching = guard(-40, 40)
    stretches = []
    for a, b in itertools.pairwise([0, *cuts, len(numbers)]):
        stretches += watching.push(Block(samples[a:b], numbers[a:b], 0.0))
    return watching, stretches


def joined(stretches: list[Stretch]) -> np.ndarray:
    """All their samples."""
    return np.concatenate([stretch.samples for stretch in stretches])


def test_a_whole_stream_passes_as_it_is() -> None:
    """Nothing is changed, and the first stretch is a start."""
    x = signal(40)
    watching, stretches = run(x, np.arange(40), (7, 8, 30))
    np.testing.assert_array_equal(joined(stretches), x)
    assert [stretch.restart for stretch in stretches] == [True, False, False, False]
    assert watching.take_events() == [Event("restart", 0)]
    assert watching.take_events() == []
    assert not any(stretch.faults.any() for stretch in stretches)


@pytest.mark.parametrize("cuts", [(), (10,), (9,), (5, 10, 20)])
def test_short_gaps_are_bridged(cuts: tuple[int, ...]) -> None:
    """Up to three lost frames lie on a straight line, wherever blocks end."""
    x, keep = signal(40), np.r_[0:10, 13:40]
    watching, stretches = run(x[keep], keep, cuts)
    whole = joined(stretches)
    np.testing.assert_array_equal(whole[keep], x[keep])
    np.testing.assert_allclose(whole[:, 0], np.arange(40))
    np.testing.assert_allclose(whole[9:14, 1], np.linspace(x[9, 1], x[13, 1], 5))
    assert Event("interpolated", 13, 3) in watching.take_events()
    counts = watching.counts
    assert (counts.lost, counts.interpolated, counts.restarts) == (3, 3, 1)


def test_long_gaps_begin_anew() -> None:
    """Four lost frames are too many: everything behind starts again."""
    x, keep = signal(40), np.r_[0:10, 14:40]
    watching, stretches = run(x[keep], keep)
    assert [(s.first, len(s.samples), s.restart) for s in stretches] == [
        (0, 10, True),
        (14, 26, True),
    ]
    assert watching.take_events() == [
        Event("restart", 0),
        Event("gap", 14, 4),
        Event("restart", 14),
    ]
    assert (watching.counts.lost, watching.counts.interpolated) == (4, 0)


def test_repeated_frames_are_dropped() -> None:
    """The same number again, or an older one, is not a new sample."""
    x, numbers = signal(40), np.r_[0:10, 8:10, 10:20, 19, 20:40]
    for cuts in ((), (11,), (12, 22)):
        watching, stretches = run(x[numbers], numbers, cuts)
        np.testing.assert_array_equal(joined(stretches), x)
        assert (watching.counts.repeated, watching.counts.lost) == (3, 0)
    assert sum(e.count for e in watching.take_events() if e.event == "repeated") == 3


def test_frames_that_are_no_numbers_are_lost() -> None:
    """A NaN in any channel is a lost frame, and bridged as one."""
    x = signal(40)
    broken = x.copy()
    broken[20, 0], broken[21, 1] = np.nan, np.inf
    watching, stretches = run(broken, np.arange(40))
    np.testing.assert_allclose(joined(stretches)[:, 0], x[:, 0])
    counts = watching.counts
    assert (counts.not_finite, counts.lost, counts.interpolated) == (2, 2, 2)


@pytest.mark.parametrize("cuts", [(), tuple(range(1, N)), (22, 23, 31)])
def test_flat_and_saturated(cuts: tuple[int, ...]) -> None:
    """Five equal samples are flat, three at the end of the range saturated; both are told once."""
    x = signal()
    x[20:30, 1] = 0.5
    watching, stretches = run(x, np.arange(N), cuts)
    faults = np.concatenate([stretch.faults for stretch in stretches])
    assert np.flatnonzero(faults[:, 1]).tolist() == list(range(24, 30))
    assert np.flatnonzero(faults[:, 0]).tolist() == list(range(42, N))  # 40 and more: the rail
    assert watching.take_events() == [
        Event("restart", 0),
        Event("flat", 24, 0, "B"),
        Event("recovered", 30, 0, "B"),
        Event("saturated", 42, 0, "A"),
    ]
    assert watching.counts.faulty == {"B": 6, "A": 18}


def test_a_restart_of_the_source() -> None:
    """What came before is not compared with what comes: neither gap nor flat line."""
    watching = guard()
    x = np.tile([[1.0, 2.0]], (4, 1))
    assert watching.push(Block(x, np.arange(4), 0.0))[0].restart
    again = watching.push(Block(x, np.arange(4, 8), 0.0, restart=True))
    assert again[0].restart
    assert not again[0].faults.any()
    assert watching.counts.restarts == 2


def test_an_empty_block() -> None:
    """Nothing comes of nothing."""
    assert guard().push(Block(np.zeros((0, 2)), np.zeros(0, np.int64), 0.0)) == []
