# SPDX-License-Identifier: BSD-3-Clause
"""A plain table: a line of names, then a row for each sample.

Names may have their unit behind them, ``C3 (uV)``. A column of times gives the rate, one of markers
the events; all other columns of numbers are channels. What MNE writes with
``raw.to_data_frame().to_csv(…)`` is such a table; so is what most scripts write.

The forms follow mne-tools/mne-python (``mne/io/base.py``, ``to_data_frame``) and, for a table
without times, gauvand/SIF_Capstone (``backup/Yibo_Wang/util.py``), which reads those of the Kaggle
competition "Grasp-and-Lift EEG Detection".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.data.description import Annotation, Channel, Description, Hints, Samples, understood
from edge.data.formats import _events, _grid, _table
from edge.data.formats._describe import described
from edge.errors import UsageError, listing

SUFFIXES = (".csv", ".txt")
OPTIONS = {
    "markers": "column of the events; without it one called marker, event, trigger, stim or label",
    "trials": "column that numbers the trials, where a label stands in every row of its trial",
    "sfreq": "rate in Hz, of a table without times, or whose times are not to be believed",
}
UNIT = re.compile(r"^(.*\S)\s*[(\[]\s*([^)\]]+?)\s*[)\]]$")
TIMES = ("time", "times", "timestamp", "timestamps", "t", "seconds")
MARKERS = ("marker", "markers", "event", "events", "trigger", "triggers", "stim", "label", "labels")
COUNTERS = ("", "index", "id", "sample", "samples", "unnamed: 0")
SECONDS = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6}
LOOKED_AT = 20
"""Rows by which it is told whether a column holds numbers."""
SLOWEST_HZ = 20.0
"""A rate below this is none of EEG's: times without a unit are milliseconds then."""
NEAR_PPM = 100.0
"""What a rate that is meant to be whole may be off by, beside what the times' digits leave."""


@dataclass(frozen=True)
class _Columns:
    """What the columns are, by their names as they stand in the file; empty where there is none."""

    channels: tuple[str, ...]
    time: str
    marker: str
    trial: str


def recognizes(path: Path) -> bool:
    """Recognize a line of names over a line with numbers, which is no list of events."""
    lines = _rows_from(path)[1]
    if len(lines) < 2 or _events.is_events_file(lines):
        return False
    separator = max(_table.SEPARATORS, key=lines[0].count)
    names, first = _table.fields(lines[0], separator), _table.fields(lines[1], separator)
    is_header = len(names) > 1 and not any(map(_table.is_number, filter(None, names)))
    return is_header and any(_is_meant_as_number(field, separator) for field in first)


def open_recording(path: Path, hints: Hints) -> Description:
    """Describe a plain table.

    Raises
    ------
    UsageError
        When there is no rate, or times are repeated or irregular.
    """
    n_comments, lines = _rows_from(path)
    separator = _table.separator_of(path, lines[0])
    names = tuple(_table.fields(lines[0], separator))
    columns = _columns(names, lines[1 : 1 + LOOKED_AT], separator, hints)
    if not columns.channels:
        raise UsageError(f"{str(path)!r} has no columns of numbers that could be channels.")
    layout = _table.Layout(path, names, separator, n_comments + 1, "#", hints.encoding)
    told = hints.number("sfreq")
    time = [columns.time] if columns.time and told is None else []
    marker = [columns.marker] if columns.marker else []
    trials = [columns.trial] if columns.trial else []
    layout.require([*columns.channels, *time, *marker, *trials], "a table")
    table = _table.load(layout, [*columns.channels, *time], [*marker, *trials])
    rows = table.numbers[:, : len(columns.channels)]
    if time:
        unit = _split(columns.time)[1]
        times_s = table.numbers[:, len(columns.channels)] * SECONDS.get(unit.lower(), 1.0)
        sfreq = _rate(path, columns.time, times_s, table)
        lost = _grid.lost_by_stamps(times_s, sfreq)
        if lost is None:
            raise _irregular(path, columns.time)
    elif told is not None:
        sfreq, lost = told, np.zeros(len(rows), np.int64)
    else:
        raise UsageError(
            f"{str(path)!r} has no column of times and says no rate. Write it under [file] in the "
            f"contract, or as --arg of a replay, e.g. sfreq = 250."
        )
    placed = _grid.grid(rows, sfreq, lost, np.zeros(len(rows), np.bool_))
    return described(
        path,
        [
            Channel(name, sfreq, unit, understood(unit))
            for name, unit in map(_split, columns.channels)
        ],
        placed.samples,
        placed.joints,
        _annotations(table, columns, placed.number, sfreq),
        (*placed.notes(path.name), *_held(path, table, columns)),
    )


