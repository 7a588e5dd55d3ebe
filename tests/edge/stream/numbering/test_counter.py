# SPDX-License-Identifier: BSD-3-Clause
"""Numbers from packet counters of every kind, their steps and ranges learnt from the stream."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.stream.numbering.counter import Counted, Pattern, pattern
from edge.stream.numbering.numbered import Told

SFREQ = 250.0
N = 6000


def ganglion(k: NDArray[np.int64]) -> NDArray[np.int64]:
    """Packet 0 holds one frame, 1 to 100 hold two."""
    place = k % 201
    return np.where(place == 0, 0, (place + 1) // 2)


COUNTERS: dict[str, tuple[Callable[[NDArray[np.int64]], NDArray[np.int64]], Pattern]] = {
    "cyton, 0 to 255": (lambda k: k % 256, Pattern(1, 1)),
    "daisy, 0 to 254 by two": (lambda k: 2 * k % 256, Pattern(2, 1)),
    "ganglion 3, 0 to 200": (lambda k: k % 201, Pattern(1, 1)),
    "0 to 100": (lambda k: k % 101, Pattern(1, 1)),
    "1 to 100, two frames each": (lambda k: k // 2 % 100 + 1, Pattern(1, 2)),
    "muse, 16 bits, twelve frames each": (lambda k: (65_500 + k // 12) % 65_536, Pattern(1, 12)),
    "16 bits": (lambda k: (64_000 + k) % 65_536, Pattern(1, 1)),
    "from the middle": (lambda k: (250 + k) % 256, Pattern(1, 1)),
}


@pytest.mark.parametrize("name", COUNTERS)
def test_patterns_are_learnt(name: str) -> None:
    """From fifty frames."""
    counter, expected = COUNTERS[name]
    assert pattern(counter(np.arange(50)).astype(float)) == expected


def test_what_does_not_count() -> None:
    """A constant, noise, NaN and too few values."""
    rng = np.random.default_rng(0)
    for counts in (
        np.zeros(50), rng.integers(0, 256, 50).astype(float), np.full(50, np.nan), np.arange(3.0)
    ):  # fmt: skip
        assert pattern(counts) is None


def number(
    counting: Counted, counts: NDArray[np.float64], stamps_s: NDArray[np.float64], cut: int
) -> NDArray[np.int64]:
    """Numbers, read in blocks."""
    parts = [
        counting.push(
            Told(
                stamps_s[i : i + cut],
                np.zeros(len(counts[i : i + cut]), np.int64),
                counts[i : i + cut],
            )
        ).numbers
        for i in range(0, len(counts), cut)
    ]
    return np.concatenate(parts)


@pytest.mark.parametrize("cut", [1, 50, 10_000])
@pytest.mark.parametrize("name", COUNTERS)
def test_losses_are_exact_once_the_range_is_known(name: str, cut: int) -> None:
    """A run of packets is lost, another spans the counter's end; nothing else is."""
    counter, expected = COUNTERS[name]
    frames = expected.frames
    first, second = 3000 // frames * frames, 5000 // frames * frames
    lost = np.r_[first : first + 2 * frames, second : second + 5 * frames]
    which = np.delete(np.arange(N), lost)
    counting = Counted(expected, SFREQ)
    got = number(counting, counter(which).astype(float), which / SFREQ, cut)
    np.testing.assert_array_equal(got - got[0], which)
    report = counting.report()
    assert report.lost == which[-1] + 1 - len(which)
    assert report.method == "counter"


def test_a_ganglion_with_its_single_first_packet() -> None:
    """Packet 0 has one frame; a lost packet is two frames."""
    which = np.r_[0:1000, 1006:4000]
    counts = ganglion(which).astype(float)
    counting = Counted(Pattern(1, 2, frozenset({0})), 200.0)
    got = number(counting, counts, which / 200, 7)
    # the frames of a packet that is lost in part cannot be told apart
    assert got[-1] == 3999
    assert np.abs(got - which).max() <= 1


def test_late_and_repeated_packets_keep_their_numbers() -> None:
    """As the guard wants them, to drop them."""
    which = np.array([*range(600), *range(603, 900), 899, 898, *range(900, 1000)])
    got = number(Counted(Pattern(), SFREQ), (which % 256 + 0.0), which / SFREQ, 3)
    np.testing.assert_array_equal(got, which)


def test_whole_turns_that_a_silence_hid() -> None:
    """Ten seconds of silence are ten turns of a counter of 256 and the stamps tell."""
    which = np.r_[0:2000, 4500:6000]
    got = number(Counted(Pattern(), SFREQ), which % 256 + 0.0, which / SFREQ, 20)
    np.testing.assert_array_equal(got, which)


def test_a_told_number_of_values() -> None:
    """201 values before the counter has wrapped once, and a loss over its end."""
    which = np.r_[0:190, 210:1000]
    got = number(Counted(Pattern(n_values=201), SFREQ), which % 201 + 0.0, which / SFREQ, 9)
    np.testing.assert_array_equal(got, which)


@pytest.mark.parametrize("stall_s", [0.6, 0.9, 1.5])
def test_what_was_late_is_not_lost(stall_s: float) -> None:
    """A device that stalls and then delivers all that it had kept has lost nothing.

    One that lost as much and goes on at its rate has lost whole turns of the counter.
    """
    counter = np.arange(2000) % 256
    due_s = np.arange(2000) / SFREQ
    begin_s = due_s[700]
    late_s = np.where(due_s < begin_s, due_s, np.maximum(due_s, begin_s + stall_s))
    told = Told(late_s, np.zeros(2000, np.int64), counter.astype(float))
    assert Counted(Pattern(), SFREQ).push(told).numbers.tolist() == list(range(2000))
    gone = np.delete(np.arange(2000), np.arange(700, 956))
    counting = Counted(Pattern(), SFREQ)
    found = number(counting, counter[gone].astype(float), due_s[gone], 10_000)
    assert found.tolist() == gone.tolist()
