# SPDX-License-Identifier: BSD-3-Clause
"""Numbers from timestamps: every fault of a clock, and losses that used to be miscounted."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.stream.numbering.numbered import Note, Told, keys
from edge.stream.numbering.stamps import Stamped

SFREQ = 250.0


class Run:
    """Stamps numbered block by block, with our own clock in step with their arrival."""

    def __init__(
        self,
        stamps_s: NDArray[np.float64],
        which: NDArray[np.int64] | None = None,
        block: int = 5,
        arrived_s: NDArray[np.float64] | None = None,
    ) -> None:
        which = np.arange(len(stamps_s)) if which is None else which
        arrived_s = np.arange(len(stamps_s)) / SFREQ if arrived_s is None else arrived_s
        self.numbering = Stamped(SFREQ)
        numbers: list[int] = []
        restarts: list[bool] = []
        self.notes: list[Note] = []
        for i in range(0, len(stamps_s), block):
            part = slice(i, i + block)
            told = Told(stamps_s[part], which[part], now_s=float(arrived_s[part][-1]))
            done = self.numbering.push(told)
            numbers += done.numbers.tolist()
            restarts += done.restarts.tolist()
            self.notes += done.notes
        self.numbers, self.restarts = np.array(numbers), np.array(restarts)

    @property
    def lost(self) -> int:
        """Numbers that were left out."""
        return int(self.numbers.max() - self.numbers.min() + 1 - len(set(self.numbers.tolist())))


def kept(n: int, share: float, seed: int = 0) -> NDArray[np.int64]:
    """Frames that arrive where a share is lost, each by itself."""
    arrives = np.random.default_rng(seed).random(n) >= share
    arrives[0] = True
    return np.flatnonzero(arrives)


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_regular_stamps_are_exact(block: int) -> None:
    """Single losses and runs show where they are, on a crystal that is off by 300 ppm."""
    which = np.r_[0:2000, 2001:3000, 3004:3500]
    run = Run(17.0 + which / SFREQ * 1.0003, which, block)
    np.testing.assert_array_equal(run.numbers, which)
    assert run.numbering.report().uncertainty == 0
    assert run.numbering.report().rate_hz == pytest.approx(SFREQ / 1.0003, rel=1e-5)
    assert run.notes == []
    assert not run.restarts.any()


def test_half_of_all_frames_lost_from_the_start() -> None:
    """Was counted as 34 of 74,705."""
    which = kept(149_410, 0.5)
    run = Run(which / SFREQ, which, 50)
    truth = which[-1] + 1 - len(which)
    assert abs(run.lost - truth) <= 3


def test_a_tenth_lost_after_a_clean_minute() -> None:
    """Was counted as 104 of 13,407."""
    which = np.r_[0:15_000, 15_000 + kept(134_070, 0.1)]
    run = Run(which / SFREQ, which, 50)
    truth = which[-1] + 1 - len(which)
    assert abs(run.lost - truth) <= 3
    assert run.numbers[14_999] == 14_999


@pytest.mark.parametrize("shape", ["uniform", "normal"])
def test_one_percent_lost_under_two_milliseconds_of_jitter(shape: str) -> None:
    """Was counted as 8 of 1,421; two milliseconds are half a frame."""
    which = kept(142_100, 0.01)
    rng = np.random.default_rng(1)
    draw = rng.uniform(-1, 1, len(which)) if shape == "uniform" else rng.normal(0, 1, len(which))
    run = Run(which / SFREQ + 0.002 * draw, which, 50)
    truth = which[-1] + 1 - len(which)
    assert abs(run.lost - truth) <= 0.02 * truth


def test_twenty_milliseconds_of_jitter_without_loss() -> None:
    """Threw away 1,576 of 2,755 frames as repeated; they overtake each other by five."""
    rng = np.random.default_rng(2)
    stamps_s = np.arange(2755) / SFREQ + rng.uniform(-0.02, 0.02, 2755)
    run = Run(stamps_s)
    np.testing.assert_array_equal(run.numbers, np.arange(2755))


@pytest.mark.parametrize("jump_s", [-5.0, -86_400.0, 15.0, 86_400.0])
def test_a_clock_that_jumps(jump_s: float) -> None:
    """Frames came on and none was lost: one incident, one new beginning, the count goes on."""
    stamps_s = np.arange(5000) / SFREQ
    stamps_s[2500:] += jump_s
    run = Run(stamps_s)
    np.testing.assert_array_equal(run.numbers, np.arange(5000))
    [note] = run.notes
    assert (note.event, note.count) == ("clock", round(abs(jump_s) * SFREQ))
    assert 2500 <= note.number <= 2510
    assert run.restarts.sum() == 1
    assert run.numbering.report().restarts == 1


def test_a_clock_that_is_far_away_for_a_moment() -> None:
    """200,000 s for 0.2 s: one incident, not two."""
    stamps_s = np.arange(5000) / SFREQ
    stamps_s[2500:2550] += 200_000
    run = Run(stamps_s)
    np.testing.assert_array_equal(run.numbers, np.arange(5000))
    assert (len(run.notes), run.restarts.sum()) == (1, 1)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("count", [1, 300])
def test_stamps_that_are_no_numbers(value: float, count: int) -> None:
    """Counted on, one incident, and losses are seen again afterwards."""
    stamps_s = np.arange(5000) / SFREQ
    which = np.r_[0:4000, 4003:5000]
    stamps_s[2500 : 2500 + count] = value
    run = Run(stamps_s[which], which)
    np.testing.assert_array_equal(run.numbers, which)
    assert (len(run.notes), run.restarts.sum()) == (1, 1)


def test_stamps_that_never_are_numbers() -> None:
    """One incident, however long."""
    run = Run(np.full(5000, math.nan))
    np.testing.assert_array_equal(run.numbers, np.arange(5000))
    assert len(run.notes) == 1


@pytest.mark.parametrize("count", [400, 2500])
def test_a_clock_that_stands_still(count: int) -> None:
    """More than a second: one incident and one new beginning, the count goes on."""
    stamps_s = np.arange(6000) / SFREQ
    stamps_s[2500 : 2500 + count] = stamps_s[2500]
    run = Run(stamps_s)
    np.testing.assert_array_equal(run.numbers, np.arange(6000))
    assert (len(run.notes), run.restarts.sum()) == (1, 1)


def test_one_wild_stamp() -> None:
    """It says nothing about its frame, and nothing is lost."""
    for wild_s in (3.0, -3.0, 1e6):
        stamps_s = np.arange(3000) / SFREQ
        stamps_s[1500] += wild_s
        run = Run(stamps_s)
        np.testing.assert_array_equal(run.numbers, np.arange(3000))
        assert run.notes == []


def test_a_late_delivery_loses_nothing() -> None:
    """A radio that is silent for a second and then delivers everything at once."""
    stamps_s = np.arange(4000) / SFREQ
    stamps_s[2000:2250] = stamps_s[2250] + np.arange(250) * 1e-5
    run = Run(stamps_s, block=1, arrived_s=stamps_s)
    np.testing.assert_array_equal(run.numbers, np.arange(4000))
    assert run.notes == []


def test_a_second_of_silence_is_a_loss() -> None:
    """The next frame is as late as the first one after it."""
    which = np.r_[0:2000, 2250:4000]
    run = Run(which / SFREQ, which, 1, which / SFREQ)
    np.testing.assert_array_equal(run.numbers, which)
    assert run.notes == []


def test_frames_in_packets() -> None:
    """Four at a time with jitter are not lost; a second of silence is."""
    rng = np.random.default_rng(0)
    due = np.arange(4000) / SFREQ
    burst = np.repeat(due[3::4] + rng.uniform(0, 0.008, 1000), 4)
    stamps_s = np.maximum.accumulate(burst + np.tile(np.arange(4) * 1e-5, 1000))
    late = stamps_s[-4:] + 1.0 + 4 / SFREQ
    run = Run(np.r_[stamps_s, late, late + 4 / SFREQ], block=4)
    np.testing.assert_array_equal(run.numbers[:4000], np.arange(4000))
    assert run.numbers[4000] == pytest.approx(4250, abs=3)


def test_duplicates_and_equal_stamps() -> None:
    """Frames that share a stamp are two, unless their samples are equal as well."""
    stamps_s = np.repeat(np.arange(1000) / SFREQ * 2, 2)
    run = Run(stamps_s)
    np.testing.assert_array_equal(run.numbers, np.arange(2000))
    which = np.r_[0:500, 495:500, 500:1000]
    again = Run(which / SFREQ, which)
    np.testing.assert_array_equal(again.numbers, which)


def test_a_dead_electrode_makes_no_duplicates() -> None:
    """Two frames of a packet with one stamp and equal samples, as all frames before."""
    stamps_s = np.repeat(np.arange(1000) / SFREQ * 2, 2)
    run = Run(stamps_s, np.r_[0:500, np.full(1500, 500)])
    assert run.lost <= 1
    assert len(set(run.numbers.tolist())) >= 1999


def test_keys() -> None:
    """Equal samples have equal keys, and others do not."""
    x = np.random.default_rng(0).standard_normal((100, 3))
    x[50] = x[49]
    found = keys(x)
    assert found[50] == found[49]
    assert len(set(found.tolist())) == 99


def test_memory_is_bounded() -> None:
    """A quarter of an hour leaves no more behind than a minute."""
    numbering = Stamped(SFREQ)

    def held() -> int:
        stamps = numbering
        return (
            len(stamps.spread.sums) + len(stamps.waiting) + len(stamps.recent)
            + len(stamps.by_key) + len(stamps.fold.kept) + len(stamps.held) + len(stamps.early)
        )  # fmt: skip

    rng = np.random.default_rng(0)
    for minute in range(15):
        which = np.arange(15_000) + minute * 15_000
        stamps_s = which / SFREQ + rng.uniform(-0.01, 0.01, 15_000)
        numbering.push(Told(stamps_s, which))
        assert held() < 12_000
