# SPDX-License-Identifier: BSD-3-Clause
"""Read the header of an EDF or BDF file, which says more than MNE hands on.

The header is ASCII: 256 bytes for the file and 256 for each signal, in columns (Kemp et al. 1992).
Then come data records of equal length; each holds some samples of every signal, so that a signal's
rate is its own.

edfio 0.4.18 reads headers too and is not used here. It refuses files that MNE reads, and so would
we: a decimal comma, a NUL behind a number, an annotation that is not UTF-8. A truncated file it
reads with a warning, where we refuse it. And it keeps to itself when each record began, which is
what pauses are found by. Our tests write files with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.errors import UsageError

TEXT_LABELS = ("EDF Annotations", "BDF Annotations")
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
