# SPDX-License-Identifier: BSD-3-Clause
"""BrainVision: a header (.vhdr) that names a file of samples and one of markers.

A marker of type "New Segment" says that the recorder paused there. The first one stands at the
first sample of every recording.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from edge.data.description import Description, Hints
from edge.data.formats import _mne
from firmware_bridge.signal.contract import UNKNOWN

SUFFIXES = (".vhdr",)
SEGMENT = "new segment/"
UNITS = {"": "uV", "uV": "uV", "µV": "uV", "mV": "mV", "V": "V", "nV": "nV"}
"""Units by which MNE scales. The format's specification says that none written means microvolts."""


def recognizes(path: Path) -> bool:  # noqa: ARG001  # no other format has this suffix
    """Recognize every file of the suffix; MNE checks it on opening."""
    return True


def open_recording(path: Path, hints: Hints) -> Description:  # noqa: ARG001
    """Describe a BrainVision recording."""
    mne = _mne.import_mne()
    raw, notes = _mne.call(path, lambda: mne.io.read_raw_brainvision(path, verbose="ERROR"))
    channels = [
        replace(channel, unit=UNITS.get(channel.written_unit, UNKNOWN))
        for channel in _mne.channels_of(raw)
    ]
    texts = _mne.annotations_of(raw)
    sfreq = raw.info["sfreq"]
    joints = [round(a.onset_s * sfreq) for a in texts if a.text.lower().startswith(SEGMENT)]
    described = _mne.describe(raw, path, channels, texts, joints, notes)
    beside = [path.with_suffix(".vmrk")]
    files = (path, *described.files, *(file for file in beside if file.exists()))
    return replace(described, files=tuple(dict.fromkeys(files)))
