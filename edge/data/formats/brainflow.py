# SPDX-License-Identifier: BSD-3-Clause
"""What BrainFlow writes: ``DataFilter.write_file`` and ``add_streamer("file://…")``.

A line is a frame, its columns are a board's rows, and no header says which board: ``board`` has to
be told, by the name that ``--source brainflow:BOARD`` has for it. Electrodes, rate, packet counter
and marker then come from BrainFlow's own description of the board.

The form follows brainflow-dev/brainflow, ``src/data_handler/data_handler.cpp`` (``write_file``);
until version 4.1 commas stand where now tabs do (pull request 276).
"""

from __future__ import annotations

import importlib.resources
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edge.data.description import Channel, Description, Hints, Samples
from edge.data.formats import _events, _grid, _table
from edge.data.formats._describe import described
from edge.errors import MissingToolError, UsageError, invalid_value, listing

SUFFIXES = (".csv", ".txt")
OPTIONS = {
    "board": "which board wrote it, e.g. 'cyton'",
    "sfreq": "rate in Hz, of a board whose rate was changed",
}
FEWEST = 4
"""Columns of the smallest board."""
JUDGED_S = 5.0
RATE_OFF = 0.1
"""Share by which the rate of arrival may be off; clocks are a thousand times better."""


def recognizes(path: Path) -> bool:
    """Recognize a first line of numbers and nothing else."""
    lines = _table.head(path)
    if not lines:
        return False
    found = [
        _table.fields(lines[0], each) for each in _table.SEPARATORS if lines[0].count(each) >= 3
    ]
    return any(len(row) >= FEWEST and all(map(_is_written, row)) for row in found)


def _is_written(field: str) -> bool:
    """Tell whether a field is a number with decimals, as BrainFlow writes each of them."""
    return "." in field and _table.is_number(field)


def open_recording(path: Path, hints: Hints) -> Description:
    """Describe a file of BrainFlow's.

    Raises
    ------
    UsageError
        When the board is not told, is none, or has another number of rows or another rate.
    """
    first = _table.head(path)[0]
    separator = _table.separator_of(path, first)
    n_columns = len(_table.fields(first, separator))
    about = _board(path, hints.text("board"), n_columns)
    layout = _table.Layout(path, tuple(map(str, range(n_columns))), separator, 0)
    electrodes = [int(i) for i in about["eeg_channels"]]
    places = [about["timestamp_channel"], about["package_num_channel"], about["marker_channel"]]
    table = _table.load(layout, [str(i) for i in (*electrodes, *places)])
    rows = table.numbers[:, : len(electrodes)]
    stamps_s, counter, markers = table.numbers[:, len(electrodes) :].T
    sfreq = hints.number("sfreq") or float(about["sampling_rate"])
    lost = _grid.lost_by_counter(counter)
    notes = [] if lost is not None else [f"{path.name}: {_grid.NO_RULE}"]
    if lost is None:
        lost = np.zeros(len(rows), np.int64)
    is_pause = _grid.pauses_by_arrival(stamps_s, sfreq, lost)
    placed = _grid.grid(rows, sfreq, lost, is_pause)
    if not is_pause.any():
        _refuse_rate(path, sfreq, stamps_s, placed)
    names = _names(about, len(electrodes))
    return described(
        path,
        [Channel(name, sfreq, "uV", "uV") for name in names],
        placed.samples,
        placed.joints,
        _events.from_codes(markers, placed.number, sfreq),
        (*notes, *placed.notes(path.name)),
    )


def _names(about: Mapping[str, Any], n_electrodes: int) -> list[str]:
    """What the live source calls them: their names, or numbers where a board has none."""
    own = str(about.get("eeg_names", "")).split(",")
    return own if len(own) == n_electrodes else [str(i + 1) for i in range(n_electrodes)]


def _board(path: Path, name: str | None, n_columns: int) -> Mapping[str, Any]:
    """BrainFlow's description of the board that wrote a file."""
    boards = _boards()
    fitting = sorted(each for each, about in boards.items() if about["num_rows"] == n_columns)
    if name is None:
        which = f"boards of as many are {listing(fitting)}" if fitting else "no board has as many"
        raise UsageError(
            f"{path.name} has {n_columns} columns of numbers and no header, as BrainFlow writes; "
            f"{which}. Write which it was under [file] in the contract, or as --arg of a replay, "
            f'e.g. board = "{fitting[0] if fitting else "cyton"}".'
        )
    if name.lower() not in boards:
        raise UsageError(invalid_value("board", name, sorted(boards)))
    about = boards[name.lower()]
    if about["num_rows"] != n_columns:
        raise UsageError(
            f"{path.name} has {n_columns} columns, and BrainFlow writes {about['num_rows']} for "
            f"board {name!r}. Boards of {n_columns} columns are {listing(fitting) or 'none'}."
        )
    return about


def _boards() -> dict[str, Mapping[str, Any]]:
    """BrainFlow's boards with electrodes, by the names of ``--source brainflow:``.

    Raises
    ------
    MissingToolError
        When it is not installed.
    """
    try:
        from brainflow import board_shim as shim
    except ImportError:
        raise MissingToolError(
            "A file that BrainFlow wrote is read by its descriptions of boards, and BrainFlow is "
            "not installed. Type: pip install 'eeg-edge[stream]'"
        ) from None
    if sys.version_info < (3, 12):  # it gives files() a module, which wanted a package until then
        shim.files = lambda module: importlib.resources.files(module.rpartition(".")[0])
    shim.BoardShim.disable_board_logger()
    found = {}
    for board in shim.BoardIds:
        if board.value != shim.BoardIds.NO_BOARD.value:
            about = shim.BoardShim.get_board_descr(board.value)
            if "eeg_channels" in about:
                found[board.name.removesuffix("_BOARD").lower()] = about
    return found


def _refuse_rate(path: Path, sfreq: float, stamps_s: Samples, placed: _grid.Grid) -> None:
    """Raise when the frames came at another rate than the board's."""
    span_s = float(stamps_s[-1] - stamps_s[0])
    if span_s < JUDGED_S:
        return
    came = float(placed.number[-1] + placed.lost) / span_s
    if abs(came - sfreq) > RATE_OFF * sfreq:
        raise UsageError(
            f"{path.name} holds {came:.4g} frames a second by its timestamps, and its board has "
            f"{sfreq:g}. Name the board that it was, or the rate that it was set to, as sfreq."
        )
