# SPDX-License-Identifier: BSD-3-Clause
"""CSV files of a Muse: those of the app Mind Monitor, and those of muselsl.

Mind Monitor writes a row per sample, in which everything else is repeated, and a row for each of
its elements (a blink, a marker, a connection) in which nothing else stands. Rows have the phone's
time of arrival, a dozen at once. It counts from 0 to 1,682.815 µV, so that rest is near 800 µV.
muselsl writes seconds and electrodes around 0 µV, at regular times.

Mind Monitor's columns follow Enigma644/MindMonitorPython (``OSC Receiver.py``), whose author wrote
the app, and hpi-dhc/devicely (``devicely/muse.py``), which reads them; muselsl's follow
mad-lab-fau/BioPsyKit (``example_data/eeg_muse_example.csv``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.data.description import Channel, Description, Hints, Samples
from edge.data.formats import _events, _grid, _table
from edge.data.formats._describe import described
from edge.errors import UsageError

SUFFIXES = (".csv",)
OPTIONS = {
    "markers": "column of the events; without it Mind Monitor's Elements, muselsl's Marker columns",
    "sfreq": "rate in Hz; without it that of the Muse whose rate the rows have: 256, 220 or 500",
}
RATES_HZ = (256.0, 220.0, 500.0)
"""Muse since 2016, Muse of 2014, and that one's research preset."""
RATE_OFF = 0.05
APP, LSL = "TimeStamp", "timestamps"
"""First column of Mind Monitor and of muselsl."""
RAW = "RAW_"
APP_UV, LSL_UV = (0.0, 1682.815), (-1000.0, 1000.0)
ELECTRODE = re.compile(r"(RAW_\w+|AUX(_\w+|\d+)?|TP9|TP10|AF7|AF8|FPZ|(Right|Left) AUX)$", re.I)
ELEMENT_COLUMNS = ("Elements", "Marker")


def recognizes(path: Path) -> bool:
    """Recognize the first columns of the first line."""
    names = _names(path)
    if names[:1] == [APP]:
        return any(name.startswith(RAW) for name in names)
    return names[:1] == [LSL] and {"TP9", "AF7", "AF8", "TP10"} <= set(names)


def open_recording(path: Path, hints: Hints) -> Description:
    """Describe a recording of a Muse.

    Raises
    ------
    UsageError
        When its rows are not every sample, or times or columns are not what they should be.
    """
    names = _names(path)
    is_app = names[0] == APP
    electrodes = [name for name in names[1:] if ELECTRODE.match(name)]
    marker = hints.text("markers") or _marker(names)
    layout = _table.Layout(path, tuple(names), ",", 1, encoding=hints.encoding)
    layout.require([*electrodes, *([marker] if marker else [])], "a file of a Muse")
    texts = [APP] if is_app else []
    table = _table.load(
        layout,
        electrodes if is_app else [LSL, *electrodes],
        [*texts, *([marker] if marker else [])],
        blank_is_nan=True,
    )
    rows = table.numbers if is_app else table.numbers[:, 1:]
    stamps_s = _seconds(path, table) if is_app else table.numbers[:, 0]
    rows, kept = _without_absent(path, electrodes, rows, is_app)
    electrodes = [name for name, is_there in zip(electrodes, kept, strict=True) if is_there]
    is_sample = np.isfinite(rows).any(axis=1)
    if not is_sample.any():
        raise UsageError(f"{str(path)!r} holds no samples: {', '.join(electrodes)} are empty.")
    own_s = stamps_s[is_sample]
    sfreq = hints.number("sfreq") or _rate(path, own_s)
    lost, is_pause = _grid.interruptions(own_s, sfreq)
    placed = _grid.grid(rows[is_sample], sfreq, lost, is_pause)
    number = placed.number[np.minimum(np.cumsum(is_sample) - is_sample, is_sample.sum() - 1)]
    low, high = (limit * 1e-6 for limit in (APP_UV if is_app else LSL_UV))
    return described(
        path,
        [Channel(name.removeprefix(RAW), sfreq, "", "uV", low, high) for name in electrodes],
        placed.samples,
        placed.joints,
        _events.from_texts(table.texts[marker], number, sfreq) if marker else (),
        placed.notes(path.name),
    )


def _names(path: Path) -> list[str]:
    lines = _table.head(path)
    return _table.fields(lines[0]) if lines else []


def _marker(names: Sequence[str]) -> str:
    """The column of the events; empty where there is none."""
    found = [n for n in names if n in ELEMENT_COLUMNS or re.fullmatch(r"Marker\d*", n)]
    return found[0] if found else ""


def _seconds(path: Path, table: _table.Table) -> Samples:
    """Times of the phone, as text with the date before them, in seconds.

    Raises
    ------
    UsageError
        When one is no time.
    """
    times = np.empty(len(table.lines))
    for i, text in enumerate(table.texts[APP]):
        try:
            times[i] = datetime.fromisoformat(text).timestamp()
        except ValueError:
            raise UsageError(
                f"{str(path)!r} has {text!r:.60} in column {APP!r}, line {table.lines[i]}, which "
                f"is no time such as 2025-07-01 14:56:05.592."
            ) from None
    return times


def _without_absent(
    path: Path, electrodes: Sequence[str], rows: Samples, is_app: bool
) -> tuple[Samples, NDArray[np.bool_]]:
    """Columns that hold samples: a file has columns of inputs that nothing is plugged into."""
    kept = np.asarray(np.isfinite(rows).any(axis=0))
    missing = [n for n, k in zip(electrodes, kept, strict=True) if not k and "AUX" not in n.upper()]
    if missing and is_app and kept.any():
        raise UsageError(f"{str(path)!r} holds nothing in its column {missing[0]!r}.")
    return rows[:, kept], kept


def _rate(path: Path, stamps_s: Samples) -> float:
    """The Muse's rate that is nearest to that of the rows.

    Raises
    ------
    UsageError
        When it is none of them: the app was set to write averages.
    """
    gaps_s = np.diff(stamps_s)
    going = gaps_s < _grid.PAUSE_S
    if not going.any() or gaps_s[going].sum() <= 0:
        usual_s = float(np.median(gaps_s)) if len(gaps_s) else 0.0
        came = 1 / usual_s if usual_s > 0 else 0.0
    else:
        came = float(going.sum() / gaps_s[going].sum())
    nearest = min(RATES_HZ, key=lambda rate: abs(rate - came))
    if abs(nearest - came) > RATE_OFF * nearest:
        raise UsageError(
            f"{str(path)!r} has {came:.4g} rows a second and a Muse 256 samples. Set the recording "
            f"interval of Mind Monitor to 'Constant', which writes them all, or say the rate as "
            f"sfreq."
        )
    return nearest
