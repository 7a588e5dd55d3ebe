# SPDX-License-Identifier: BSD-3-Clause
"""Read when each record of an EDF+ or BDF+ file began, and with it where the recorder paused.

In EDF+ and BDF+ (Kemp & Olivan 2003) a signal "EDF Annotations" holds texts: the first of every
record says when the record began, and only there a pause of the recorder shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edge.data.description import Samples
from edge.data.formats._edf_header import Header
from edge.errors import UsageError

ONSET = re.compile(rb"[+-]\d+\.?\d*$")


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
