# SPDX-License-Identifier: BSD-3-Clause
"""Provide the source ``file``, which replays a recording, or a folder of them one by one.

``file:S001R03.edf`` in real time, faster with ``--speed``. Samples, units, ranges and joints come
from the same description of a recording that training reads (:mod:`edge.data.reader`). At a joint,
and between the files of a folder, the signal begins anew. What a file does not say itself is told
by ``--arg``, e.g. ``--arg board=cyton``: the options of its format.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.data import once, picking, reader
from edge.data.description import Channel, Description, Hints
from edge.data.once import Opened
from edge.errors import IncompatibleError, UsageError, listing
from edge.signal import rates
from edge.signal.contract_file import EventRule
from edge.stream.frames import Block, EndOfSignal, Header, SourceRequest
from firmware_bridge.signal.contract import UNKNOWN

BLOCK_S = 0.02
"""Signal in a block of a paced replay; without pace a second."""
PIECE_S = 30.0
"""Signal that is read from disk at once."""


def connect(request: SourceRequest) -> Replay:
    """Open a recording, or a folder of them.

    Raises
    ------
    UsageError
        When there is none, or a parameter is none of its format's options.
    IncompatibleError
        When recordings of a folder differ in channels or rate, or contradict the contract.
    """
    if not request.speed > 0:
        raise UsageError(
            f"Invalid value for '--speed': 1 is real time and inf as fast as it goes, but got "
            f"{request.speed:g} instead."
        )
    return Replay(request)


@dataclass(frozen=True)
class _Track:
    """A recording and those of its channels that are replayed; they share a rate."""

    recording: Description
    channels: tuple[Channel, ...]

    @property
    def sfreq(self) -> float:
        """Their rate, Hz."""
        return self.channels[0].sfreq


class Replay:
    """Recordings that are replayed as a source."""

    def __init__(
        self,
        request: SourceRequest,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.clock, self.sleep = clock, sleep
        tracks = [_track(recording, request) for recording in _recordings(request)]
        self.header = _header(tracks, request)
        self.rate = self.header.sfreq * request.speed
        self.blocks = self._blocks(tracks)
        self.waiting: Block | None = None
        self.start_s = clock()

    def read(self, timeout_s: float) -> Block | None:
        """Return the next block once its last sample is due."""
        if self.waiting is None:
            self.waiting = next(self.blocks, None)
        if self.waiting is None:
            raise EndOfSignal
        remaining_s = self.waiting.taken_s - self.clock()
        if remaining_s > timeout_s:
            self.sleep(timeout_s)
            return None
        if remaining_s > 0:
            self.sleep(remaining_s)
        block, self.waiting = self.waiting, None
        return block

    def close(self) -> None:
        """Do nothing; files are closed already."""

    def _blocks(self, tracks: Sequence[_Track]) -> Iterator[Block]:
        paced = math.isfinite(self.rate)
        length = max(1, round(self.header.sfreq * (BLOCK_S if paced else 1)))
        number = 0
        for restart, samples in _pieces(tracks):
            for start in range(0, len(samples), length):
                part = samples[start : start + length]
                numbers = np.arange(number, number + len(part))
                number += len(part)
                due_s = self.start_s + number / self.rate if paced else self.clock()
                period_s = 1 / self.rate
                yield Block(part, numbers, due_s, period_s, restart and start == 0)


def _pieces(tracks: Sequence[_Track]) -> Iterator[tuple[bool, NDArray[np.float64]]]:
    """Whether the signal begins anew, and samples (n, n_chans) in volts."""
    for track in tracks:
        size = max(1, round(PIECE_S * track.sfreq))
        names = [channel.name for channel in track.channels]
        for piece in track.recording.pieces:
            begin, end = piece.samples(track.sfreq)
            for start in range(begin, end, size):
                samples = track.recording.read(names, start, min(start + size, end))
                yield start == begin, np.ascontiguousarray(samples.T)


def _recordings(request: SourceRequest) -> list[Description]:
    """The recordings of a place, each once, under the names that ``--channels`` gives."""
    path = Path(request.place)
    paths = [path]
    if path.is_dir():
        paths = sorted(p for p in path.iterdir() if reader.is_candidate(p))
        if not paths:
            raise UsageError(
                f"{str(path)!r} holds no recording; allowed suffixes are "
                f"{listing(reader.suffixes())}."
            )
    nothing = EventRule((), {})
    hints = Hints(request.unit, options=request.arguments)
    opened = [Opened(p.name, reader.open_continuous(p, hints), nothing) for p in paths]
    kept, _ = once.by_file(opened)
    found = [each.recording for each in kept if isinstance(each.recording, Description)]
    return [_under_names(each, request.channels) for each in found]


def _under_names(recording: Description, names: tuple[str, ...]) -> Description:
    if not names:
        return recording
    if len(names) != len(recording.channels):
        raise UsageError(
            f"--channels names {len(names)} channels and {recording.name} has "
            f"{len(recording.channels)}."
        )
    return recording.renamed(names)


def _track(recording: Description, request: SourceRequest) -> _Track:
    """The channels at the contract's rate; without a contract, at the rate that most have."""
    contract = request.contract
    if contract is not None:
        picks = picking.pick(
            recording, contract, picking.REPLAY, believe_unit=request.unit is not None
        )
        sfreq = picks.sfreq
    else:
        sfreq = Counter(channel.sfreq for channel in recording.channels).most_common(1)[0][0]
    return _Track(recording, tuple(c for c in recording.channels if c.sfreq == sfreq))


def _header(tracks: Sequence[_Track], request: SourceRequest) -> Header:
    first = tracks[0]
    names = [channel.name for channel in first.channels]
    for track in tracks:
        here = [channel.name for channel in track.channels]
        if here != names:
            raise IncompatibleError(
                f"{track.recording.name} has channels {here} and {first.recording.name} has "
                f"{names}. Replay them one by one."
            )
        if not rates.agree(track.sfreq, first.sfreq):
            one, other = rates.words(track.sfreq, first.sfreq)
            raise IncompatibleError(
                f"{track.recording.name} has rate {one} and {first.recording.name} has {other}. "
                f"Replay them one by one."
            )
    units = tuple("V" if channel.unit != UNKNOWN else UNKNOWN for channel in first.channels)
    return Header(
        request.place,
        tuple(names),
        "V",
        first.sfreq,
        tuple((channel.low, channel.high) for channel in first.channels),
        None if set(units) == {"V"} else units,
    )
