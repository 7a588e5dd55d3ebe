# SPDX-License-Identifier: BSD-3-Clause
"""Numbers of frames by their timestamps; docs/explanation/live-clocks.md tells the method.

All times are in frames: a stamp over the nominal period. A frame's *lateness* is its time less the
time at which the line (:mod:`.rate`) expects the next number. Lost frames make everything behind
them late by a whole number of frames, for good; jitter makes single frames late or early.

A frame that is later than jitter explains is held until the next one tells what it was: if that is
just as late, frames were lost; if it follows at once, the delivery was late and nothing is missing.
Losses smaller than the jitter are found in means over 2 to 1024 frames.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from edge.stream.numbering.fold import Fold, Found
from edge.stream.numbering.numbered import CLOCK, ClockReport, Note, Numbered, Told
from edge.stream.numbering.rate import Line
from edge.stream.numbering.spread import SCALES, Spread

PPM = 500.0
"""Parts per million by which a device's clock may be off where jitter hides single frames."""
WIDE = 0.02
"""The same as a share where every frame can be seen."""
JITTER_S = 0.005
"""Standard deviation of stamps until it is learnt."""
SURE = 5.0
"""Standard deviations beyond half a frame that make a loss."""
TAIL = 8.0
"""The same for single frames where jitter is large, whose shape is seldom normal then."""
BELL, LONGEST_LEAST = 0.15, 64
"""Noise, frames, to which means are brought at least, over so many frames at most."""
CAREFUL = 2.0
"""Standard deviations that are taken off a loss; what is missing then is found by longer means."""
ON_TIME = 0.5
"""Frames of lateness that are never a loss."""
APART = 0.3
"""Noise, frames, up to which single frames can be told apart."""
ROOM = 0.3
"""Frames of noise that are left of a mean in which a single lost frame is to be found."""
TOGETHER = 0.25
"""Frames that come closer than this, in frames, came in one packet; its last one counts."""
CATCH_UP = 0.5
"""A frame that follows a late one closer than this, in frames, is of a late delivery."""
CLEAN = 3.0
"""Times as many frames without a loss as it takes to find one, before they are learnt from."""
HELD_S = 4.0
"""Signal that is held back at most."""
LATE = 3
"""Packets in a row that turn out to be later than was tolerable when they came."""
EARLY = 8
"""Packets in a row that are too early before the clock is believed to have gone back."""
CLOCK_S = 1.0
"""What a clock may contradict ours or its own count by before it is not followed."""
CALM_S = 2.0
"""Good stamps after which the clock is followed again."""
RECENT = 64
"""Frames that a duplicate is looked for among."""
NEVER = 2.0**53
"""Counts of frames beyond this are not told exactly."""


@dataclass(frozen=True)
class Held:
    """A frame that is not numbered yet; ``again`` where it came before."""

    time: float
    key: int
    again: bool


