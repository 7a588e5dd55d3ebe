# SPDX-License-Identifier: BSD-3-Clause
"""Provide the source ``brainflow``: any board that BrainFlow knows, by its name.

``brainflow:synthetic``, ``brainflow:cyton --arg serial_port=/dev/ttyUSB0``: the names are those of
``BoardIds`` without ``_BOARD``, the parameters those of ``BrainFlowInputParams``, and four more:
``counter`` is the number of values of the board's packet counter, or 0 to go by timestamps; without
it the counter is learnt from the stream, and timestamps are used where it does not count. ``limit``
is the greatest value, µV, by which a saturated channel is seen, and ``gain`` the amplifier's, from
which it follows on boards with a choice of gains; ``ppm`` is what the clock may be off by.
"""

from __future__ import annotations

import contextlib
import importlib.resources
import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import (
    EdgeError,
    IncompatibleError,
    MissingToolError,
    UsageError,
    invalid_value,
    listing,
)
from edge.spec import Argument
from edge.stream.frames import Block, Disconnected, Header, SourceRequest
from edge.stream.numbering.counter import Counted, Pattern, pattern
from edge.stream.numbering.stamps import Stamped
from edge.stream.sources import _arguments, _boards
from edge.stream.sources._frames import Frames

OURS = ("counter", "limit", "gain", "ppm")
"""Parameters that are not BrainFlow's."""
COUNTS, STAMPS = "package_num_channel", "timestamp_channel"
FIRST_FRAMES = 50
"""Frames that are looked at to see how the counter counts, a few packets of every board."""
POLL_S = 0.002
KEPT_S = 60
"""Seconds of frames that BrainFlow keeps for a reader that is late; without this it keeps 450,000
frames, 100 MB which fill up in the first half hour."""
AT_END = 1 - 1e-5
"""Share of full scale that counts as its end; scaling rounds."""
UNIT = "uV"
"""BrainFlow scales EEG to µV on every board."""


def connect(request: SourceRequest) -> Board:
    """Open a board and start it.

    Raises
    ------
    UsageError
        For a board or parameter that there is not, or another speed than its own.
    IncompatibleError
        When the board cannot be opened.
    """
    request.refuse_speed()
    return Board(_shim(), request)


class Board:
    """A board that streams."""

    def __init__(self, shim: Any, request: SourceRequest) -> None:
        self.place, self.arguments = request.place, request.arguments
        number = _board_id(shim, request.place)
        parameters = _parameters(shim, request)
        self.known = _boards.known(request.place)
        self.counter = _arguments.whole(request.arguments, "counter", "256", 0)
        self.ppm = _arguments.number(request.arguments, "ppm", "500") or self.known.ppm
        limit_uv = _limit_uv(request, self.known)
        self.error = shim.BrainFlowError
        shim.BoardShim.disable_board_logger()
        self.board = shim.BoardShim(number, parameters)
        try:
            self.board.prepare_session()
            self.about = shim.BoardShim.get_board_descr(self.board.get_board_id())
            self.header = _header(request, self.about, limit_uv)
            self.board.start_stream(round(KEPT_S * self.header.sfreq))
        except self.error as error:
            self.close()
            own = _boards.parameters_of(request.place)
            raise IncompatibleError(
                f"brainflow:{request.place} cannot be opened ({error}). Is it switched on and in "
                f"reach? Its parameters{f' ({own})' if own else ''} are given as --arg NAME=VALUE."
            ) from None
        except EdgeError:
            self.close()
            raise
        self.frames: Frames | None = None
        self.counts = False

    def read(self, timeout_s: float) -> Block | None:
        """Return everything that has arrived."""
        end_s = time.monotonic() + timeout_s
        enough = FIRST_FRAMES if self.frames is None else 1
        while True:
            if self.frames is not None and (block := self.frames.take()) is not None:
                return block
            try:
                n_frames = self.board.get_board_data_count()
                data = self.board.get_board_data() if n_frames >= enough else None
            except self.error:
                raise Disconnected from None
            if data is not None:
                self._push(data)
            elif time.monotonic() >= end_s:
                return None
            else:
                time.sleep(POLL_S)

    def _push(self, data: NDArray[np.float64]) -> None:
        """Number frames (n_rows, n) as BrainFlow delivers them."""
        if self.frames is None:
            self.frames = self._numbered(data)
        counts = data[self.about[COUNTS]] if self.counts else None
        if counts is not None and self.folded is not None:
            counts = np.where(counts > self.folded, counts - self.folded, counts)
        samples = np.ascontiguousarray(data[self.about["eeg_channels"]].T, np.float64)
        self.frames.push(samples, data[self.about[STAMPS]], counts, time.monotonic())

    def _numbered(self, data: NDArray[np.float64]) -> Frames:
        """By the packet counter where it counts, else by the times of arrival."""
        sfreq = self.header.sfreq
        found = pattern(data[self.about[COUNTS]]) if COUNTS in self.about else None
        if found is None and self.counter:
            found = Pattern()
        self.counts = found is not None and self.counter != 0
        self.folded: int | None = None
        if not self.counts or found is None:
            return Frames(Stamped(sfreq, self.ppm), sfreq)
        pairs = found.frames > 1
        self.folded = self.known.folds if pairs else None
        singles = self.known.singles if pairs else frozenset[int]()
        counting = Pattern(found.step, found.frames, singles, self.counter)
        return Frames(Counted(counting, sfreq), sfreq)

    def close(self) -> None:
        """Stop the board and close the connection."""
        for let_go in (self.board.stop_stream, self.board.release_session):
            with contextlib.suppress(self.error):
                let_go()


