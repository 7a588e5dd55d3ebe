# SPDX-License-Identifier: BSD-3-Clause
"""CSV files of Emotiv's headsets: EmotivPRO's, and those of its predecessors with one header line.

EmotivPRO writes a line of "key:value" pairs and a line of names; electrodes are ``EEG.AF3`` and so
on. Before 2019 the names stood in the first line, after ``labels:``. Electrodes lie around
4,200 µV in both, which is the middle of the converter's range: a contract's filter takes it out.
A marker is a value in the row of its sample. EDF files of EmotivPRO have the same columns as
signals, and their events come from here too.

The columns follow hugofloresgarcia/MusEEG
(``data/longRawTrainingSamples/testfiles/testrec_eyebrows.csv``, recorded by EmotivPRO) and its
manual (https://emotiv.gitbook.io/emotivpro-v3, "CSV files" and "EDF files"); the older ones follow
Emotiv/community-sdk issue 286.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edge.data.description import (
    PER_VOLT,
    Annotation,
    Channel,
    Description,
    Hints,
    Samples,
)
from edge.data.formats import _events, _grid, _table
from edge.data.formats._describe import described
from edge.errors import UsageError
from firmware_bridge.signal.contract import UNKNOWN

SUFFIXES = (".csv",)
OPTIONS = {"markers": "column of the events; without it the first of MarkerValueInt and hardware"}
PREFIX = "EEG."
NO_ELECTRODES = re.compile(
    r"(COUNTER|INTERPOLATED|RAW_?CQ|GYRO[XYZ]|MARKER\w*|SYNC|(OR_)?TIME_STAMP_m?s|CQ_\w+|BATTERY"
    r"(_?PERCENT)?|HighBitFlex|SaturationFlag|EQ_\w+)?$",
    re.IGNORECASE,
)
MARKERS = ("MarkerValueInt", "EEG.MarkerHardware", "MARKER", "MARKER_HARDWARE")
"""Columns of events, in the order in which they are looked at."""
COUNTERS, TIMES = ("EEG.Counter", "COUNTER"), ("Timestamp",)
INTERPOLATED = ("EEG.Interpolated", "INTERPOLATED")
RATE = re.compile(r"(?:sampling|sampling rate)\s*:\s*(?:[^,]*?eeg_)?([\d.]+)")


def recognizes(path: Path) -> bool:
    """Recognize the pairs of the first line."""
    lines = _table.head(path)
    if not lines or not re.match(r"\W*title\s*:", lines[0]):
        return False
    return "labels:" in lines[0] or (len(lines) > 1 and PREFIX in lines[1])


def open_recording(path: Path, hints: Hints) -> Description:
    """Describe a CSV file of an Emotiv headset.

    Raises
    ------
    UsageError
        When its header says no rate, or columns are missing.
    """
    first, second = (*_table.head(path), "")[:2]
    rate = RATE.search(first)
    if rate is None:
        raise UsageError(f"{str(path)!r} says no sampling rate in its first line. Export it again.")
    sfreq = float(rate[1])
    is_old = "labels:" in first
    labels = re.search(r"labels:([^,]*)", first)
    names = labels[1].split() if is_old and labels else _table.fields(second)
    if is_old:  # some of them end their rows with a separator
        width = len(_table.fields(second))
        names = [*names, *(f"column {i}" for i in range(len(names), width))]
    layout = _table.Layout(path, tuple(names), ",", 1 if is_old else 2, encoding=hints.encoding)
    electrodes = [name for name in names if _is_electrode(name, is_old)]
    if not electrodes:
        raise UsageError(f"{str(path)!r} has no column of an electrode, such as EEG.AF3.")
    asked = hints.text("markers")
    markers = [asked] if asked else [name for name in MARKERS if name in names]
    optional = [_first(names, of) for of in (COUNTERS, TIMES, INTERPOLATED)]
    numeric = list(dict.fromkeys((*electrodes, *filter(None, optional), *markers)))
    layout.require(numeric, "a file of an Emotiv headset")
    table = _table.load(layout, numeric, blank_is_nan=True)
    column = dict(zip(numeric, table.numbers.T, strict=True))
    rows = table.numbers[:, : len(electrodes)]
    placed, notes = _placed(path.name, rows, sfreq, *(column.get(name) for name in optional))
    codes, more = codes_of(markers, lambda name: column[name])
    return described(
        path,
        [Channel(_sensor(name), sfreq, "", "uV") for name in electrodes],
        placed.samples,
        placed.joints,
        () if codes is None else _events.from_codes(codes, placed.number, sfreq),
        (*notes, *(f"{path.name}: {text}" for text in more), *placed.notes(path.name)),
    )


def events_of_signals(recording: Description, asked: str | None) -> Description:
    """A recording of signals, some of which hold markers as EmotivPRO writes them, with its events.

    Parameters
    ----------
    asked
        The one signal to look at; without it those that EmotivPRO writes, where one is there.
    """
    own = [channel.name for channel in recording.channels]
    if asked is not None and asked not in own:
        raise UsageError(
            f"{recording.name} has no signal {asked!r} that could hold its markers; it has "
            f"{', '.join(own[:24])}."
        )
    names = [asked] if asked else [name for name in MARKERS if name in own]
    if not names:
        return recording
    channel = recording.channel(names[0])
    _, stop = recording.pieces[-1].samples(channel.sfreq)

    def read(name: str) -> Samples:
        unit = recording.channel(name).unit
        samples = recording.read([name], 0, stop)[0]
        return np.asarray(np.round(samples * (1.0 if unit == UNKNOWN else PER_VOLT[unit])))

    codes, notes = codes_of(names, read)
    if codes is None:
        return recording
    found = _events.from_codes(codes, np.arange(len(codes)), channel.sfreq)
    return _with(recording, found, [f"{recording.name}: {text}" for text in notes])


def _with(recording: Description, found: Sequence[Annotation], notes: Sequence[str]) -> Description:
    every = sorted((*recording.annotations, *found), key=lambda a: a.onset_s)
    return replace(recording, annotations=tuple(every), notes=(*recording.notes, *notes))


def codes_of(
    names: Sequence[str], read: Callable[[str], Samples]
) -> tuple[Samples | None, list[str]]:
    """Return the first column that holds codes, and what is to be said of the others."""
    found = [(name, codes) for name in names if np.nan_to_num(codes := read(name)).any()]
    if not found:
        return None, []
    others = [name for name, _ in found[1:]]
    notes = [f"events are those of {found[0][0]}; {name} has some too" for name in others]
    return found[0][1], notes


def _is_electrode(name: str, is_old: bool) -> bool:
    if is_old:
        return not name.startswith("column ") and not NO_ELECTRODES.match(name)
    return name.startswith(PREFIX) and not NO_ELECTRODES.match(name.removeprefix(PREFIX))


def _sensor(name: str) -> str:
    return name.removeprefix(PREFIX)


def _first(names: Sequence[str], wanted: Sequence[str]) -> str:
    return next((name for name in wanted if name in names), "")


def _placed(
    name: str,
    rows: Samples,
    sfreq: float,
    counter: Samples | None,
    stamps_s: Samples | None,
    interpolated: Samples | None,
) -> tuple[_grid.Grid, list[str]]:
    """Samples on their grid: the counter says what was lost, the times what paused."""
    lost = None if counter is None else _grid.lost_by_counter(counter)
    notes = [] if lost is not None or counter is None else [f"{name}: {_grid.NO_RULE}"]
    if lost is None:
        lost = np.zeros(len(rows), np.int64)
    n_filled = 0 if interpolated is None else int((np.nan_to_num(interpolated) > 0).sum())
    if n_filled:
        notes.append(f"{name}: Emotiv interpolated {n_filled} samples that its headset lost")
    is_pause = np.zeros(len(rows), np.bool_)
    if stamps_s is not None and np.isfinite(stamps_s).all():
        is_pause = _grid.pauses_by_arrival(stamps_s, sfreq, lost)
    return _grid.grid(rows, sfreq, lost, is_pause), notes
