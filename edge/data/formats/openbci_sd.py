# SPDX-License-Identifier: BSD-3-Clause
"""What an OpenBCI Cyton writes on its own SD card: counts of its converter, in hexadecimal.

A line holds the packet counter (a byte), 8 electrodes, or 16 with Daisy (24 bits each, in two's
complement), and now and then the accelerometer. Nothing in it says rate or gain, so both have to be
told; a count is 4.5 V / gain / (2**23 - 1).

The form follows OpenBCI/OpenBCI_GUI (``SDConverter.pde``), whose constants are those of
``BoardCyton.pde``, and roflecopter/openbci-psg, which converts such files for sleep recordings.
"""

from __future__ import annotations

import re
from array import array
from pathlib import Path

import numpy as np

from edge.data.description import Channel, Description, Hints, Samples
from edge.data.formats import _grid, _table
from edge.data.formats._describe import described
from edge.errors import UsageError, invalid_value

SUFFIXES = (".txt",)
OPTIONS = {"sfreq": "rate in Hz", "gain": "of the amplifier, which a Cyton sets to 24"}
ROW = re.compile(r"[0-9A-F]{2}(,[0-9A-F]{6}){8}(?:(,[0-9A-F]{6}){8})?(,[0-9A-F]{4}){0,3}\s*$", re.I)
ELECTRODES = (8, 16)
ACCELEROMETER = 3
REFERENCE_V = 4.5
FULL = (1 << 23) - 1
GAINS = ("1", "2", "4", "6", "8", "12", "24")
"""Of the ADS1299."""


def recognizes(path: Path) -> bool:
    """Recognize the first row behind lines that begin with "%"."""
    rows = [line for line in _table.head(path) if line and not line.startswith("%")]
    return bool(rows) and bool(ROW.match(rows[0]))


def open_recording(path: Path, hints: Hints) -> Description:
    """Describe a file of a Cyton's SD card.

    Raises
    ------
    UsageError
        When rate or gain are not told, or a row is torn.
    """
    sfreq, gain = hints.number("sfreq"), hints.number("gain")
    if sfreq is None or gain is None:
        raise UsageError(
            f"{str(path)!r} holds counts of a Cyton's SD card and says neither rate nor gain. "
            f"Write both under [file] in the contract, or as --arg of a replay, e.g. sfreq = 250 "
            f"and gain = 24."
        )
    if f"{gain:g}" not in GAINS:
        raise UsageError(invalid_value("gain", f"{gain:g}", GAINS))
    counter, counts = _rows(path)
    lost = _grid.lost_by_counter(counter)
    notes = [] if lost is not None else [f"{path.name}: {_grid.NO_RULE}"]
    if lost is None:
        lost = np.zeros(len(counts), np.int64)
    placed = _grid.grid(
        counts * (1e6 * REFERENCE_V / gain / FULL), sfreq, lost, np.zeros(len(counts), np.bool_)
    )
    limit_v = REFERENCE_V / gain
    return described(
        path,
        [
            Channel(f"EXG Channel {i}", sfreq, "count", "uV", -limit_v, limit_v)
            for i in range(counts.shape[1])
        ],
        placed.samples,
        placed.joints,
        (),
        (*notes, *placed.notes(path.name)),
    )


def _rows(path: Path) -> tuple[Samples, Samples]:
    """Return the counter (n,) and the electrodes (n, n_chans) of a file, as numbers.

    Raises
    ------
    UsageError
        When a line is no row.
    """
    values, n_fields = array("l"), 0
    with path.open(encoding="latin-1") as stream:
        for line, text in enumerate(stream, 1):
            if not text.strip() or text.startswith("%"):
                continue
            fields = text.strip().split(",")
            if not n_fields:
                n_fields = 1 + max(n for n in ELECTRODES if n < len(fields))
            if not ROW.match(text) or len(fields) not in (n_fields, n_fields + ACCELEROMETER):
                raise UsageError(
                    f"{str(path)!r} has a torn row in line {line}: a packet counter and "
                    f"{n_fields - 1} electrodes in hexadecimal belong there. Delete the line."
                )
            values.extend(int(field, 16) for field in fields[:n_fields])
    table = np.array(values, np.int64).reshape(-1, n_fields)
    counts = table[:, 1:]
    return table[:, 0].astype(np.float64), np.where(counts > FULL, counts - (1 << 24), counts)
