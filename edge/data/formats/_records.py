# SPDX-License-Identifier: BSD-3-Clause
"""Describe EDF and BDF files: MNE's samples, with the units, pauses and texts that it hides."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edge.data.description import (
    PER_VOLT,
    Annotation,
    Channel,
    Description,
    Hints,
    Samples,
    Span,
    understood,
)
from edge.data.formats import _mne
from edge.data.formats._edf_clock import Clock, Stamp, clock, stamps
from edge.data.formats._edf_header import Signal, read_header
from edge.errors import UsageError
from firmware_bridge.signal.contract import UNKNOWN


def open_records(
    path: Path, hints: Hints, width_bytes: int, reader: Callable[..., Any]
) -> Description:
    """Describe an EDF or BDF file; ``reader`` is MNE's function for it."""
    header = read_header(path, width_bytes)
    entries = list(stamps(header))
    encoding, notes = _encoding(path, entries, hints)
    ticking = clock(header, entries)
    raw, warned = _mne.call(path, lambda: _opened(reader, path, ()))
    signals = [signal for signal in header.signals if not signal.is_text]
    channels = tuple(
        _channel(name, header.rate(signal), signal)
        for name, signal in zip(raw.ch_names, signals, strict=True)
    )
    by_rate = _ByRate(path, reader, channels, raw)
    slack_s = 0.5 / max(channel.sfreq for channel in channels)
    texts, dropped = _annotations(entries, ticking, encoding, raw.ch_names, slack_s)
    codes = [code for rate in by_rate.rates for code in _mne.triggers(by_rate.raw(rate))]
    edges_s = [header.record_s * record for record in (0, *ticking.pauses, header.n_records)]
    said = [
        (dropped > 0, f"{dropped} annotations lie in pauses of the recorder and are left out"),
        (
            header.surplus,
            f"its header counts fewer records than it holds; all {header.n_records} are read",
        ),
    ]
    return Description(
        path=path,
        files=(path,),
        channels=channels,
        pieces=tuple(Span(a, b) for a, b in itertools.pairwise(edges_s)),
        annotations=tuple(sorted((*texts, *codes), key=lambda a: a.onset_s)),
        source=by_rate.read,
        notes=(
            *notes,
            *(f"{path.name}: {text}" for is_so, text in said if is_so),
            *(note for note in warned if "Number of records" not in note),
        ),
    )


def _opened(reader: Callable[..., Any], path: Path, exclude: Sequence[str]) -> Any:
    # Latin-1 reads any byte. Texts are decoded here; MNE would raise where they are not UTF-8.
    return reader(
        path, exclude=exclude, exclude_after_unique=True, encoding="latin-1", verbose="ERROR"
    )


class _ByRate:
    """A file through MNE, a ``Raw`` for the channels of each rate: MNE would upsample slow ones."""

    def __init__(
        self, path: Path, reader: Callable[..., Any], channels: Sequence[Channel], every: Any
    ) -> None:
        self.path, self.reader = path, reader
        self.rate_of = {channel.name: channel.sfreq for channel in channels}
        self.rates = tuple(dict.fromkeys(self.rate_of.values()))
        self.opened = {self.rates[0]: every} if len(self.rates) == 1 else {}

    def raw(self, rate: float) -> Any:
        """The ``Raw`` of a rate's channels alone."""
        if rate not in self.opened:
            others = [name for name, own in self.rate_of.items() if own != rate]
            self.opened[rate], _ = _mne.call(
                self.path, lambda: _opened(self.reader, self.path, others)
            )
        return self.opened[rate]

    def read(self, names: Sequence[str], start: int, stop: int) -> Samples:
        """See :class:`~edge.data.description.Description`."""
        [rate] = {self.rate_of[name] for name in names}
        return _mne.reading(self.raw(rate))(names, start, stop)


def _channel(name: str, sfreq: float, signal: Signal) -> Channel:
    unit = understood(signal.unit)
    per_volt = 1.0 if unit == UNKNOWN else PER_VOLT[unit]
    low, high = sorted(limit / per_volt for limit in signal.physical)
    return Channel(name, sfreq, signal.unit, unit, low, high, signal.fault())


def _encoding(path: Path, entries: Sequence[Stamp], hints: Hints) -> tuple[str, tuple[str, ...]]:
    """The encoding of a file's texts: what the contract says, else UTF-8, else Latin-1 with a note.

    Raises
    ------
    UsageError
        When the contract names an encoding that the texts are not in.
    """
    every = b"\n".join(text for entry in entries for text in entry.texts)
    if hints.encoding is not None:
        try:
            every.decode(hints.encoding)
        except UnicodeDecodeError:
            raise UsageError(
                f"The annotations of {str(path)!r} are not in {hints.encoding!r}, which the "
                f'contract\'s signal.encoding says. Correct it, e.g. encoding = "latin-1".'
            ) from None
        return hints.encoding, ()
    try:
        every.decode("utf-8")
    except UnicodeDecodeError:
        note = (
            f"{path.name}: its annotations are not in UTF-8 and are read as Latin-1; write "
            f'encoding = "…" under [signal] in the contract if they are in another encoding'
        )
        return "latin-1", (note,)
    return "utf-8", ()


def _annotations(
    entries: Sequence[Stamp], ticking: Clock, encoding: str, names: Sequence[str], slack_s: float
) -> tuple[tuple[Annotation, ...], int]:
    """Annotations in seconds of signal, and how many lie in pauses."""
    origin_s = next((e.onset_s for e in entries[:1] if e.texts and not e.texts[0]), 0.0)
    kept, dropped = [], 0
    for entry in entries:
        start_s, is_running = ticking.signal_s(entry.onset_s - origin_s, slack_s)
        stop_s, _ = ticking.signal_s(entry.onset_s - origin_s + entry.duration_s, slack_s)
        for encoded in entry.texts:
            text = encoded.decode(encoding)
            if not text:
                continue
            what, _, channel = text.partition("@@")  # as MNE: a text about one channel
            found = Annotation(
                start_s, max(stop_s - start_s, 0.0), what if channel in names else text
            )
            if is_running or (found.is_bad and found.duration_s > 0):
                kept.append(found)
            else:
                dropped += 1
    return tuple(kept), dropped
