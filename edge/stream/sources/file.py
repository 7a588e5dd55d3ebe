# SPDX-License-Identifier: BSD-3-Clause
"""file: a recording, or the recordings of a folder one after another, replayed.

``file:S001R03.edf`` in real time, faster with ``--speed``. Where recordings were put together, and
between the files of a folder, the signal begins anew.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.data import raws
from edge.data.recordings import SUFFIXES
from edge.errors import IncompatibleError, UsageError, listing
from edge.stream.frames import Block, EndOfSignal, Header, SourceRequest

BLOCK_S = 0.02
"""Signal in a block of a paced replay; without pace a second."""
PIECE_S = 30.0
"""Signal that is read from disk at once."""


def connect(request: SourceRequest) -> Replay:
    """Open a recording, or a folder of them.

    Raises
    ------
    UsageError
        When there is none, or a parameter makes no sense for a file.
    IncompatibleError
        When recordings of a folder differ in channels or rate.
    """
    if request.arguments:
        raise UsageError(f"A file has no parameters, but got --arg {listing(request.arguments)}.")
    if request.unit is not None:
        raise UsageError("--unit is for sources that do not say theirs; a recording does.")
    if not request.speed > 0:
        raise UsageError(
            f"Invalid value for '--speed': 1 is real time and inf as fast as it goes, but got "
            f"{request.speed:g} instead."
        )
    return Replay(request)


class Replay:
    """Recordings as a source."""

    def __init__(
        self,
        request: SourceRequest,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.clock, self.sleep = clock, sleep
        paths = _paths(Path(request.place))
        files = [raws.open_raw(path) for path in paths]
        self.header = _header(files, paths, request)
        self.rate = self.header.sfreq * request.speed
        self.blocks = self._blocks(files)
        self.waiting: Block | None = None
        self.start_s = clock()

    def read(self, timeout_s: float) -> Block | None:
        """The next block, once its last sample is due."""
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
        """Nothing to let go."""

    def _blocks(self, files: list[Any]) -> Iterator[Block]:
        paced = math.isfinite(self.rate)
        length = max(1, round(self.header.sfreq * (BLOCK_S if paced else 1)))
        number = 0
        for restart, samples in _pieces(files):
            for start in range(0, len(samples), length):
                part = samples[start : start + length]
                numbers = np.arange(number, number + len(part))
                number += len(part)
                due_s = self.start_s + number / self.rate if paced else self.clock()
                period_s = 1 / self.rate
                yield Block(part, numbers, due_s, period_s, restart and start == 0)


def _pieces(files: list[Any]) -> Iterator[tuple[bool, NDArray[np.float64]]]:
    """Whether the signal begins anew, and samples (n, n_chans) in volts."""
    for raw in files:
        size = round(PIECE_S * raw.info["sfreq"])
        edges = [0, *raws.joints(raw), raw.n_times]
        for begin, end in itertools.pairwise(edges):
            for start in range(begin, end, size):
                stop = min(start + size, end)
                samples = raw.get_data(start=start, stop=stop, verbose="ERROR")
                yield start == begin, np.ascontiguousarray(samples.T)


def _paths(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
    if not found:
        raise UsageError(
            f"{str(path)!r} holds no recording; allowed suffixes are {listing(SUFFIXES)}."
        )
    return found


def _header(files: list[Any], paths: list[Path], request: SourceRequest) -> Header:
    first = files[0]
    for raw, path in zip(files, paths, strict=True):
        for what, here, there in (
            ("channels", raw.ch_names, first.ch_names),
            ("rate", raw.info["sfreq"], first.info["sfreq"]),
        ):
            if here != there:
                raise IncompatibleError(
                    f"{path.name} has {what} {here} and {paths[0].name} has {there}. Replay them "
                    f"one by one."
                )
    channels = request.channels or tuple(first.ch_names)
    if len(channels) != len(first.ch_names):
        raise UsageError(
            f"--channels names {len(channels)} channels and {paths[0].name} has "
            f"{len(first.ch_names)}."
        )
    sfreq = float(first.info["sfreq"])
    return Header(request.place, channels, "V", sfreq, _limits(paths[0], tuple(first.ch_names)))


def _limits(path: Path, names: tuple[str, ...]) -> tuple[tuple[float, float], ...] | None:
    """Physical minimum and maximum of every channel of an EDF or BDF file, in volts."""
    if path.suffix.lower() not in (".edf", ".bdf"):
        return None
    with path.open("rb") as stream:
        n = int(stream.read(256)[252:256])
        header = stream.read(256 * n).decode("latin-1")
    labels, _, units, low, high = (
        [header[offset * n + i * width : offset * n + (i + 1) * width].strip() for i in range(n)]
        for offset, width in ((0, 16), (16, 80), (96, 8), (104, 8), (112, 8))
    )
    known = {
        label: (float(a) * VOLTS[unit], float(b) * VOLTS[unit])
        for label, unit, a, b in zip(labels, units, low, high, strict=True)
        if unit in VOLTS
    }
    endless = (-math.inf, math.inf)
    return tuple(known.get(name, endless) for name in names)


VOLTS = {"uV": 1e-6, "µV": 1e-6, "mV": 1e-3, "V": 1.0}
