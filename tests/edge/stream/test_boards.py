# SPDX-License-Identifier: BSD-3-Clause
"""Boards as BrainFlow's code makes their frames, behind the real source, without the hardware."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.errors import IncompatibleError, UsageError
from edge.stream.frames import SourceRequest
from edge.stream.parameters import BOARDS
from edge.stream.sources import _frames, brainflow

Rows = NDArray[np.float64]
"""(n, 5): counter, three channels, timestamp."""


class ShimError(Exception):
    """BrainFlow's."""


class Parameters:
    """BrainFlow's parameters, as many kinds as there are."""

    def __init__(self) -> None:
        self.serial_port, self.timeout, self.master_board = "", 0, -100


def shim(rows: Rows, size: int = 40, eeg: bool = True) -> Any:
    """BrainFlow's module, whose board delivers rows in pieces of a size."""
    names = ("no", "cyton", "cyton_daisy", "ganglion", "muse_2")
    boards = [SimpleNamespace(name=f"{n.upper()}_BOARD", value=i) for i, n in enumerate(names)]
    about = {"sampling_rate": 250, "package_num_channel": 0, "timestamp_channel": 4}

    class Board:
        """Delivers one piece at each read."""

        released = 0

        def __init__(self, number: int, parameters: Parameters) -> None:
            self.number, self.parameters, self.at, self.held = number, parameters, 0, 0

        @staticmethod
        def disable_board_logger() -> None:
            """Quiet."""

        @staticmethod
        def get_board_descr(_: int) -> dict[str, Any]:
            """As BrainFlow tells it."""
            return about | ({"eeg_channels": [1, 2, 3], "eeg_names": "C3,Cz,C4"} if eeg else {})

        def get_board_id(self) -> int:
            """The number."""
            return self.number

        def prepare_session(self) -> None:
            """Nothing."""

        def start_stream(self, kept: int) -> None:
            """A minute is kept, so that memory is bounded by what a reader may be late."""
            assert kept == 60 * about["sampling_rate"]

        def stop_stream(self) -> None:
            """Nothing."""

        def release_session(self) -> None:
            """Counted."""
            Board.released += 1

        def get_board_data_count(self) -> int:
            """One piece more each time."""
            self.held = min(self.held + size, len(rows) - self.at)
            return self.held

        def get_board_data(self) -> Rows:
            """(5, n)."""
            piece = rows[self.at : self.at + self.held]
            self.at, self.held = self.at + self.held, 0
            return piece.T

    return SimpleNamespace(
        BrainFlowError=ShimError, BrainFlowInputParams=Parameters, BoardIds=boards, BoardShim=Board
    )


def rows(counts: NDArray[np.int64], stamps_s: NDArray[np.float64]) -> Rows:
    """Frames with noise."""
    noise = 20 * np.random.default_rng(0).standard_normal((len(counts), 3))
    return np.column_stack([counts, noise, 1e9 + stamps_s])


def numbers(
    monkeypatch: pytest.MonkeyPatch, board: str, frames: Rows, size: int = 40, **arguments: Any
) -> list[int]:
    """Numbers of all frames."""
    monkeypatch.setattr(brainflow, "_shim", lambda: shim(frames, size))
    source = brainflow.connect(SourceRequest(board, arguments))
    got: list[int] = []
    while (block := source.read(0.05)) is not None:
        got += block.numbers.tolist()
        assert block.taken_s <= time.monotonic()
    return got