class Stamped:
    """Numbers frames by their timestamps.

    Parameters
    ----------
    sfreq
        Nominal rate, Hz.
    ppm
        Bound of the clock's deviation, parts per million, where jitter hides single frames.
    """

    def __init__(self, sfreq: float, ppm: float = PPM) -> None:
        self.sfreq, self.bound = sfreq, 1e-6 * ppm
        self.line, self.spread = Line(self.bound / 2), Spread(JITTER_S * sfreq)
        self.fold, self.looked, self.visible = Fold(self.bound, WIDE), False, False
        self.origin_s: float | None = None
        self.next = self.lost = self.owed = self.jumps = 0
        self.calm_at = self.still = 0
        self.read_s: float | None = None
        self.allowed = math.inf
        self.held: list[Held] = []
        self.n_held = 0
        self.open: tuple[int, float] | None = None
        self.early: list[float] = []
        self.late: list[float] = []
        self.waiting: deque[tuple[int, float]] = deque()
        self.recent: deque[tuple[float, int, int]] = deque(maxlen=RECENT)
        self.by_key: dict[int, tuple[float, int]] = {}
        self._begin()

    def _begin(self) -> None:
        self.numbers: list[int] = []
        self.restarts: list[bool] = []
        self.notes: list[Note] = []
        self.restart = False

    def push(self, told: Told) -> Numbered:
        """Number the frames that can be numbered now, those held back from before first."""
        self._look_at_clock(told.now_s)
        for stamp_s, key in zip(told.stamps_s.tolist(), told.keys.tolist(), strict=True):
            if not math.isfinite(stamp_s):
                self._senseless()
                continue
            if self.origin_s is None:
                self.origin_s = stamp_s
            self._frame((stamp_s - self.origin_s) * self.sfreq, key)
        restart = self.restart
        numbers, restarts = np.array(self.numbers, np.int64), np.array(self.restarts, np.bool_)
        numbered = Numbered(numbers, restarts, tuple(self.notes))
        self._begin()
        self.restart = restart
        return numbered

    def report(self) -> ClockReport:
        """What is known of the clock; the limits are in docs/explanation/live-clocks.md."""
        uncertainty = 0.0
        if self.spread.sd[0] > APART or not self.visible:
            undetected = min(self._threshold(i) for i in range(len(SCALES)))
            uncertainty = 2 * undetected + self.bound * self.next
        known = self.spread.known
        return ClockReport(
            method="timestamps",
            lost=self.lost,
            uncertainty=uncertainty,
            rate_hz=self.sfreq / (1 + self.line.deviation) if known else None,
            jitter_ms=1e3 * self.spread.sd[0] / self.sfreq if known else None,
            restarts=self.jumps,
        )

    def _look_at_clock(self, now_s: float | None) -> None:
        """Frames that our own clock allows to be lost since the last look."""
        if now_s is None or self.read_s is None:
            self.allowed = math.inf
        else:
            self.allowed = max(self.allowed if self.held else 0.0, now_s - self.read_s)
        self.read_s = now_s

    def _frame(self, time: float, key: int) -> None:
        """A frame with a time that is a number."""
        if (key in self.by_key or self.held) and self._is_duplicate(time, key):
            self.held.append(Held(time, key, True))
            if not self.n_held:
                self._release()
            return
        if not self.held and self.line.anchored and time - self.line.at(self.next) <= ON_TIME:
            self._number(time, key)
            return
        if self.n_held and time - self._last_held() >= CATCH_UP:
            self._accept()
        self.held.append(Held(time, key, False))
        self.n_held += 1
        if self._lateness() <= self._threshold(0):
            self._release()
        elif self.n_held > HELD_S * self.sfreq:
            self._accept()

    def _last_held(self) -> float:
        return next(frame.time for frame in reversed(self.held) if not frame.again)

    def _lateness(self) -> float:
        """Of the last frame held, were nothing lost before it, frames."""
        if not self.line.anchored:
            return 0.0
        return self._last_held() - self.line.at(self.next + self.n_held - 1)

    def _threshold(self, i: int) -> float:
        """Mean lateness at a scale that jitter and the rate do not explain, frames."""
        unknown = self.line.spread(self.next, self.bound)
        if not self.looked:
            unknown += WIDE * (self.next - self.line.reference)
        if i and self.visible:  # where the line is known to a fraction of a frame
            return max(0.5, SURE * self.spread.sd[i]) + unknown
        noisy = i == 0 and self.spread.sd[0] > APART
        return 0.5 + (TAIL if noisy else SURE) * self.spread.sd[i] + unknown

    def _accept(self) -> None:
        """What is held was late for good: frames were lost, or the clock jumped."""
        if self.open is not None:
            self._observe(*self.open)
            self.open = None
        lateness = self._lateness()
        count = round(lateness)
        if count > CLOCK_S * self.sfreq + 1.5 * self.allowed * self.sfreq:
            self._clock_jump(count)
        else:
            self._lose(self._count(lateness), 1)
        self._release()

    def _count(self, lateness: float) -> int:
        """Frames that were surely lost before one that is so late."""
        return max(0, round(lateness - min(CAREFUL * self.spread.sd[0], lateness / 2)))

    def _release(self) -> None:
        """Number what is held."""
        held, self.held, self.n_held = self.held, [], 0
        for frame in held:
            if frame.again:
                self._emit(self.by_key.get(frame.key, (0.0, self.next - 1))[1])
            else:
                self._number(frame.time, frame.key)

    def _number(self, time: float, key: int) -> None:
        if self.open is not None and abs(time - self.open[1]) >= TOGETHER:
            self._observe(*self.open)
            self.still = 0
        self._emit(self.next)
        self.open = (self.next, time)
        self._remember(time, key, self.next)
        self.next += 1
        self.still += 1
        if self.still > CLOCK_S * self.sfreq:
            self._stand_still(time)

    def _stand_still(self, time: float) -> None:
        """More than a second of frames had one time: a late delivery, or a clock that stands."""
        early = self.line.at(self.next - 1) - time if self.line.anchored else 0.0
        if early > CLOCK_S * self.sfreq:
            self._clock_jump(round(early))
        elif not self.line.anchored:
            self._contradicted(0)

    def _emit(self, number: int) -> None:
        self.numbers.append(number)
        self.restarts.append(self.restart)
        self.restart = False

    def _lose(self, count: int, scale: int) -> None:
        """Leave out numbers; what was to be learnt from lately may be of before or after them."""
        told = min(self.owed, count)
        self.owed -= told
        self.line.shift(told)
        self.next += count - told
        self.lost += count - told
        self.spread.forget()
        self.late.clear()
        if scale > 1 or self._threshold(0) > 1:
            self.waiting.clear()

    def _observe(self, number: int, time: float) -> None:
        """The last frame of a packet: how late it was, and whether frames are missing."""
        if not self.line.anchored:
            self.line.anchor(number, time, self.spread.sd[0])
            self.fold.push(number, time)
            return
        lateness = time - self.line.at(number)
        limit = self._threshold(0)
        if lateness < -limit:
            self.early.append(lateness)
            if len(self.early) >= EARLY:
                self._go_back()
            return
        self.early.clear()
        if lateness > limit:
            self.late.append(lateness)
            if len(self.late) >= LATE:
                self._lose(self._count(min(self.late)), 1)
            return
        self.late.clear()
        self.spread.push(lateness)
        self.waiting.append((number, time))
        self._learn()
        self._look_for_losses()

    def _learn(self) -> None:
        """From frames so old that a loss among them would have been found."""
        if self.fold.push(*self.waiting[-1]):
            self._look_at_rate()
        if not self.looked:
            return
        delay = min(2 * SCALES[-1], CLEAN * (SURE * self.spread.sd[0] / ROOM) ** 2)
        bound = WIDE if self.visible else self.bound
        while len(self.waiting) > delay:
            number, time = self.waiting.popleft()
            self.line.learn(number, time, self.spread.correlated, bound)

    def _look_at_rate(self) -> None:
        """Take the rate from the fractions of the times where they show it."""
        found = self.fold.look(self.spread.sd[0], self.spread.known)
        was_visible, self.visible = self.visible, found is not None
        if found is not None:
            self.line.take(found)
            if not was_visible and found.noise <= APART:
                self._count_again(found)
            self.waiting.clear()  # it is learnt from by that
            self.spread.suppose(found.noise)
            self.spread.forget()  # what is remembered was late by another line
        elif not self.looked:
            self.waiting.clear()  # losses were not looked for so far
            self.line.anchor_noise(self.spread.sd[0])
        self.looked = True

    def _count_again(self, found: Found) -> None:
        """Correct what was counted while losses were learnt as rate: the oldest times know better.

        As many as were told in excess are left untold of those that go missing next.
        """
        began, ends = self.fold.due_by(found)
        too_many = max(0, round(began - ends))
        self.line.shift(round(began - self.line.at(found.number)) - too_many)
        self.owed = min(too_many, self.lost)

    def _look_for_losses(self) -> None:
        """In means over so many frames that they are normal whatever the jitter's shape is."""
        least = min(LONGEST_LEAST, (self.spread.sd[0] / BELL) ** 2)
        for i, scale in enumerate(SCALES[1:], 1):
            if scale < least:
                continue
            if self.spread.total % max(1, scale // 4):
                return
            mean = self.spread.mean(scale)
            if mean is None:
                return
            threshold = self._threshold(i)
            if mean > threshold:
                self._lose(max(1, round(mean - CAREFUL * self.spread.sd[i])), scale)
                return
            if mean < -threshold:
                self._earlier(mean)
                return

    def _earlier(self, mean: float) -> None:
        """Frames come earlier than the count allows: the first ones were late, or one too many."""
        is_whole = self.visible and self.spread.sd[0] <= APART  # the fraction is known
        self.line.shift(round(mean) if is_whole else mean)
        self.spread.forget()
        self.waiting.clear()

    def _go_back(self) -> None:
        """Too early for good: a clock that was set back."""
        amount = float(np.median(self.early))
        if amount < -CLOCK_S * self.sfreq:
            self._clock_jump(round(amount))
        else:
            self._earlier(amount)
        self.early.clear()

    def _senseless(self) -> None:
        """A stamp that is no time: the frame is counted on."""
        self._release()
        self._contradicted(0)
        self._emit(self.next)
        self.next += 1
        if self.open is not None:
            self._observe(*self.open)
            self.open = None

    def _contradicted(self, count: int) -> None:
        """One incident and one new beginning, until the stamps have been good for a while."""
        if self.next >= self.calm_at:
            self.jumps += 1
            told = int(min(NEVER, abs(count)))
            self.notes.append(Note(CLOCK, self.next, told))
            self.restart = True
        self.calm_at = self.next + round(CALM_S * self.sfreq)

    def _clock_jump(self, count: int) -> None:
        """Forget where the clock stood; it is read anew from the next packet."""
        self._contradicted(count)
        self.line.anchored = False
        self.fold.forget()
        self.open = None
        self.spread.forget()
        self.waiting.clear()
        self.early.clear()

    def _is_duplicate(self, time: float, key: int) -> bool:
        """Whether a frame came before; it gets its number again.

        Frames of one packet may share a stamp, and a dead electrode makes equal samples, so both
        have to be equal and the signal must not have stood still before.
        """
        known = self.by_key.get(key)
        held = any(frame.time == time and frame.key == key for frame in self.held)
        if not held and (known is None or known[0] != time):
            return False
        return not any(other == key and at != time for at, other, _ in self.recent)

    def _remember(self, time: float, key: int, number: int) -> None:
        if len(self.recent) == RECENT:
            _, old_key, old_number = self.recent[0]
            if self.by_key.get(old_key, (0.0, -1))[1] == old_number:
                del self.by_key[old_key]
        self.recent.append((time, key, number))
        self.by_key[key] = (time, number)
