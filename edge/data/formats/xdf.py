# SPDX-License-Identifier: BSD-3-Clause
"""XDF, what LabRecorder writes of the Lab Streaming Layer: streams, each on its own clock.

pyxdf brings the streams onto one clock. One of them is the signal: the only one of type "EEG", or
the one that ``stream`` names. Its times are those of arrival, or of the device: holes in them are
losses and pauses, and between these a straight line through them, as in pyxdf's removal of jitter,
says at which sample an event of another stream lies.

The streams follow xdf-modules/example-files (``minimal.md``), their meta-data sccn/xdf's wiki.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge.data.description import Annotation, Description, Hints, Samples
from edge.data.formats import _events, _grid, _xdf
from edge.data.formats._describe import described
from edge.errors import UsageError, listing

SUFFIXES = (".xdf", ".xdfz")
OPTIONS = {
    "stream": "name, type or source_id of the signal's stream, where not only one is of type EEG",
    "markers": "name, type or source_id of the stream of the events, or a channel of the signal; "
    "without it every stream of texts and of type Markers",
    "sfreq": "rate in Hz, where the stream says none or a wrong one",
}
RATE_OFF = 0.02
"""Share by which the rate of a stream may be off what it says."""


def recognizes(path: Path) -> bool:  # noqa: ARG001  # no other format has these suffixes
    """Every file of the suffixes; pyxdf checks it on opening."""
    return True


def open_recording(path: Path, hints: Hints) -> Description:
    """Describe the signal's stream of an XDF file, with the events of the others.

    Raises
    ------
    UsageError
        When it is not clear which stream is meant, or it has no samples or another rate.
    """
    streams, notes = _xdf.load(path)
    signal = _xdf.signal(path, streams, hints.text("stream"))
    stamps_s = np.asarray(signal["time_stamps"], np.float64)
    sfreq = hints.number("sfreq") or _xdf.nominal(signal)
    if len(stamps_s) < 2:
        raise UsageError(f"Stream {_xdf.said(signal)} of {str(path)!r} holds no samples.")
    if not np.isfinite(stamps_s).all():
        raise UsageError(f"Stream {_xdf.said(signal)} of {str(path)!r} has times that are none.")
    lost, is_pause = _grid.interruptions(stamps_s, sfreq)
    rows = _xdf.samples(signal)
    placed = _grid.grid(rows, sfreq, lost, is_pause)
    clock = _Clock(placed, stamps_s)
    if hints.number("sfreq") is None:
        _refuse_rate(path, signal, sfreq, clock)
    channels = _xdf.channels(signal, sfreq)
    asked = hints.text("markers")
    names = [channel.name for channel in channels]
    if asked in names:
        codes = rows[:, names.index(asked)]
        found, n_outside = _events.from_codes(codes, placed.number, sfreq), 0
    else:
        found, n_outside = _annotations(path, streams, asked, clock, sfreq)
    if n_outside:
        notes.append(f"{n_outside} events lie outside of the signal and are left out")
    return described(
        path,
        channels,
        placed.samples,
        placed.joints,
        found,
        (*(f"{path.name}: {note}" for note in notes), *placed.notes(path.name)),
    )


class _Clock:
    """From times to samples: a straight line in each stretch between joints."""

    def __init__(self, placed: _grid.Grid, stamps_s: Samples) -> None:
        self.edges = [0, *placed.joints, placed.samples.shape[1]]
        self.lines = []
        for a, b in zip(self.edges[:-1], self.edges[1:], strict=True):
            inside = (placed.number >= a) & (placed.number < b)
            number, times = placed.number[inside], stamps_s[inside]
            slope = np.polyfit(number - a, times - times[0], 1) if len(times) > 1 else (0.0, 0.0)
            self.lines.append((float(slope[1] + times[0]), float(slope[0])))

    def period_s(self) -> float:
        """Of the longest stretch."""
        lengths = np.diff(self.edges)
        return self.lines[int(np.argmax(lengths))][1]

    def sample(self, time_s: float) -> float | None:
        """The sample of a time, between samples too; None where there is no signal."""
        for (start_s, period_s), a, b in zip(
            self.lines, self.edges[:-1], self.edges[1:], strict=True
        ):
            at = a + (time_s - start_s) / period_s if period_s > 0 else float(a)
            if a - 0.5 <= at < b:
                return max(at, float(a))
        return None


def _annotations(
    path: Path, streams: Sequence[_xdf.Stream], asked: str | None, clock: _Clock, sfreq: float
) -> tuple[tuple[Annotation, ...], int]:
    """Events in seconds of signal, and how many lie outside of it."""
    if asked is None:
        chosen = [
            s
            for s in streams
            if _xdf.field(s, "channel_format") == "string"
            or (_xdf.nominal(s) == 0 and "marker" in _xdf.field(s, "type").lower())
        ]
    else:
        chosen = [s for s in streams if _xdf.matches(s, asked)]
        if not chosen:
            raise UsageError(
                f"{str(path)!r} has no stream and no channel {asked!r} of events; its streams are "
                f"{listing(_xdf.field(s, 'name') for s in streams)}."
            )
    found, n_outside = [], 0
    for stream in chosen:
        for time_s, values in zip(stream["time_stamps"], stream["time_series"], strict=True):
            text = "/".join(filter(None, map(_text, values)))
            at = clock.sample(float(time_s))
            if text and at is not None:
                found.append(Annotation(at / sfreq, 0.0, text))
            n_outside += bool(text) and at is None
    return tuple(found), n_outside


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else f"{float(value):.15g}"  # type: ignore[arg-type]


def _refuse_rate(path: Path, stream: _xdf.Stream, sfreq: float, clock: _Clock) -> None:
    period_s = clock.period_s()
    came = 1 / period_s if period_s > 0 else 0.0
    if abs(came - sfreq) > RATE_OFF * sfreq:
        raise UsageError(
            f"Stream {_xdf.said(stream)} of {str(path)!r} says {sfreq:g} Hz and has {came:.4g} "
            f"samples a second by its times. Say the rate as sfreq, or record it again."
        )