def _annotations(
    table: _table.Table, columns: _Columns, number: NDArray[np.int64], sfreq: float
) -> tuple[Annotation, ...]:
    if not columns.marker:
        return ()
    trials = table.texts[columns.trial] if columns.trial else None
    return _events.from_texts(table.texts[columns.marker], number, sfreq, trials)


def _held(path: Path, table: _table.Table, columns: _Columns) -> tuple[str, ...]:
    """What is to be said of a column whose label stands in every row of its trial."""
    if not columns.marker or columns.trial or not _events.is_held(table.texts[columns.marker]):
        return ()
    note = (
        f"{path.name}: column {columns.marker!r} says something in most rows, and only its changes "
        f"are events; where two trials in a row have one label, name the column that numbers the "
        f"trials as trials"
    )
    return (note,)


def _rows_from(path: Path) -> tuple[int, list[str]]:
    """Return how many lines of comment a file begins with, and the lines behind them."""
    lines = _table.head(path)
    n_comments = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return n_comments, lines[n_comments:]


def _split(name: str) -> tuple[str, str]:
    """Split a column's name and its unit.

    >>> _split("C3 [µV]"), _split("C3")
    (('C3', 'µV'), ('C3', ''))
    """
    found = UNIT.match(name)
    return (found[1], found[2]) if found else (name, "")


def _is_meant_as_number(field: str, separator: str) -> bool:
    """Tell whether a field is a number, or one with a decimal comma, which is refused later."""
    return _table.is_number(field) or bool(separator != "," and _table.DECIMAL_COMMA.match(field))


def _columns(
    names: tuple[str, ...], lines: Sequence[str], separator: str, hints: Hints
) -> _Columns:
    """Tell the columns apart, by their names and by the first rows."""
    plain = [_split(name)[0].lower() for name in names]
    time = next((n for n, p in zip(names, plain, strict=True) if p in TIMES), "")
    marker, trial = hints.text("markers"), hints.text("trials") or ""
    if marker is None:
        marker = next((n for n, p in zip(names, plain, strict=True) if p in MARKERS), "")
    rows = [_table.fields(line, separator) for line in lines]
    channels = tuple(
        name
        for i, (name, small) in enumerate(zip(names, plain, strict=True))
        if name not in (time, marker, trial)
        and small not in COUNTERS
        and any(i < len(row) and _is_meant_as_number(row[i], separator) for row in rows)
    )
    return _Columns(channels, time, marker, trial)


def _rate(path: Path, name: str, times_s: Samples, table: _table.Table) -> float:
    """Return the rate of some times; a whole number where they leave that open.

    Raises
    ------
    UsageError
        When a time is there twice, or the times go back, or are too slow to be EEG's.
    """
    steps = np.diff(times_s)
    if not len(steps) or not (steps > 0).any():
        raise _irregular(path, name)
    wrong = np.flatnonzero(~(steps > 0))
    if len(wrong):
        i = int(wrong[0])
        a, b = table.lines[i], table.lines[i + 1]
        what = f"the time of line {a} again" if steps[i] == 0 else f"a time before line {a}'s"
        raise UsageError(
            f"{str(path)!r} has {what} in line {b} ({len(wrong)} such lines in all). If its rows "
            f"are samples nevertheless, say their rate as sfreq."
        )
    going = steps < 1.5 * np.median(steps)
    rate = float(going.sum() / steps[going].sum())
    if rate < SLOWEST_HZ:
        raise UsageError(
            f"{str(path)!r} has {rate:.4g} rows a second by its column {name!r:.80}. If its times "
            f"are milliseconds, call it 'time (ms)', or say the rate as sfreq."
        )
    slack = max(NEAR_PPM * 1e-6, 2 * _resolution(times_s) / float(steps[going].sum()))
    return float(round(rate)) if abs(rate - round(rate)) <= slack * rate else rate


def _resolution(times_s: Samples) -> float:
    """Return the power of ten that all times are multiples of, seconds."""
    relative = times_s[: min(len(times_s), 1000)] - times_s[0]
    for digits in range(7):
        scaled = relative * 10.0**digits
        if np.abs(scaled - np.round(scaled)).max() < 1e-3:
            return float(10.0**-digits)
    return 0.0


def _irregular(path: Path, name: str) -> UsageError:
    return UsageError(
        f"{str(path)!r} has times in its column {listing([name])} that are those of no rate. If "
        f"its rows are samples at one nevertheless, say it as sfreq."
    )
