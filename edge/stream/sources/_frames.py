# SPDX-License-Identifier: BSD-3-Clause
"""Put samples, their numbers and their times together, for sources of live devices."""

from __future__ import annotations

import itertools
from collections import deque

import numpy as np
from numpy.typing import NDArray

from edge.stream.frames import Block
from edge.stream.numbering.numbered import Note, Numbered, Numbering, Told, keys

WINDOW_S = 30
"""Seconds within which the fastest delivery is looked for; clocks drift some 3 ms in them."""


class Offset:
    """How far our clock is ahead of a device's, by its fastest delivery of late.

    A stamp plus this is when a frame was taken, never later than it was read, so that a latency is
    never negative. What even the fastest delivery takes cannot be seen and is not counted.
    """

    def __init__(self) -> None:
        self.least: deque[tuple[int, float]] = deque()

    def forget(self) -> None:
        """The device's clock was set."""
        self.least.clear()

    def taken_s(self, stamps_s: NDArray[np.float64], now_s: float) -> NDArray[np.float64]:
        """When frames (n,) were taken, on our clock, seconds."""
        delays = now_s - stamps_s
        finite = np.isfinite(delays)
        if finite.any():
            self._take_in(int(now_s), float(delays[finite].min()))
        if not self.least:
            return np.full(len(stamps_s), now_s)
        taken = stamps_s + min(delay for _, delay in self.least)
        return np.where(finite, np.minimum(taken, now_s), now_s)

    def _take_in(self, second: int, delay: float) -> None:
        if self.least and self.least[-1][0] == second:
            self.least[-1] = (second, min(delay, self.least[-1][1]))
        else:
            self.least.append((second, delay))
        while self.least[0][0] < second - WINDOW_S:
            self.least.popleft()


class Frames:
    """Frames of a live device that wait for their numbers, and blocks of those that have them.

    Parameters
    ----------
    numbering
        Numbers the frames by what the device tells of them.
    sfreq
        Nominal rate, Hz.
    """

    def __init__(self, numbering: Numbering, sfreq: float) -> None:
        self.numbering, self.sfreq = numbering, sfreq
        self.offset = Offset()
        self.samples: list[NDArray[np.float64]] = []
        self.times_s: list[NDArray[np.float64]] = []
        self.notes: list[Note] = []
        self.ready: deque[Block] = deque()

    def take(self) -> Block | None:
        """The oldest block that is ready."""
        return self.ready.popleft() if self.ready else None

    def push(
        self,
        samples: NDArray[np.float64],
        stamps_s: NDArray[np.float64],
        counts: NDArray[np.float64] | None,
        now_s: float,
    ) -> None:
        """Take in frames as they were read.

        Parameters
        ----------
        samples
            (n, n_chans).
        stamps_s, counts
            (n,) what the device tells of each frame; ``counts`` is None without a counter.
        now_s
            On our own clock.
        """
        stamps_s = np.asarray(stamps_s, np.float64)
        numbered = self.numbering.push(Told(stamps_s, keys(samples), counts, now_s))
        if numbered.notes:
            self.offset.forget()
        self.notes += numbered.notes
        self.samples.append(samples)
        self.times_s.append(self.offset.taken_s(stamps_s, now_s))
        self._release(numbered)

    def _release(self, numbered: Numbered) -> None:
        """Blocks of the frames that were numbered; each begins anew where its first one does."""
        n = len(numbered.numbers)
        if n == 0:
            return
        samples, times_s = np.concatenate(self.samples), np.concatenate(self.times_s)
        self.samples, self.times_s = [samples[n:]], [times_s[n:]]
        edges = sorted({0, *np.flatnonzero(numbered.restarts).tolist(), n})
        report = self.numbering.report()
        for first, end in itertools.pairwise(edges):
            restart = bool(numbered.restarts[first])
            notes: tuple[Note, ...] = ()
            if restart:
                notes, self.notes = tuple(self.notes), []
            self.ready.append(
                Block(
                    samples=samples[first:end],
                    numbers=numbered.numbers[first:end],
                    taken_s=float(times_s[end - 1]),
                    period_s=1 / self.sfreq,
                    restart=restart,
                    notes=notes,
                    clock=report,
                )
            )
