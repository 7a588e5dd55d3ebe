# SPDX-License-Identifier: BSD-3-Clause
"""EDF and BDF: the header and the record times that MNE hides.

The header is ASCII: 256 bytes for the file and 256 for each signal, in columns (Kemp et al. 1992).
Then come data records of equal length; each holds some samples of every signal, so that a signal's
rate is its own. In EDF+ and BDF+ (Kemp & Olivan 2003) a signal "EDF Annotations" holds texts: the
first of every record says when the record began, and only there a pause of the recorder shows.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

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
from edge.errors import UsageError
from firmware_bridge.signal.contract import UNKNOWN

TEXT_LABELS = ("EDF Annotations", "BDF Annotations")
ONSET = re.compile(rb"[+-]\d+\.?\d*$")
FIELDS = {  # of a signal: first byte and width, as if there were one signal
    "label": (0, 16),
    "unit": (96, 8),
    "physical_min": (104, 8),
    "physical_max": (112, 8),
    "digital_min": (120, 8),
    "digital_max": (128, 8),
    "n_samples": (216, 8),
}


@dataclass(frozen=True)
class Signal:
    """A signal as the header describes it; ``n_samples`` are of one record."""

    label: str
    unit: str
    physical: tuple[float, float]
    digital: tuple[float, float]
    n_samples: int

    @property
    def is_text(self) -> bool:
        """Whether it holds annotations and no samples."""
        return self.label in TEXT_LABELS

    def fault(self) -> str:
        """Why its samples have no scale; empty where they have one."""
        for what, (low, high) in (("digital", self.digital), ("physical", self.physical)):
            if not np.isfinite([low, high]).all() or low == high:
                return f"its header gives a {what} range of {low:g} to {high:g}, which is no scale"
        return ""


@dataclass(frozen=True)
class Header:
    """A header; ``width_bytes`` of a sample are 2 in EDF and 3 in BDF."""

    path: Path
    kind: str
    header_bytes: int
    n_records: int
    record_s: float
    signals: tuple[Signal, ...]
    width_bytes: int
    surplus: bool

    @property
    def record_samples(self) -> int:
        """Samples of all signals in one record."""
        return sum(signal.n_samples for signal in self.signals)

    def rate(self, signal: Signal) -> float:
        """Rate of a signal, Hz, computed as MNE does."""
        return signal.n_samples * 1.0 / self.record_s


def read_header(path: Path, width_bytes: int) -> Header:
    """Read a header and compare what it promises with the file's size.

    Raises
    ------
    UsageError
        When it is no header, or promises more than there is.
    """
    what = "EDF" if width_bytes == 2 else "BDF"
    try:
        with path.open("rb") as stream:
            head = stream.read(256)
            header_bytes, n_records, n_signals = (
                int(_text(head[a:b])) for a, b in ((184, 192), (236, 244), (252, 256))
            )
            record_s = float(_text(head[244:252]))
            if not 0 < n_signals <= 9999:
                raise ValueError("no signals")
            signals = tuple(_signals(stream.read(256 * n_signals), n_signals))
    except (ValueError, IndexError):
        raise UsageError(
            f"{str(path)!r} is not an {what} file: its header is not one, or is cut off. "
            f"Fetch it again."
        ) from None
    kind = head[192:236].decode("latin-1").strip()
    header = Header(
        path, kind, header_bytes, n_records, record_s, signals, width_bytes, surplus=False
    )
    return _sized(header, what)


def _sized(header: Header, what: str) -> Header:
    """The same with the number of records that the file really holds."""
    path, record_bytes = header.path, header.record_samples * header.width_bytes
    wrong = [
        (not header.record_s > 0 or not np.isfinite(header.record_s), "records last no time"),
        (min(s.n_samples for s in header.signals) < 0, "a signal has fewer than no samples"),
        (not record_bytes, "records hold no samples"),
        (header.header_bytes != 256 * (1 + len(header.signals)), "its length is not as it says"),
        (all(s.is_text for s in header.signals), "there is no signal, only annotations"),
    ]
    for is_so, why in wrong:
        if is_so:
            raise UsageError(
                f"{str(path)!r} has an {what} header that contradicts itself: {why}. Fetch it "
                f"again, or export it anew."
            )
    actual = path.stat().st_size
    promised = header.header_bytes + max(header.n_records, 0) * record_bytes
    if actual < promised:
        raise UsageError(
            f"{str(path)!r} is truncated: its header promises {promised:,} bytes and it has "
            f"{actual:,}. Fetch it again."
        )
    held = (actual - header.header_bytes) // record_bytes
    if not held:
        raise UsageError(f"{str(path)!r} holds a header and no data. Fetch it again.")
    surplus = header.n_records >= 0 and held != header.n_records
    return Header(
        path,
        header.kind,
        header.header_bytes,
        held,
        header.record_s,
        header.signals,
        header.width_bytes,
        surplus,
    )


def _text(field: bytes) -> str:
    """A field as MNE reads it: what stands before a NUL."""
    return field.decode("latin-1").split("\0")[0]


def _number(field: bytes) -> float:
    """A number as MNE reads it: spaces around it, and a decimal comma, are let pass."""
    return float(_text(field).replace(",", "."))


def _signals(table: bytes, n: int) -> Iterator[Signal]:
    def column(name: str) -> list[bytes]:
        first, width = FIELDS[name]
        fields = [table[first * n + i * width :][:width] for i in range(n)]
        if any(len(field) < width for field in fields):
            raise ValueError(name)
        return fields

    labels, units = (
        [field.strip().decode("latin-1") for field in column(name)] for name in ("label", "unit")
    )
    limits = {
        name: [_number(field) for field in column(name)]
        for name in ("physical_min", "physical_max", "digital_min", "digital_max")
    }
    lengths = [int(_text(field)) for field in column("n_samples")]
    for i in range(n):
        yield Signal(
            labels[i],
            units[i],
            (limits["physical_min"][i], limits["physical_max"][i]),
            (limits["digital_min"][i], limits["digital_max"][i]),
            lengths[i],
        )


@dataclass(frozen=True)
class Stamp:
    """A text of an annotation signal, on the recorder's clock; texts are bytes still."""

    record: int
    onset_s: float
    duration_s: float
    texts: tuple[bytes, ...]


