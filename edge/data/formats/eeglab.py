# SPDX-License-Identifier: BSD-3-Clause
"""EEGLAB's data sets (.set): continuous, or cut into trials, which are windows.

Where data were removed or sets were joined stands an event "boundary", or -99 where the types of a
set's events are numbers. Its latency lies between two samples; its duration counts what was
removed and is no stretch of the signal.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from edge.data.description import Annotation, Channel, Description, Hints, Trials
from edge.data.formats import _mne
from edge.data.formats.fif import trials
from edge.errors import UsageError

SUFFIXES = (".set",)
BOUNDARIES = ("boundary", "-99", "-99.0")


def recognizes(path: Path) -> bool:  # noqa: ARG001  # no other format has this suffix
    """Recognize every file of the suffix; MNE checks it on opening."""
    return True


def open_recording(path: Path, hints: Hints) -> Description | Trials:
    """Describe an EEGLAB data set."""
    mne = _mne.import_mne()
    codec = hints.encoding
    try:
        raw, notes = _mne.call(
            path, lambda: mne.io.read_raw_eeglab(path, uint16_codec=codec, verbose="ERROR")
        )
    except UsageError as error:
        if not isinstance(error.__cause__, TypeError) or "read_epochs" not in str(error.__cause__):
            raise
        epochs, notes = _mne.call(
            path, lambda: mne.read_epochs_eeglab(path, uint16_codec=codec, verbose="ERROR")
        )
        cut = trials(epochs, path, notes)
        return replace(cut, channels=tuple(map(_in_microvolts, cut.channels)))
    sfreq = float(raw.info["sfreq"])
    texts, joints = [], []
    for each in _mne.annotations_of(raw):
        if each.text.lower() in BOUNDARIES:
            joints.append(math.ceil(each.onset_s * sfreq - 1e-3))
            texts.append(Annotation(joints[-1] / sfreq, 0.0, "boundary"))
        else:
            texts.append(each)
    channels = [_in_microvolts(channel) for channel in _mne.channels_of(raw)]
    described = _mne.describe(raw, path, channels, texts, joints, notes)
    return replace(described, files=tuple(dict.fromkeys((path, *described.files))))


def _in_microvolts(channel: Channel) -> Channel:
    """MNE reads a set's numbers as microvolts: EEGLAB's convention, written nowhere."""
    return replace(channel, unit="uV" if channel.unit == "V" else channel.unit)