K = np.arange(3000)
BOARD_FRAMES: dict[str, tuple[str, Callable[[], Rows]]] = {
    "Cyton over FTDI, 62 at once": (
        "cyton", lambda: rows(K % 256, (K // 62 + 1) * 62 / 250 + K % 62 * 1e-5)),
    "Daisy, even counts": ("cyton_daisy", lambda: rows(2 * K % 256, K / 250)),
    "Ganglion 3, 0 to 200": ("ganglion", lambda: rows(K % 201, K / 250)),
    "Ganglion, two frames a packet": (
        "ganglion", lambda: rows(K // 2 % 100 + 1, (2 * (K // 2) + 2) / 250)),
    "Ganglion, 0 and 101 to 200": (
        "ganglion",
        lambda: rows(
            np.where(K % 201 == 0, 0, 100 + (K % 201 + 1) // 2), (K + K % 2) / 250)),
    "Muse, twelve frames a packet": (
        "muse_2", lambda: rows((65_500 + K // 12) % 65_536, K / 250)),
}  # fmt: skip


@pytest.mark.parametrize("counter", [None, 0])
@pytest.mark.parametrize("name", BOARD_FRAMES)
def test_no_frame_is_lost_or_dropped(
    monkeypatch: pytest.MonkeyPatch, name: str, counter: int | None
) -> None:
    """By the counter that is learnt, and by timestamps alone."""
    board, frames = BOARD_FRAMES[name]
    arguments = {} if counter is None else {"counter": counter}
    got = numbers(monkeypatch, board, frames(), **arguments)
    assert got == list(range(len(got)))
    assert len(got) >= 2900


def test_losses_of_a_daisy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five frames of a chunk, by the counter and by the timestamps."""
    which = np.r_[0:1500, 1505:3000]
    stamps_s = (which // 62 + 1) * 62 / 250 + which % 62 * 1e-5
    frames = rows(2 * which % 256, stamps_s)
    assert numbers(monkeypatch, "cyton_daisy", frames) == which.tolist()
    got = numbers(monkeypatch, "cyton_daisy", frames, counter=0)
    assert got[-1] + 1 - len(got) == 5


@pytest.mark.parametrize(
    ("board", "arguments", "limit_uv"),
    [
        ("cyton", {}, 187_500.0),
        ("cyton", {"gain": 12}, 375_000.0),
        ("cyton_daisy", {"limit": 1000.0}, 1000.0),
        ("ganglion", {}, 1.2e6 / 76.5),
        ("muse_2", {"limit": 1000}, 1000.0),
        ("muse_2", {}, math.inf),
    ],
)
def test_limits(
    monkeypatch: pytest.MonkeyPatch, board: str, arguments: dict[str, Any], limit_uv: float
) -> None:
    """Full scale by the board's gain, or as told; its last count lies beyond what is called end."""
    monkeypatch.setattr(brainflow, "_shim", lambda: shim(rows(K, K / 250)))
    header = brainflow.connect(SourceRequest(board, arguments)).header
    if math.isinf(limit_uv):
        assert header.limits is None
        return
    assert header.limits is not None
    [(low, high)] = set(header.limits)
    assert low == -high
    assert 1 - 2e-5 < high / limit_uv < 1


@pytest.mark.parametrize(
    ("board", "arguments", "message"),
    [
        (
            "cyton",
            {"timeout": "soon"},
            "Invalid value for '--arg timeout': a whole number of at least 0 is needed, e.g. "
            "--arg timeout=1, but got 'soon' instead.",
        ),
        (
            "cyton",
            {"counter": -1},
            "Invalid value for '--arg counter': a whole number of at least 0 is needed, e.g. "
            "--arg counter=256, but got -1 instead.",
        ),
        (
            "cyton",
            {"limit": math.nan},
            "Invalid value for '--arg limit': a number above 0 is needed, e.g. --arg "
            "limit=187500, but got nan instead.",
        ),
        (
            "cyton",
            {"serial_port": None},
            "Invalid value for '--arg serial_port': a text is needed, but got None.",
        ),
        (
            "muse_2",
            {"gain": 6},
            "--arg gain is for boards with a choice of gains ('cyton', 'cyton_daisy', "
            "'cyton_wifi' and 'cyton_daisy_wifi'); 'muse_2' has none that is known. Give its "
            "full scale: --arg limit=187500.",
        ),
    ],
)
def test_wrong_values(
    monkeypatch: pytest.MonkeyPatch, board: str, arguments: dict[str, Any], message: str
) -> None:
    """One line each, and what to type."""
    monkeypatch.setattr(brainflow, "_shim", lambda: shim(rows(K, K / 250)))
    with pytest.raises(UsageError) as error:
        brainflow.connect(SourceRequest(board, arguments))
    assert str(error.value) == message


def test_a_board_without_eeg_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused and released."""
    made = shim(rows(K, K / 250), eeg=False)
    monkeypatch.setattr(brainflow, "_shim", lambda: made)
    with pytest.raises(IncompatibleError) as error:
        brainflow.connect(SourceRequest("muse_2"))
    assert str(error.value) == "brainflow:muse_2 has no EEG channels."
    assert made.BoardShim.released == 1


def test_boards_of_the_help_are_brainflows() -> None:
    """Each name is one of BrainFlow's, each parameter too."""
    real = brainflow._shim()
    known = {board.name.removesuffix("_BOARD").lower() for board in real.BoardIds}
    parameters = {"none", *vars(real.BrainFlowInputParams())}
    for names, boards in BOARDS.items():
        assert set(names.split(", ")) <= parameters
        assert {board.split(" and ")[0] for board in boards} <= known


def test_a_latency_is_never_negative() -> None:
    """Whatever the device's clock does: drift, a jump, no numbers."""
    offset = _frames.Offset()
    now_s = np.arange(0, 100, 0.1)
    stamps_s = 5000 + 1.001 * now_s
    taken = np.array([offset.taken_s(stamps_s[i : i + 1], t)[0] for i, t in enumerate(now_s)])
    assert (taken <= now_s).all()
    assert (now_s - taken).max() < 0.001 * _frames.WINDOW_S + 0.11
    assert offset.taken_s(np.array([math.nan]), 100.0)[0] == 100.0
    offset.forget()
    assert offset.taken_s(np.array([-9.0]), 100.0)[0] == 100.0
