# SPDX-License-Identifier: BSD-3-Clause
"""Text files of the OpenBCI GUI: Cyton, Cyton with Daisy, Ganglion, in every form since 2014.

Lines that begin with "%" say rate, channels and board; then come rows of a packet counter, the
electrodes in µV, accelerometer and other inputs, the computer's time, and since version 5.2 a
marker. Until version 4 no line names the columns. What the GUI converted from a Cyton's SD card
says no rate, and some of its rows end with the accelerometer.

The forms follow OpenBCI/OpenBCI_GUI: ``OpenBCI_GUI/DataWriterODF.pde`` writes them,
``DataSourcePlayback.pde`` reads them.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.data.description import Channel, Description, Hints, Samples
from edge.data.formats import _events, _grid, _table
from edge.data.formats._describe import described
from edge.errors import UsageError

SUFFIXES = (".txt", ".csv")
OPTIONS = {
    "markers": "column of the events; without it the marker channel, where there is one",
    "sfreq": "rate in Hz, of a file converted from an SD card, which says none",
}
FIRST_LINES = ("%OpenBCI Raw E", "%OBCI Data Log")
COUNTER, MARKER, TIME = "Sample Index", "Marker Channel", "Timestamp"
CYTON_UV = 4.5 / 24 * 1e6
"""Full scale of the ADS1299 at 4.5 V and a gain of 24, which is what the GUI sets."""
GANGLION_UV = 1.2 * 1e6 / (1.5 * 51)
"""Full scale of the MCP3912 behind an amplifier of 51."""
ACCELEROMETER = 3
MS_PER_S = 1e3
MILLISECONDS = 1e11
"""Times since 1970 above this are in milliseconds."""


@dataclass(frozen=True)
class _Header:
    """What the lines say; ``columns`` is what names the columns, empty where nothing does."""

    n_lines: int
    n_electrodes: int | None
    sfreq: float | None
    board: str
    columns: str
    first_row: str


def recognizes(path: Path) -> bool:
    """Recognize the first line."""
    lines = _table.head(path)
    return bool(lines) and lines[0].startswith(FIRST_LINES)


def open_recording(path: Path, hints: Hints) -> Description:
    """Describe a recording of the OpenBCI GUI.

    Raises
    ------
    UsageError
        When its header contradicts its rows, or says no rate.
    """
    header = _header(path)
    sfreq = header.sfreq or hints.number("sfreq")
    if sfreq is None:
        raise UsageError(
            f"{str(path)!r} says no rate. Write it under [file] in the contract, or as --arg of a "
            f"replay, e.g. sfreq = 250, a Cyton's, or 125 with Daisy."
        )
    layout = _layout(path, header, hints.encoding)
    electrodes = [name for name in layout.names if name.startswith("EXG")]
    if header.n_electrodes not in (None, len(electrodes)) or not electrodes:
        raise UsageError(
            f"{str(path)!r} says {header.n_electrodes} channels in its header and has columns of "
            f"{len(electrodes)}. Correct the header, or export it again."
        )
    marker = hints.text("markers") or (MARKER if MARKER in layout.names else "")
    others = [COUNTER, *([TIME] if TIME in layout.names else []), *([marker] if marker else [])]
    numeric = list(dict.fromkeys((*electrodes, *others)))
    layout.require(numeric, "a file of the OpenBCI GUI")
    table = _table.load(layout, numeric)
    column = dict(zip(numeric, table.numbers.T, strict=True))
    rows = table.numbers[:, : len(electrodes)]
    placed, notes = _placed(path.name, rows, sfreq, column[COUNTER], column.get(TIME))
    limit_v = _limit_v(header.board, rows)
    return described(
        path,
        [Channel(name, sfreq, "uV", "uV", -limit_v, limit_v) for name in electrodes],
        placed.samples,
        placed.joints,
        _events.from_codes(column[marker], placed.number, sfreq) if marker else (),
        (*notes, *placed.notes(path.name)),
    )


def _header(path: Path) -> _Header:
    lines = _table.head(path)
    said = list(itertools.takewhile(lambda line: line.startswith("%"), lines))
    rest = lines[len(said) :]
    columns = rest[0] if rest and rest[0].startswith(COUNTER) else ""
    rows = rest[1:] if columns else rest
    if not rows:
        raise UsageError(f"{str(path)!r} has a header and no rows.")
    text = "\n".join(said)
    channels = re.search(r"%Number of channels\s*=\s*(\d+)", text)
    rate = re.search(r"%Sample Rate\s*=\s*([\d.]+)\s*Hz", text)
    board = re.search(r"%Board\s*=\s*(?:OpenBCI_GUI\$)?(\S+)", text)
    return _Header(
        len(said) + bool(columns),
        int(channels[1]) if channels else None,
        float(rate[1]) if rate else None,
        board[1] if board else "",
        columns,
        rows[0],
    )


def _layout(path: Path, header: _Header, encoding: str | None) -> _table.Layout:
    """The columns, by their names or, where the file has none, by the place of the electrodes."""
    optional = 0
    if header.columns:
        names = _unnumbered(_table.fields(header.columns))
    else:
        row = _table.fields(header.first_row)
        n = header.n_electrodes
        if n is None:  # converted from an SD card: electrodes, and the accelerometer now and then
            n = len(row) - 1 - (ACCELEROMETER if len(row) in (12, 20) else 0)
            optional, row = ACCELEROMETER, row[: n + 1]
        rest = [f"column {i}" for i in range(n + 1, len(row))]
        if rest and _table.is_number(row[-1]) and float(row[-1]) > MILLISECONDS:
            rest[-1] = TIME
        names = [COUNTER, *(f"EXG Channel {i}" for i in range(n)), *rest]
        if len(row) < n + 1:
            raise UsageError(
                f"{str(path)!r} says {n} channels in its header and has {len(row)} fields in its "
                f"first row. Correct the header, or export it again."
            )
    return _table.Layout(path, tuple(names), ",", header.n_lines, "%", encoding, optional)


def _unnumbered(names: list[str]) -> list[str]:
    """Columns of one name ("Other", "Not Used") have a number behind it."""
    return [
        name if names.count(name) == 1 else f"{name} {names[:i].count(name)}"
        for i, name in enumerate(names)
    ]


def _placed(
    name: str, rows: Samples, sfreq: float, counter: Samples, stamps: Samples | None
) -> tuple[_grid.Grid, list[str]]:
    """Samples on their grid: the counter says what was lost, the computer's time what paused."""
    lost = _grid.lost_by_counter(counter)
    notes = [] if lost is not None else [f"{name}: {_grid.NO_RULE}"]
    if lost is None:
        lost = np.zeros(len(rows), np.int64)
    is_pause = np.zeros(len(rows), np.bool_)
    if stamps is not None and np.isfinite(stamps).all() and stamps.any():
        stamps_s = stamps / MS_PER_S if stamps[0] > MILLISECONDS else stamps
        is_pause = _grid.pauses_by_arrival(stamps_s, sfreq, lost)
    return _grid.grid(rows, sfreq, lost, is_pause), notes


def _limit_v(board: str, rows: Samples) -> float:
    """Full scale; none where the board is not known, or has a gain by which samples exceed it."""
    kinds = {"Cyton": CYTON_UV, "Ganglion": GANGLION_UV}
    limit_uv = next((uv for kind, uv in kinds.items() if kind in board), np.inf)
    return float(limit_uv * 1e-6) if np.abs(rows).max(initial=0) <= limit_uv else np.inf
