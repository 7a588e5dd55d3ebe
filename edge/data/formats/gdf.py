# SPDX-License-Identifier: BSD-3-Clause
"""General Data Format (Schlögl, arXiv:cs/0608052), through MNE, with the BCI Competitions' events.

What a recorder missed has the least value that a file can hold, in every channel at once; BioSig
reads it as NaN and MNE as that value. Here it is no signal: recordings of BCI Competition IV keep
their runs apart by a hundred such samples. Two codes of theirs are no events of the subject: 32766
begins a run, 1023 marks the trial behind it as rejected, which is a bad span.

The events follow the competition's descriptions of data sets 2a and 2b
(https://www.bbci.de/competition/iv/desc_2a.pdf), the missing values mne-tools/mne-python issues
4327 and 9895, which show what BioSig reads of ``A01T.gdf``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edge.data.description import PER_VOLT, Annotation, Description, Hints, Samples
from edge.data.formats import _mne
from edge.errors import UsageError
from firmware_bridge.signal.contract import UNKNOWN

SUFFIXES = (".gdf",)
UNITS = {4275: "uV", 4274: "mV", 4256: "V"}
"""Codes of physical dimensions in GDF 2 (ISO/IEEE 11073): 4256 is the volt, the rest prefixes."""

SIZES_BITS = {3: 16, 4: 16, 5: 32, 6: 32, 7: 64, 8: 64, 16: 32, 17: 64, 279: 24, 535: 24}
"""Of a sample, by the number of its type, where that is not a byte."""
TRIAL, REJECTED, NEW_RUN = "768", "1023", "32766"
"""Codes of the BCI Competitions that mark the recording and not what the subject did."""
PIECE = 1 << 16
"""Samples that are looked through at once."""


def recognizes(path: Path) -> bool:  # noqa: ARG001  # no other format has this suffix
    """Recognize every file of the suffix; MNE checks it on opening."""
    return True


def open_recording(path: Path, hints: Hints) -> Description:  # noqa: ARG001
    """Describe a GDF file; its events are codes of the file's event table."""
    mne = _mne.import_mne()
    _refuse_short(path)
    raw, notes = _mne.call(path, lambda: mne.io.read_raw_gdf(path, verbose="ERROR"))
    n_channels = len(raw.ch_names)
    channels = [
        replace(channel, written_unit=str(written), unit=unit, low=low / scale, high=high / scale)
        for channel, (written, unit), (low, high) in zip(
            _mne.channels_of(raw), _units(path, n_channels), _ranges(path, n_channels), strict=True
        )
        for scale in [1.0 if unit == UNKNOWN else PER_VOLT[unit]]
    ]
    texts = _mne.annotations_of(raw)
    least = np.array([[channel.low] for channel in channels])
    holes = _holes(raw, least)
    sfreq = float(raw.info["sfreq"])
    rejected = _rejected(texts, raw.n_times, sfreq)
    begins = [round(a.onset_s * sfreq) for a in texts if a.text == NEW_RUN]
    return _mne.describe(raw, path, channels, (*texts, *rejected, *holes), begins, notes)


def _refuse_short(path: Path) -> None:
    """Raise when a header promises more records than its file can hold.

    Raises
    ------
    UsageError
        With both sizes; also when it is no header.
    """
    with path.open("rb") as stream:
        head = stream.read(256)
        n_channels = int.from_bytes(head[252:254], "little")
        table = stream.read(256 * n_channels)
    if not head.startswith(b"GDF ") or len(table) < 256 * n_channels or not n_channels:
        raise UsageError(
            f"{str(path)!r} is not a GDF file: its header is not one, or is cut off. Fetch it "
            f"again."
        )
    counts, kinds = (
        np.frombuffer(table[at * n_channels :][: 4 * n_channels], "<i4") for at in (216, 220)
    )
    n_records = int.from_bytes(head[236:244], "little", signed=True)
    bits = sum(int(n) * SIZES_BITS.get(int(kind), 8) for n, kind in zip(counts, kinds, strict=True))
    promised, there = len(head) + len(table) + max(n_records, 0) * bits // 8, path.stat().st_size
    if promised > there or (counts < 0).any():
        raise UsageError(
            f"{str(path)!r} is cut off: its header promises {promised} bytes and it has {there}. "
            f"Fetch it again."
        )


def _holes(raw: Any, least: Samples) -> list[Annotation]:
    """Return the stretches that the recorder missed, as MNE marks what was not recorded."""
    sfreq, n_samples = float(raw.info["sfreq"]), int(raw.n_times)
    is_missing = np.zeros(n_samples + 2, np.int8)
    for start in range(0, n_samples, PIECE):
        stop = min(start + PIECE, n_samples)
        samples = raw.get_data(start=start, stop=stop, verbose="ERROR")
        slack = 1e-9 * np.abs(least)
        is_missing[1 + start : 1 + stop] = (np.isnan(samples) | (samples <= least + slack)).all(0)
    edges = np.flatnonzero(np.diff(is_missing))
    return [
        Annotation(int(a) / sfreq, int(b - a) / sfreq, "BAD_ACQ_SKIP")
        for a, b in zip(edges[::2], edges[1::2], strict=True)
    ]


def _rejected(texts: Sequence[Annotation], n_samples: int, sfreq: float) -> list[Annotation]:
    """Return the rejected trials as bad spans: as long as they say, or up to the next trial.

    Where an event table has no durations, MNE gives each event one sample.
    """
    starts = sorted(a.onset_s for a in texts if a.text in (TRIAL, REJECTED, NEW_RUN))
    found = []
    for each in texts:
        if each.text == REJECTED:
            following = next((s for s in starts if s > each.onset_s), n_samples / sfreq)
            is_said = each.duration_s > 1.5 / sfreq
            length_s = each.duration_s if is_said else following - each.onset_s
            found.append(Annotation(each.onset_s, length_s, "BAD_rejected_trial"))
    return found


def _ranges(path: Path, n_channels: int) -> list[tuple[float, float]]:
    """Return the least and greatest physical value of each channel, as written."""
    with path.open("rb") as stream:
        stream.seek(256 + 104 * n_channels)
        limits = np.frombuffer(stream.read(16 * n_channels), "<f8").reshape(2, n_channels)
    return [(float(min(pair)), float(max(pair))) for pair in limits.T]


def _units(path: Path, n_channels: int) -> list[tuple[str, str]]:
    """Unit of each channel, as written and as understood: text in GDF 1, a code in GDF 2."""
    with path.open("rb") as stream:
        head = stream.read(256)
        table = stream.read(256 * n_channels)
    if float(head[4:8]) < 1.9:
        fields = [table[96 * n_channels + 8 * i :][:8] for i in range(n_channels)]
        texts = [field.split(b"\0")[0].decode("latin-1").strip() for field in fields]
        return [(text, "uV" if text.startswith("uV") else UNKNOWN) for text in texts]  # as MNE
    codes = [
        int.from_bytes(table[102 * n_channels + 2 * i :][:2], "little") for i in range(n_channels)
    ]
    return [(f"code {code}", UNITS.get(code, UNKNOWN)) for code in codes]
