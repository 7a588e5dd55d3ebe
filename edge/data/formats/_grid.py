# SPDX-License-Identifier: BSD-3-Clause
"""Put rows as a device delivered them on a grid of samples, and find what was lost.

A counter says how many packets are missing; times of arrival say where the recorder paused; times
of the device itself say both. As in a live stream, a few samples that are missing are bridged by
straight lines, and after more of them the signal begins anew.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.data.description import Samples

BRIDGED_S = 0.02
"""Lost signal that is bridged, as `edge stream` does; one sample always is."""
PAUSE_S = 0.5
"""Time by which rows that arrive on time come late after a pause."""
AROUND_S = 2.0
"""Signal before and after a place by which it is judged whether the recorder paused there."""
ENOUGH, MOSTLY = 0.9, 0.5
"""Share of rows that a counter or regular times explain, and of those behind which nothing is lost;
below these they are not what they seem."""

MANY = 1 << 16
"""Packets that are missing at most; a counter that jumps farther is broken there."""
UNKNOWN_MANY = 1 << 31
"""Samples that are missing where their number is not known; more than anybody bridges."""
NO_RULE = "its sample counter follows no rule, so lost samples are not seen"

Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Grid:
    """Samples at a rate.

    Attributes
    ----------
    samples
        (n_chans, n), with what was bridged.
    number
        (n_rows,) number of the sample that each row became.
    joints
        Samples at which the signal begins anew.
    bridged, lost
        Samples that were put in, and those that were not.
    """

    samples: Samples
    number: Counts
    joints: tuple[int, ...]
    bridged: int
    lost: int

    def notes(self, name: str) -> tuple[str, ...]:
        """Return what is to be said of it, a line or none."""
        if not self.joints and not self.bridged:
            return ()
        said = []
        if self.bridged:
            said.append(f"{self.bridged} lost samples are bridged by straight lines")
        if self.joints:
            said.append(f"the signal begins anew {len(self.joints)} times, after losses or pauses")
        return (f"{name}: {' and '.join(said)}",)


def grid(rows: Samples, sfreq: float, lost_before: Counts, is_pause: NDArray[np.bool_]) -> Grid:
    """Put rows (n_rows, n_chans) on a grid.

    Parameters
    ----------
    lost_before
        (n_rows,) samples that are missing before each row.
    is_pause
        (n_rows,) whether the recorder paused before it.
    """
    most = max(1, round(BRIDGED_S * sfreq))
    begins = is_pause | (lost_before > most)
    begins[0] = False
    put_in = np.where(begins, 0, lost_before)
    put_in[0] = 0
    number = np.arange(len(rows)) + np.cumsum(put_in)
    n = int(number[-1]) + 1
    if n == len(rows):
        samples = np.ascontiguousarray(rows.T)
    else:
        every = np.arange(n)
        samples = np.array([np.interp(every, number, column) for column in rows.T])
    return Grid(
        samples,
        number,
        tuple(int(i) for i in number[begins]),
        int(put_in.sum()),
        int(lost_before[begins].sum()),
    )


def lost_by_counter(counter: Samples) -> Counts | None:
    """Return the samples missing before each row, by a packet counter.

    The rule: each number stands in so many rows, the next one is ``step`` more, and after the
    greatest it begins anew. OpenBCI's boards count 0 to 255, 0 to 200 and 0 to 100, by ones and by
    twos; a packet holds one or two samples, and which, its number says. None where the numbers
    follow no such rule.
    """
    if not (np.abs(counter) < UNKNOWN_MANY).all() or (counter != np.round(counter)).any():
        return None
    firsts = np.flatnonzero(np.diff(counter, prepend=counter[0] - 1))
    values = counter[firsts].astype(np.int64)
    jumps = np.diff(values)
    if not (jumps > 0).any():
        return None
    step = _mode(jumps[jumps > 0])
    cycle = _cycle(values, jumps, step)
    steps = jumps % cycle
    is_sound = (steps % step == 0) & (steps > 0)
    if (steps == step).mean() < MOSTLY or is_sound.mean() < ENOUGH:
        return None
    lengths = np.diff(firsts, append=len(counter))
    rows_of = _rows_of(values[1:-1], lengths[1:-1])
    expected = np.array(list(rows_of.values()))[
        np.searchsorted(list(rows_of), values[1:-1])  # keys are in order
    ]
    usual = _mode(lengths)
    lost = np.zeros(len(counter), np.int64)
    for i in np.flatnonzero(is_sound & (steps != step)):
        n_packets = int(steps[i]) // step - 1
        skipped = (int(values[i]) + step * k for k in range(1, min(n_packets, MANY) + 1))
        n_rows = sum(_rows(value, rows_of, cycle, usual) for value in skipped)
        lost[firsts[i + 1]] = n_rows if n_packets <= MANY else UNKNOWN_MANY
    lost[firsts[2:]] += np.maximum(expected - lengths[1:-1], 0)
    return lost


def _cycle(values: Counts, jumps: Counts, step: int) -> int:
    """Return after how much a counter begins anew: of what can be, what explains most rows.

    Where packets are lost at the turn, the jump back is too short for it.
    """
    downs = step - jumps[jumps < 0]
    candidates = {int(np.ptp(values)) + step}
    if len(downs):
        candidates |= {_mode(downs), int(downs.max())}
    return max(candidates, key=lambda cycle: (int((jumps % cycle == step).sum()), cycle))


def _rows_of(values: Counts, lengths: Counts) -> dict[int, int]:
    """In how many rows each number of a counter stands, as a rule."""
    order = np.argsort(values, kind="stable")
    numbers, begins = np.unique(values[order], return_index=True)
    parts = np.split(lengths[order], begins[1:])
    return {int(v): _mode(part) for v, part in zip(numbers, parts, strict=True)}


def _rows(value: int, rows_of: dict[int, int], cycle: int, usual: int) -> int:
    """The same for a number that goes on counting past the greatest."""
    return rows_of.get(value, rows_of.get(value - cycle, usual))


def pauses_by_arrival(stamps_s: Samples, sfreq: float, lost_before: Counts) -> NDArray[np.bool_]:
    """Before which rows the recorder paused, by times of arrival.

    A stall of the radio delays some rows, which then arrive at once; after a pause all rows are
    late. What counts is how early the earliest row is on either side.
    """
    number = np.arange(len(stamps_s)) + np.cumsum(lost_before)
    late_s = stamps_s - number / sfreq
    around = max(1, round(AROUND_S * sfreq))
    is_pause = np.zeros(len(stamps_s), np.bool_)
    gaps_s = np.diff(stamps_s, prepend=stamps_s[0])
    for i in np.flatnonzero(np.abs(gaps_s) > PAUSE_S):
        before = late_s[max(0, i - around) : i].min()
        after = late_s[i : i + around].min()
        is_pause[i] = abs(after - before) > PAUSE_S
    return is_pause


def lost_by_stamps(stamps_s: Samples, sfreq: float) -> Counts | None:
    """Return the samples missing before each row, by the device's own times.

    None where the times are too irregular to say, e.g. those of arrival.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        steps = np.nan_to_num(np.diff(stamps_s) * sfreq)
    counts = np.round(steps)
    is_regular = (counts >= 1) & (np.abs(steps - counts) < 0.25 * np.maximum(counts, 1))
    if not len(steps) or (counts == 1).mean() < MOSTLY or is_regular.mean() < ENOUGH:
        return None
    lost = np.zeros(len(stamps_s), np.int64)
    lost[1:] = np.clip(counts - 1, 0, UNKNOWN_MANY).astype(np.int64)
    lost[1:][counts < 0] = UNKNOWN_MANY  # the clock went back: nobody knows what is missing
    return lost


def interruptions(stamps_s: Samples, sfreq: float) -> tuple[Counts, NDArray[np.bool_]]:
    """Samples missing before each row, and pauses, by times alone.

    What is missing shows in regular times only; in those of arrival, pauses do.
    """
    lost = lost_by_stamps(stamps_s, sfreq)
    if lost is not None:
        return lost, np.zeros(len(stamps_s), np.bool_)
    lost = np.zeros(len(stamps_s), np.int64)
    return lost, pauses_by_arrival(stamps_s, sfreq, lost)


def _mode(values: NDArray[np.int64]) -> int:
    """The most frequent value."""
    found, counts = np.unique(values, return_counts=True)
    return int(found[np.argmax(counts)])
