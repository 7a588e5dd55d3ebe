# SPDX-License-Identifier: BSD-3-Clause
"""Numbers of frames by a device's packet counter, whose range and steps are learnt from the stream.

Counters differ: 0 to 255 by one, 0 to 254 by two, 0 to 200, 1 to 100 with two frames to a value,
sixteen bits with twelve. Steps and frames of a value show in the first frames; the range shows when
the counter wraps. Until it has wrapped once, a loss that spans the end of the range is undercounted
by what was lost there, and corrected as far as later turns show more of the range.
"""

from __future__ import annotations

from collections import Counter as Tally
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.stream.numbering.numbered import ClockReport, Numbered, Told

SOME = 3
"""Values with all their frames that have to be seen before a counter is believed."""
MOST = 0.6
"""Share of them that has to agree."""
ROUND = (256, 65536, 1 << 24, 1 << 32)
"""Numbers of values that a counter of whole bytes has."""
NEAR = 4
"""Steps below one of :data:`ROUND` from which that is taken for the number of values."""
SILENCE_S = 0.25
"""Gap in the stamps from which whole turns of the counter may have passed."""


@dataclass(frozen=True)
class Pattern:
    """How a counter counts.

    Attributes
    ----------
    step
        From one value to the next.
    frames
        That share a value.
    singles
        Values that one frame has, whatever others have.
    n_values
        Of the whole range, in units of the counter (256 for 0 to 254 by two); None to learn it.
    """

    step: int = 1
    frames: int = 1
    singles: frozenset[int] = frozenset()
    n_values: int | None = None


def pattern(counts: NDArray[np.float64]) -> Pattern | None:
    """Learn how a counter counts from the first frames (n,); None where it does not count."""
    if not np.isfinite(counts).all():
        return None
    values = counts.astype(np.int64)
    edges = np.flatnonzero(np.diff(values)) + 1
    lengths = np.diff(edges)  # the first value and the last may have more frames than were seen
    steps = np.diff(values[np.r_[0, edges]])
    if len(lengths) < SOME:
        return None
    frames, n_frames = Tally(lengths.tolist()).most_common(1)[0]
    step, n_steps = (
        Tally(steps[steps > 0].tolist()).most_common(1)[0] if (steps > 0).any() else (0, 0)
    )
    if n_steps < MOST * len(steps) or n_frames < MOST * len(lengths):
        return None
    return Pattern(int(step), int(frames))


class Counted:
    """Numbers frames by a packet counter.

    Parameters
    ----------
    pattern
        How it counts.
    sfreq
        Nominal rate, Hz, by which stamps tell how many turns passed in a silence.
    """

    def __init__(self, pattern: Pattern, sfreq: float) -> None:
        self.pattern, self.sfreq = pattern, sfreq
        self.low = self.high = 0
        self.wrapped = False
        self.value = 0
        self.stamp_s = 0.0
        self.first = self.inside = 0
        self.next = self.seen = self.received = 0
        self.started = False

    def push(self, told: Told) -> Numbered:
        """Number all frames."""
        assert told.counts is not None
        counts, stamps_s = told.counts.tolist(), told.stamps_s.tolist()
        numbers = [
            self._frame(int(count), stamps_s, i) if np.isfinite(count) else self._unknown()
            for i, count in enumerate(counts)
        ]
        return Numbered(np.array(numbers, np.int64), np.zeros(len(numbers), np.bool_))

    def report(self) -> ClockReport:
        """Exact once the range of the counter is known."""
        sure = self.wrapped or self.pattern.n_values is not None
        return ClockReport(
            method="counter",
            lost=max(0, self.next - self.received),
            uncertainty=0.0 if sure else float(self.pattern.frames),
            rate_hz=None,
            jitter_ms=None,
            restarts=0,
        )

    def _unknown(self) -> int:
        """A counter that is no number: one more frame."""
        self.inside += 1
        return self._count(self.first + self.inside)

    def _count(self, number: int) -> int:
        """Keep account of what came for the first time."""
        if number >= self.next:
            self.next = number + 1
            self.received += 1
        return number

    def _frame(self, value: int, stamps_s: list[float], i: int) -> int:
        """Number the frame that was stamped as the ``i``-th of those that arrived together."""
        stamp_s = stamps_s[i]
        if not self.started:
            self.started = True
            self.low = self.high = self.value = value
            self.stamp_s = stamp_s
            return self._count(0)
        if value == self.value:
            last = self._frames_of(value) - 1
            self.inside = min(self.inside + 1, last)
        else:
            self.first += self._passed(value, stamps_s, i)
            self.value, self.inside = value, 0
        self.stamp_s = stamp_s
        return self._count(self.first + self.inside)

    def _frames_of(self, value: int) -> int:
        return 1 if value in self.pattern.singles else self.pattern.frames

    def _passed(self, value: int, stamps_s: list[float], i: int) -> int:
        """Frames from the first one of the last value to the first one of this."""
        self._widen(value)
        turn = self._position(self.high) + self._frames_of(self.high)
        behind = self._position(value) - self._position(self.value)
        if not self.wrapped and self.pattern.n_values is None:
            return behind
        behind %= turn
        silent = (stamps_s[i] - self.stamp_s) * self.sfreq
        if np.isfinite(silent) and silent > max(SILENCE_S * self.sfreq, turn / 4):
            lost = silent - behind - self._late(stamps_s, i)
            return behind + turn * max(0, round(lost / turn))
        return behind - turn if behind > turn / 2 else behind

    def _late(self, stamps_s: list[float], i: int) -> float:
        """Frames that come behind a frame faster than the rate: they were late and are not lost."""
        late = len(stamps_s) - 1 - i - (stamps_s[-1] - stamps_s[i]) * self.sfreq
        return max(0.0, late) if np.isfinite(late) else 0.0

    def _position(self, value: int) -> int:
        """Frames from the lowest value of the range to this."""
        p = self.pattern
        single = sum(self.low <= one < value for one in p.singles)
        return (value - self.low) // p.step * p.frames - single * (p.frames - 1)

    def _widen(self, value: int) -> None:
        """Learn the range: a long way back is a new turn."""
        p = self.pattern
        if p.n_values is not None:
            self.low, self.high = 0, p.n_values - p.step
            return
        back = self.value - value
        if back > max(p.step, (self.high - self.low) // 2):
            self.wrapped = True
        elif self.wrapped is False and back > 0:
            return  # a frame that comes late
        self.low, self.high = min(self.low, value), max(self.high, value)
        if self.wrapped:
            n_values = self.high - self.low + p.step
            for whole in ROUND:
                if whole - NEAR * p.step <= n_values <= whole:
                    self.high = self.low + whole - p.step if self.low < p.step else self.high
