# SPDX-License-Identifier: BSD-3-Clause
"""Guard the integrity of a stream: fill small gaps, restart after large ones, mark broken channels.

A gap of a few samples is bridged by straight lines. After a longer one, or when the device comes
back, everything behind begins anew, as it would on a device that was switched off: filter, network,
smoothing. A channel that stands still or sits at the end of its range marks its samples as faulty,
and no decision is made on a window that holds one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge.stream.frames import Block

RAIL_SAMPLES = 3
"""Samples at the end of the range that make a channel saturated; one may be an honest peak."""


@dataclass(frozen=True)
class Tolerance:
    """How long a gap is bridged, and what counts as a fault.

    Attributes
    ----------
    max_gap
        Lost samples in a row that are interpolated.
    flat
        Equal samples in a row that make a channel flat.
    between
        Samples between two reports of what may happen with every frame.
    """

    max_gap: int
    flat: int
    between: int = 1


@dataclass(frozen=True)
class Event:
    """Something that happened to the stream.

    Attributes
    ----------
    event
        ``restart``, ``clock``, ``interpolated``, ``gap``, ``repeated``, ``not_finite``, ``flat``,
        ``saturated``, ``recovered``, ``stalled``, ``disconnected``, ``reconnected``.
    sample
        Number of the frame at which it was noticed.
    count
        Frames that it concerns; 0 where that says nothing.
    channel
        Of a channel's fault, else empty.
    """

    event: str
    sample: int
    count: int = 0
    channel: str = ""


@dataclass(frozen=True, eq=False)
class Stretch:
    """Frames without a hole.

    Attributes
    ----------
    samples
        (n, n_chans).
    first
        Number of the first one.
    faults
        (n, n_chans), whether a channel is flat or saturated there.
    restart
        Whether everything behind must forget what came before.
    """

    samples: NDArray[np.float64]
    first: int
    faults: NDArray[np.bool_]
    restart: bool


@dataclass
class Counts:
    """Counts of frames since the beginning."""

    received: int = 0
    repeated: int = 0
    not_finite: int = 0
    lost: int = 0
    interpolated: int = 0
    restarts: int = 0
    faulty: dict[str, int] = field(default_factory=dict)


class Guard:
    """A filter of blocks: picked frames go in, stretches without holes come out."""

    def __init__(
        self, channels: tuple[str, ...], limits: NDArray[np.float64], tolerance: Tolerance
    ) -> None:
        self.channels = channels
        self.limits = limits
        self.tolerance = tolerance
        self.counts = Counts()
        self.events: list[Event] = []
        self.seldom: dict[str, tuple[int, int]] = {}
        self.last: tuple[int, NDArray[np.float64]] | None = None
        self._forget()

    def _forget(self) -> None:
        n = len(self.channels)
        self.standing, self.railed = np.zeros(n, np.int64), np.zeros(n, np.int64)
        self.fault = [""] * n

    def _seldom(self, name: str, sample: int, count: int) -> None:
        """Tell what may happen with every frame at once, and then of many frames together."""
        told, more = self.seldom.get(name, (-self.tolerance.between, 0))
        if 0 <= sample - told < self.tolerance.between:
            self.seldom[name] = (told, more + count)
        else:
            self.events.append(Event(name, sample, more + count))
            self.seldom[name] = (sample, 0)

    def take_events(self) -> list[Event]:
        """Return what happened since the last call."""
        events, self.events = self.events, []
        return events

    def push(self, block: Block) -> list[Stretch]:
        """Take the next block, whose frames are picked already."""
        self.counts.received += len(block.numbers)
        self.events += [Event(note.event, note.number, note.count) for note in block.notes]
        if block.restart:
            self.last = None
        samples, numbers = self._finite(block)
        samples, numbers = self._new(samples, numbers)
        jumps = np.flatnonzero(np.diff(numbers) != 1) + 1
        stretches = []
        for a, b in zip([0, *jumps], [*jumps, len(numbers)], strict=True):
            if a < b:
                stretches += self._run(samples[a:b], int(numbers[a]))
        return stretches

    def _finite(self, block: Block) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Without frames that hold something that is no number."""
        finite = np.isfinite(block.samples).all(1)
        if not finite.all():
            n_bad = int((~finite).sum())
            self.counts.not_finite += n_bad
            self._seldom("not_finite", int(block.numbers[~finite][0]), n_bad)
        return block.samples[finite], block.numbers[finite]

    def _new(
        self, samples: NDArray[np.float64], numbers: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Without frames that were there already."""
        before = np.iinfo(np.int64).min if self.last is None else self.last[0]
        highest = np.maximum.accumulate(np.concatenate([[before], numbers]))
        new = numbers > highest[:-1]
        if not new.all():
            n_old = int((~new).sum())
            self.counts.repeated += n_old
            self._seldom("repeated", int(numbers[~new][0]), n_old)
        return samples[new], numbers[new]

    def _run(self, samples: NDArray[np.float64], first: int) -> list[Stretch]:
        """Frames in a row, and what is done about the hole before them."""
        stretches = []
        restart = self.last is None
        if self.last is not None and (lost := first - self.last[0] - 1):
            self.counts.lost += lost
            restart = lost > self.tolerance.max_gap
            if restart:
                self.events.append(Event("gap", first, lost))
            else:
                self.counts.interpolated += lost
                self.events.append(Event("interpolated", first, lost))
                share = np.arange(1, lost + 1)[:, None] / (lost + 1)
                bridge = self.last[1] + share * (samples[0] - self.last[1])
                stretches.append(self._marked(bridge, first - lost, False))
        if restart:
            self.counts.restarts += 1
            self.events.append(Event("restart", first))
            self._forget()
        stretches.append(self._marked(samples, first, restart))
        self.last = (first + len(samples) - 1, samples[-1])
        return stretches

    def _marked(self, samples: NDArray[np.float64], first: int, restart: bool) -> Stretch:
        """Frames with the faults of their channels."""
        previous = samples[:1] if restart or self.last is None else self.last[1][None]
        equal = np.diff(samples, axis=0, prepend=previous) == 0
        if restart:
            equal[0] = False
        at_rail = (samples <= self.limits[:, 0]) | (samples >= self.limits[:, 1])
        standing = _run_lengths(equal, self.standing)
        railed = _run_lengths(at_rail, self.railed)
        flat, saturated = standing >= self.tolerance.flat - 1, railed >= RAIL_SAMPLES
        self.standing, self.railed = standing[-1], railed[-1]
        self._say(flat, saturated, first)
        return Stretch(samples, first, flat | saturated, restart)

    def _say(self, flat: NDArray[np.bool_], saturated: NDArray[np.bool_], first: int) -> None:
        """Count faults, and tell where one begins and ends; at the end of the range is worse."""
        told = []
        for i in np.flatnonzero((flat | saturated).any(0) | (np.array(self.fault) != "")):
            name = self.channels[i]
            faulty = int((flat[:, i] | saturated[:, i]).sum())
            self.counts.faulty[name] = self.counts.faulty.get(name, 0) + faulty
            for t, (is_flat, is_saturated) in enumerate(
                zip(flat[:, i], saturated[:, i], strict=True)
            ):
                now = "saturated" if is_saturated else "flat" if is_flat else ""
                if now != self.fault[i]:
                    told.append(Event(now or "recovered", first + t, 0, name))
                    self.fault[i] = now
        self.events += sorted(told, key=lambda event: event.sample)


def _run_lengths(is_so: NDArray[np.bool_], before: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n, n_chans): how many samples in a row, this one included, ``is_so`` has held."""
    n = np.arange(1, len(is_so) + 1)[:, None]
    last_not = np.maximum.accumulate(np.where(is_so, 0, n), axis=0)
    return np.asarray(np.where(last_not == 0, before + n, n - last_not))
