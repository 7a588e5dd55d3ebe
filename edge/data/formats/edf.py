# SPDX-License-Identifier: BSD-3-Clause
"""European Data Format: EDF, EDF+C, and EDF+D with its pauses."""

from __future__ import annotations

from pathlib import Path

from edge.data.description import Description, Hints
from edge.data.formats import _mne, _records, emotiv

SUFFIXES = (".edf",)
OPTIONS = {"markers": "signal of the events; without it those of EmotivPRO, where there are some"}


def recognizes(path: Path) -> bool:  # noqa: ARG001  # no other format has this suffix
    """Recognize every file of the suffix; its header is checked on opening."""
    return True


def open_recording(path: Path, hints: Hints) -> Description:
    """Describe an EDF file; see :func:`edge.data.formats._records.open_records`."""
    described = _records.open_records(path, hints, 2, _mne.import_mne().io.read_raw_edf)
    return emotiv.events_of_signals(described, hints.text("markers"))
