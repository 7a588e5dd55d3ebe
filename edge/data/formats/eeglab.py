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

import numpy as np

from edge.data.description import Annotation, Channel, Description, Hints, Trials
from edge.data.formats import _mat, _mne
from edge.data.formats.fif import trials
from edge.errors import UsageError

SUFFIXES = (".set",)
BOUNDARIES = ("boundary", "-99", "-99.0")


def recognizes(path: Path) -> bool:  # noqa: ARG001  # no other format has this suffix
    """Recognize every file of the suffix; MNE checks it on opening."""
    return True


def open_recording(path: Path, hints: Hints) -> Description | Trials:
    """Describe an EEGLAB data set."""
    _mat.refuse_broken(path)
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
        cut = trials(epochs, path, tuple(n for n in notes if "multiple events" not in n))
        return replace(
            cut,
            channels=tuple(map(_in_microvolts, cut.channels)),
            texts=_locked_to(path, cut.texts, 1e3 / cut.channels[0].sfreq),
        )
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


def _locked_to(path: Path, texts: tuple[str, ...], sample_ms: float) -> tuple[str, ...]:
    """The event that each trial is cut around, where MNE joins the names of all events in it.

    It is the one at latency 0. Two of them leave MNE's name, which no contract knows by accident.

    Raises
    ------
    UsageError
        When names were joined and the file is of a kind (MATLAB 7.3) that hides the latencies.
    """
    from scipy.io import loadmat

    if not any("/" in text for text in texts):
        return texts
    try:
        content = loadmat(path, simplify_cells=True)
    except NotImplementedError:
        raise UsageError(
            f"{str(path)!r} has trials with several events and is a file of MATLAB 7.3, which does "
            f"not tell which of them a trial is cut around. Save it in EEGLAB as version 6."
        ) from None
    found = []
    for text, trial in zip(texts, content.get("EEG", content)["epoch"], strict=True):
        types, latencies = (np.atleast_1d(trial[k]) for k in ("eventtype", "eventlatency"))
        at_zero = [
            str(kind)
            for kind, ms in zip(types, latencies, strict=True)
            if abs(float(ms)) < 0.5 * sample_ms
        ]
        found.append(at_zero[0] if len(at_zero) == 1 else text)
    return tuple(found)


def _in_microvolts(channel: Channel) -> Channel:
    """MNE reads a set's numbers as microvolts: EEGLAB's convention, written nowhere."""
    return replace(channel, unit="uV" if channel.unit == "V" else channel.unit)