def stamps(header: Header) -> Iterator[Stamp]:
    """Return every entry of the annotation signals, in the file's order."""
    edges = np.cumsum([0, *(s.n_samples for s in header.signals)]) * header.width_bytes
    places = [
        (int(a), int(b))
        for signal, a, b in zip(header.signals, edges[:-1], edges[1:], strict=True)
        if signal.is_text
    ]
    if not places:
        return
    shape = (header.n_records, int(edges[-1]))
    records = np.memmap(header.path, np.uint8, "r", header.header_bytes, shape)
    for record in range(header.n_records):
        for a, b in places:
            for entry in records[record, a:b].tobytes().split(b"\0"):
                head, *texts = entry.split(b"\x14")
                onset, _, duration = head.partition(b"\x15")
                if texts and ONSET.match(onset):
                    lasts = float(duration) if re.fullmatch(rb"\d+\.?\d*", duration) else 0.0
                    yield Stamp(record, float(onset), lasts, tuple(texts[:-1]))


@dataclass(frozen=True)
class Clock:
    """When each record began, seconds after the first one, and what that says of pauses."""

    starts_s: Samples
    record_s: float
    pauses: tuple[int, ...]

    def signal_s(self, time_s: float, slack_s: float) -> tuple[float, bool]:
        """Return a time of the clock as seconds of signal, and whether the recorder ran."""
        record = max(int(np.searchsorted(self.starts_s, time_s + slack_s, "right")) - 1, 0)
        since_s = time_s - float(self.starts_s[record])
        if record + 1 in self.pauses and since_s >= self.record_s - slack_s:
            return (record + 1) * self.record_s, False
        return record * self.record_s + since_s, True


def clock(header: Header, entries: Sequence[Stamp]) -> Clock:
    """When each record began, from the first entry of each.

    Raises
    ------
    UsageError
        When a record begins before the one ahead of it has ended, or an interrupted recording
        does not say when its records began.
    """
    begun: dict[int, float] = {}
    for entry in entries:
        if entry.record not in begun and entry.texts and not entry.texts[0]:
            begun[entry.record] = entry.onset_s
    n = header.n_records
    if len(begun) < n:
        if header.kind.upper().startswith(("EDF+D", "BDF+D")):
            raise UsageError(
                f"{str(header.path)!r} is an interrupted recording ({header.kind}) and does not "
                f"say when {n - len(begun)} of its {n} records began. Export it anew."
            )
        return Clock(np.arange(n, dtype=np.float64) * header.record_s, header.record_s, ())
    starts = np.array([begun[record] for record in range(n)])
    late_s = np.diff(starts) - header.record_s
    slack_s = 0.5 / max(header.rate(s) for s in header.signals if not s.is_text)
    early = np.flatnonzero(late_s < -slack_s)
    if len(early):
        record = int(early[0]) + 1
        raise UsageError(
            f"{str(header.path)!r} says that record {record + 1} began at {starts[record]:g} s, "
            f"before record {record} had ended at {starts[record - 1] + header.record_s:g} s. "
            f"Export it anew."
        )
    pauses = tuple(int(i) + 1 for i in np.flatnonzero(late_s > slack_s))
    return Clock(starts - starts[0], header.record_s, pauses)


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
