# SPDX-License-Identifier: BSD-3-Clause
"""A writer of EDF and BDF files whose every header field is free, right or wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

COLUMNS = {
    "label": 16,
    "transducer": 80,
    "unit": 8,
    "physical_min": 8,
    "physical_max": 8,
    "digital_min": 8,
    "digital_max": 8,
    "prefilter": 80,
    "n_samples": 8,
    "reserved": 32,
}
FILE = {
    "version": 8,
    "patient": 80,
    "recording": 80,
    "date": 8,
    "time": 8,
    "header_bytes": 8,
    "kind": 44,
    "n_records": 8,
    "record_s": 8,
    "n_signals": 4,
}


@dataclass(frozen=True, eq=False)
class Signal:
    """Samples in the physical unit, and what the header says of them; ``fields`` go before."""

    name: str
    samples: NDArray[np.float64]
    per_record: int = 100
    unit: str = "uV"
    limits: tuple[float, float] = (-3276.8, 3276.7)
    fields: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Recording:
    """A file to write: ``starts_s`` of each record, ``notes`` (onset, duration, text).

    A text stands in the last record that began before it, also when that had ended.
    """

    signals: Sequence[Signal]
    record_s: float = 1.0
    kind: str = "EDF+C"
    starts_s: Sequence[float] | None = None
    notes: Sequence[tuple[float, float, str]] = ()
    encoding: str = "utf-8"
    is_bdf: bool = False
    fields: dict[str, str] = field(default_factory=dict)

    def but(self, **changes: object) -> Recording:
        """The same file with something else."""
        return replace(self, **changes)  # type: ignore[arg-type]


def write(path: Path, file: Recording) -> Path:
    """Write a recording; its records are as many as the first signal fills."""
    first = file.signals[0]
    n_records = first.samples.size // first.per_record
    starts = file.starts_s or [i * file.record_s for i in range(n_records)]
    width = 3 if file.is_bdf else 2
    texts = [_texts(file, starts, i) for i in range(n_records)]
    text_samples = -(-max(map(len, texts)) // width)
    limit = 2 ** (8 * width - 1)
    columns = [_column(signal, limit) for signal in file.signals]
    columns.append(
        {
            "label": "BDF Annotations" if file.is_bdf else "EDF Annotations",
            "physical_min": "-1",
            "physical_max": "1",
            "digital_min": str(-limit),
            "digital_max": str(limit - 1),
            "n_samples": str(text_samples),
        }
    )
    head = {
        "version": "0",
        "patient": "X X X X",
        "recording": "Startdate 01-JAN-2020 X X X",
        "date": "01.01.20",
        "time": "10.00.00",
        "header_bytes": str(256 * (1 + len(columns))),
        "kind": file.kind,
        "n_records": str(n_records),
        "record_s": f"{file.record_s:g}",
        "n_signals": str(len(columns)),
    } | file.fields
    content = b"".join(_field(head[name], size) for name, size in FILE.items())
    if file.is_bdf:
        content = b"\xffBIOSEMI" + content[8:]
    for name, size in COLUMNS.items():
        content += b"".join(_field(column.get(name, ""), size) for column in columns)
    for i in range(n_records):
        content += b"".join(_counts(signal, i, width) for signal in file.signals)
        content += texts[i].ljust(text_samples * width, b"\0")
    path.write_bytes(content)
    return path


def _column(signal: Signal, limit: int) -> dict[str, str]:
    return {
        "label": signal.name,
        "unit": signal.unit,
        "physical_min": f"{signal.limits[0]:g}",
        "physical_max": f"{signal.limits[1]:g}",
        "digital_min": str(-limit),
        "digital_max": str(limit - 1),
        "n_samples": str(signal.per_record),
    } | signal.fields


def _field(text: str, size: int) -> bytes:
    return text.encode("latin-1")[:size].ljust(size)


def _counts(signal: Signal, record: int, width: int) -> bytes:
    low, high = signal.limits
    limit = 2 ** (8 * width - 1)
    part = signal.samples[record * signal.per_record :][: signal.per_record]
    counts = np.round((part - low) / (high - low) * (2 * limit - 1) - limit)
    words = np.clip(counts, -limit, limit - 1).astype("<i4")
    return words.view(np.uint8).reshape(-1, 4)[:, :width].tobytes()


def _texts(file: Recording, starts: Sequence[float], record: int) -> bytes:
    begin = starts[record]
    end = starts[record + 1] if record + 1 < len(starts) else begin + file.record_s
    found = _stamp(begin) + b"\x14\x14\0"
    for onset, duration, text in file.notes:
        if begin <= onset < end:
            lasts = b"\x15%g" % duration if duration else b""
            found += _stamp(onset) + lasts + b"\x14" + text.encode(file.encoding) + b"\x14\0"
    return found


def _stamp(seconds: float) -> bytes:
    return f"{seconds:+.6f}".rstrip("0").rstrip(".").encode()
