# SPDX-License-Identifier: BSD-3-Clause
"""Small recordings for tests, written by MNE; the first channel is the sample's number."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import mne
import numpy as np

SFREQ = 100.0
CHANNELS = ("COUNT", "C3..", "C4..")

CONTRACT = """\
[signal]
channels = ["C4", "COUNT"]
sfreq = 100.0

[rename]
"C3.." = "C3"
"C4.." = "C4"

[scaling]
kind = "none"

[window]
n_times = 50

[[events]]
files = ["*.edf", "*.fif"]
classes = { T1 = "left", T2 = "right" }
"""


def make(seconds: float = 40.0, seed: int = 0, sfreq: float = SFREQ) -> mne.io.RawArray:
    """Noise of 20 µV, and the sample's number in µV; an event every second, T1 and T2 in turn."""
    n = round(seconds * sfreq)
    rng = np.random.default_rng(seed)
    samples = 20e-6 * rng.standard_normal((len(CHANNELS), n))
    samples[0] = 1e-6 * np.arange(n)
    info = mne.create_info(list(CHANNELS), sfreq, "eeg")
    raw = mne.io.RawArray(samples, info, verbose="error")
    onsets = np.arange(1.0, seconds - 1)
    kinds = [("T1", "T2")[i % 2] for i in range(len(onsets))]
    raw.set_annotations(mne.Annotations(onsets, 0.5, kinds))
    return raw


def write_edf(path: Path, seconds: float = 40.0, seed: int = 0, sfreq: float = SFREQ) -> Path:
    """An EDF+ file with annotations."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mne.export.export_raw(
            path,
            make(seconds, seed, sfreq),
            physical_range=(-5000, 5000),
            overwrite=True,
            verbose="error",
        )
    return path


def write_fif(path: Path, bad: Sequence[int] = ()) -> Path:
    """A FIF file; samples ``bad`` of C4 are not numbers."""
    raw = make()
    raw._data[2, list(bad)] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        raw.save(path, overwrite=True, verbose="error")
    return path
