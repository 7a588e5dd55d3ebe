# SPDX-License-Identifier: BSD-3-Clause
"""Provide the source ``brainflow``: any board that BrainFlow knows, by its name.

``brainflow:synthetic``, ``brainflow:cyton --arg serial_port=/dev/ttyUSB0``: the names are those of
``BoardIds`` without ``_BOARD``, the parameters those of ``BrainFlowInputParams``. One more,
``counter``, is the number of values of the board's packet counter, or 0 to go by timestamps;
without it the counter is used where it goes up by one with every frame, which on some boards it
does not.
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

from edge.errors import IncompatibleError, MissingToolError, UsageError, invalid_value
from edge.spec import Argument
from edge.stream.frames import Block, Disconnected, Header, SourceRequest
from edge.stream.sources._numbering import Counted, Numbering, Stamped

COUNTER = "counter"
MODULUS = 256
"""Of a packet counter; it may go further by multiples of this."""
COUNTS, STAMPS = "package_num_channel", "timestamp_channel"
FIRST_FRAMES = 16
"""Frames that are looked at to see whether the counter counts frames."""
POLL_S = 0.002
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
        arguments = dict(request.arguments)
        self.counter = arguments.pop(COUNTER, None)
        number, parameters = _board_id(shim, request.place), _parameters(shim, arguments)
        self.error = shim.BrainFlowError
        shim.BoardShim.disable_board_logger()
        self.board = shim.BoardShim(number, parameters)
        try:
            self.board.prepare_session()
            self.board.start_stream()
            self.about = shim.BoardShim.get_board_descr(self.board.get_board_id())
            self.header = _header(request, self.about)
        except self.error as error:
            self.close()
            raise IncompatibleError(
                f"brainflow:{request.place} cannot be opened ({error}). Is it switched on and in "
                f"reach? Its parameters are given as --arg NAME=VALUE."
            ) from None
        self.numbering: Numbering | None = None
        self.told = ""

    def read(self, timeout_s: float) -> Block | None:
        """Return everything that has arrived."""
        end_s = time.monotonic() + timeout_s
        enough = FIRST_FRAMES if self.numbering is None else 1
        try:
            while self.board.get_board_data_count() < enough:
                if time.monotonic() >= end_s:
                    return None
                time.sleep(POLL_S)
            data = self.board.get_board_data()
        except self.error:
            raise Disconnected from None
        if self.numbering is None:
            self._choose_numbering(data)
        assert self.numbering is not None
        numbers = self.numbering.push(data[self.about[self.told]])
        taken_s = time.monotonic() - (time.time() - float(data[self.about[STAMPS]][-1]))
        samples = np.ascontiguousarray(data[self.about["eeg_channels"]].T, np.float64)
        return Block(samples, numbers, taken_s, 1 / self.header.sfreq)

    def _choose_numbering(self, data: NDArray[np.float64]) -> None:
        """By the packet counter where it counts frames, else by the times of arrival."""
        counts = COUNTS in self.about and self.counter != 0
        if counts and self.counter is None:
            steps = np.diff(data[self.about[COUNTS]]) % MODULUS
            counts = bool((steps == 1).mean() > 0.9)
        self.told = COUNTS if counts else STAMPS
        modulus = int(self.counter or MODULUS)
        self.numbering = Counted(modulus) if counts else Stamped(self.header.sfreq)

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


def _parameters(shim: Any, arguments: Mapping[str, Argument]) -> Any:
    parameters = shim.BrainFlowInputParams()
    allowed = (*vars(parameters), COUNTER)
    for name, value in arguments.items():
        if name not in allowed:
            raise UsageError(invalid_value("--arg", name, allowed))
        kind = type(getattr(parameters, name))
        setattr(parameters, name, kind(value))
    return parameters


def _header(request: SourceRequest, about: Mapping[str, Any]) -> Header:
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
    return Header(f"brainflow:{request.place}", request.channels or names, UNIT, sfreq)