def _shim() -> Any:
    """BrainFlow's module for boards.

    Raises
    ------
    MissingToolError
        When it is not installed.
    """
    try:
        from brainflow import board_shim
    except ImportError:
        raise MissingToolError(
            "--source brainflow:BOARD needs BrainFlow, which is not installed. "
            "Type: pip install 'eeg-edge[stream]'"
        ) from None
    if sys.version_info < (3, 12):  # it gives files() a module, which wanted a package until then
        board_shim.files = lambda module: importlib.resources.files(module.rpartition(".")[0])
    return board_shim


def _board_id(shim: Any, name: str) -> int:
    boards = {b.name.removesuffix("_BOARD").lower(): b.value for b in shim.BoardIds}
    del boards["no"]
    if name.lower() not in boards:
        raise UsageError(invalid_value("brainflow:BOARD", name, sorted(boards)))
    return int(boards[name.lower()])


def _parameters(shim: Any, request: SourceRequest) -> Any:
    """BrainFlow's own parameters, each of its kind."""
    parameters = shim.BrainFlowInputParams()
    _arguments.refuse_unknown(request.arguments, (*vars(parameters), *OURS))
    for name in request.arguments:
        if name in OURS:
            continue
        if isinstance(getattr(parameters, name), str):
            setattr(parameters, name, _arguments.word(request.arguments, name))
        elif name == "master_board":
            setattr(parameters, name, _master(shim, request.arguments[name]))
        else:
            setattr(parameters, name, _arguments.whole(request.arguments, name, "1", 0))
    return parameters


def _master(shim: Any, value: Argument) -> int:
    """A board by its name or BrainFlow's number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return _board_id(shim, str(value))


def _limit_uv(request: SourceRequest, known: _boards.Known) -> float | None:
    """Greatest value of a channel; None where nothing tells."""
    limit_uv = _arguments.number(request.arguments, "limit", "187500")
    gain = _arguments.number(request.arguments, "gain", "24")
    if gain is not None and known.gain is None:
        with_gains = [name for name, each in _boards.KNOWN.items() if each.gain is not None]
        raise UsageError(
            f"--arg gain is for boards with a choice of gains ({listing(with_gains)}); "
            f"{request.place!r} has none that is known. Give its full scale: --arg limit=187500."
        )
    if limit_uv is not None or known.full_scale_uv is None:
        return limit_uv
    return known.full_scale_uv * (1.0 if gain is None else (known.gain or gain) / gain)


def _header(request: SourceRequest, about: Mapping[str, Any], limit_uv: float | None) -> Header:
    if not about.get("eeg_channels"):
        raise IncompatibleError(f"brainflow:{request.place} has no EEG channels.")
    n_chans = len(about["eeg_channels"])
    own = str(about.get("eeg_names", "")).split(",")
    names = tuple(own) if len(own) == n_chans else tuple(str(i + 1) for i in range(n_chans))
    if request.channels and len(request.channels) != n_chans:
        raise UsageError(
            f"--channels names {len(request.channels)} channels and brainflow:{request.place} has "
            f"{n_chans}."
        )
    if request.unit not in (None, UNIT):
        raise UsageError(f"--unit {request.unit} cannot be: BrainFlow delivers {UNIT}.")
    sfreq = float(about["sampling_rate"])
    limits = None if limit_uv is None else ((-AT_END * limit_uv, AT_END * limit_uv),) * n_chans
    return Header(f"brainflow:{request.place}", request.channels or names, UNIT, sfreq, limits)
