# SPDX-License-Identifier: BSD-3-Clause
"""Events that stand in a column of a recording, or in a second file beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.data.description import Annotation, Description, Samples
from edge.data.formats import _table
from edge.errors import UsageError, listing

ONSETS_S, SAMPLES = ("onset", "latency"), ("sample", "begsample")
"""Columns of a file of events, in small letters: when, in seconds or as the number of a sample."""
TEXTS = ("trial_type", "type", "label", "marker", "event", "description", "value")
"""What, the first of these that is there. BIDS writes trial_type, EmotivPRO writes type."""
DURATION = "duration"


def from_codes(codes: Samples, number: NDArray[np.int64], sfreq: float) -> tuple[Annotation, ...]:
    """Return an event at each row whose code is not 0 and differs from the row before."""
    codes = np.nan_to_num(codes)
    begins = np.flatnonzero((codes != 0) & (np.diff(codes, prepend=0) != 0))
    return tuple(Annotation(float(number[i]) / sfreq, 0.0, f"{codes[i]:.15g}") for i in begins)


def from_texts(
    texts: Sequence[str],
    number: NDArray[np.int64],
    sfreq: float,
    trials: Sequence[str] | None = None,
) -> tuple[Annotation, ...]:
    """Return an event at each row whose text is neither empty nor 0 and differs from the last.

    Numbers are written alike, ``1.000`` as ``1``. Where ``trials`` says which trial each row is of,
    a trial with the text of the one before is an event as well.
    """
    found, before = [], ("", "")
    for i, written in enumerate(texts):
        here = (written, "" if trials is None else trials[i])
        if here == before:
            continue
        before = here
        text = f"{float(written):.15g}" if _table.is_number(written) else written
        if text not in ("", "0", "nan"):
            found.append(Annotation(float(number[i]) / sfreq, 0.0, text))
    return tuple(found)


def is_held(texts: Sequence[str]) -> bool:
    """Return whether texts stand in most rows, so that equal ones in a row look like one event."""
    return 2 * sum(text not in ("", "0") for text in texts) > len(texts)


def is_events_file(lines: Sequence[str]) -> bool:
    """Return whether the first line of a file names the columns of a list of events."""
    if not lines:
        return False
    separator = max(_table.SEPARATORS, key=lines[0].count)
    names = {name.lower() for name in _table.fields(lines[0], separator)}
    has_time = bool(names.intersection((*ONSETS_S, *SAMPLES)))
    return has_time and bool(names.intersection((*TEXTS, DURATION)))


def with_second_file(recording: Description, pattern: str) -> Description:
    """Return a recording with the events of a file beside it, instead of its own.

    Parameters
    ----------
    pattern
        The file's name, relative to the recording's folder; ``{stem}`` is the recording's name
        without its suffix.

    Raises
    ------
    UsageError
        When there is no such file, or it is no list of events.
    """
    path = recording.path.parent / pattern.replace("{stem}", recording.path.stem)
    if not path.is_file():
        raise UsageError(
            f"{recording.name} has its events in {str(path)!r}, says the option events, and there "
            f'is no such file. Write e.g. events = "{{stem}}_events.tsv".'
        )
    found = _read(path, recording)
    marks = (a for a in recording.annotations if a.is_joint or a.is_bad)
    return replace(
        recording,
        annotations=tuple(sorted((*marks, *found), key=lambda a: a.onset_s)),
    )


def _read(path: Path, recording: Description) -> list[Annotation]:
    lines = _table.head(path)
    if not is_events_file(lines):
        raise UsageError(
            f"{str(path)!r} is no list of events: its first line has to name a column of "
            f"{listing((*ONSETS_S, *SAMPLES))} and one of {listing(TEXTS)}."
        )
    separator = _table.separator_of(path, lines[0])
    own = tuple(_table.fields(lines[0], separator))
    layout = _table.Layout(path, tuple(name.lower() for name in own), separator, 1)
    when = _first(layout.names, (*SAMPLES, *ONSETS_S))
    what = _first(layout.names, TEXTS)
    numeric = [when, *([DURATION] if DURATION in layout.names else [])]
    layout.require([*numeric, what], "a list of events")
    table = _table.load(layout, numeric, [what], blank_is_nan=True)
    sfreq = recording.channels[0].sfreq
    unit_s = 1 / sfreq if when in SAMPLES else 1.0
    if when in ONSETS_S and len(recording.pieces) > 1:
        raise UsageError(
            f"{recording.name} begins anew {len(recording.pieces) - 1} times, and whether the "
            f"seconds in {path.name} count the time between is not known. Give the number of the "
            f"sample instead, in a column 'sample'."
        )
    return [
        Annotation(float(row[0]) * unit_s, _duration(row[1:]), text)
        for row, text in zip(table.numbers, table.texts[what], strict=True)
        if np.isfinite(row[0]) and text
    ]


def _first(names: Sequence[str], wanted: Sequence[str]) -> str:
    return next((name for name in wanted if name in names), wanted[0])


def _duration(rest: Samples) -> float:
    return float(rest[0]) if len(rest) and np.isfinite(rest[0]) else 0.0
