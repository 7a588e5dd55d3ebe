# SPDX-License-Identifier: BSD-3-Clause
"""Losses and pauses, by counters and times of every kind, against what was taken away."""

from __future__ import annotations

import numpy as np
import pytest

from edge.data.formats import _grid
from edge.stream.live.settings import Settings

N = 24_000
COUNTERS = {
    "cyton": (list(range(256)), 1),
    "daisy": (list(range(0, 256, 2)), 1),
    "wifi": (list(range(201)), 1),
    "ganglion": ([0, *np.repeat(np.arange(1, 101), 2).tolist()], 2),
    "ganglion, 19 bits": (np.repeat(np.arange(101, 201), 2).tolist(), 2),
    "muse": (np.repeat(np.arange(256), 12).tolist(), 12),
    "without an end": (list(range(N)), 1),
}
"""Values of a cycle, a row each, and rows of a packet."""


@pytest.mark.parametrize("loss", [0.0, 0.01, 0.2])
@pytest.mark.parametrize("name", COUNTERS)
def test_every_lost_packet_is_counted(name: str, loss: float) -> None:
    """Whatever the counter's step, range and repetition are; they are learned from the rows."""
    cycle, _ = COUNTERS[name]
    counter = np.resize(cycle, N)
    packet = np.cumsum(np.diff(counter, prepend=counter[0]) != 0)
    is_there = np.random.default_rng(1).random(packet[-1] + 1) >= loss
    is_there[[0, 1, -1]] = True
    rows = np.flatnonzero(is_there[packet])
    lost = _grid.lost_by_counter(counter[rows].astype(np.float64))
    assert lost is not None
    np.testing.assert_array_equal(lost, np.diff(rows, prepend=rows[0] - 1) - 1)


@pytest.mark.parametrize(
    "counter", [np.zeros(100), np.random.default_rng(0).integers(0, 256, 500), np.full(9, np.nan)]
)
def test_what_is_no_counter(counter: np.ndarray) -> None:
    """Constants, random numbers and what is no number say nothing."""
    assert _grid.lost_by_counter(counter.astype(np.float64)) is None


@pytest.mark.parametrize("decimals", [3, 6])
def test_regular_times(decimals: int) -> None:
    """Each missing sample, though times are rounded to a millisecond; a clock that went back."""
    rows = np.delete(np.arange(N), [100, 200, 201, *range(1000, 1500)])
    times_s = np.round(rows / 256, decimals)
    times_s[4000:] -= 5
    lost = _grid.lost_by_stamps(times_s, 256.0)
    assert lost is not None
    expected = np.diff(rows, prepend=-1) - 1
    expected[4000] = _grid.UNKNOWN_MANY
    np.testing.assert_array_equal(lost, expected)
    assert _grid.grid(np.zeros((len(rows), 1)), 256.0, lost, lost < 0).joints == (1000, 4003)


def test_as_a_live_stream_bridges() -> None:
    """The same limit as ``edge stream`` has, and lines between the samples beside."""
    assert Settings().max_gap_s == _grid.BRIDGED_S
    rows = np.array([[0.0], [1.0], [4.0], [5.0], [20.0]])
    lost = np.array([0, 0, 2, 0, 9])
    placed = _grid.grid(rows, 100.0, lost, np.zeros(5, np.bool_))
    assert placed.samples.tolist() == [[0, 1, 2, 3, 4, 5, 20]]
    assert (placed.joints, placed.bridged, placed.lost) == ((6,), 2, 9)
    assert placed.number.tolist() == [0, 1, 4, 5, 6]
