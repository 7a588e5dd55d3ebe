# SPDX-License-Identifier: BSD-3-Clause
"""General Data Format (Schlögl, arXiv:cs/0608052), through MNE."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from edge.data.description import Description, Hints
from edge.data.formats import _mne
from firmware_bridge.signal.contract import UNKNOWN

SUFFIXES = (".gdf",)
UNITS = {4275: "uV", 4274: "mV", 4256: "V"}
"""Codes of physical dimensions in GDF 2 (ISO/IEEE 11073): 4256 is the volt, the rest prefixes."""


def recognizes(path: Path) -> bool:  # noqa: ARG001  # no other format has this suffix
    """Recognize every file of the suffix; MNE checks it on opening."""
    return True


def open_recording(path: Path, hints: Hints) -> Description:  # noqa: ARG001
    """Describe a GDF file; its events are codes of the file's event table."""
    mne = _mne.import_mne()
    raw, notes = _mne.call(path, lambda: mne.io.read_raw_gdf(path, verbose="ERROR"))
    channels = [
        replace(channel, written_unit=str(written), unit=unit)
        for channel, (written, unit) in zip(
            _mne.channels_of(raw), _units(path, len(raw.ch_names)), strict=True
        )
    ]
    return _mne.describe(raw, path, channels, notes=notes)


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
