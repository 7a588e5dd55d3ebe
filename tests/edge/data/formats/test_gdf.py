# SPDX-License-Identifier: BSD-3-Clause
"""GDF files with the events of the BCI Competitions.

Written here in the form of BCI Competition IV's ``A01T.gdf``, as its description
(https://www.bbci.de/competition/iv/desc_2a.pdf) and mne-tools/mne-python issues 4327 and 9895 show
it: runs behind 32766, a hundred missing samples between them, 768 and then a cue for each trial,
1023 at rejected ones.
"""

from __future__ import annotations

from pathlib import Path

import mne
import numpy as np
import pytest

from edge.data import reader, source
from edge.data.description import Annotation
from edge.signal import contract_file
from tests import gdf
from tests.edge.data.formats.alike import check, contract_text

SFREQ = 100
NAMES = ("EEG-Fz", "EEG-C3", "EEG-Cz")
FULL_UV = 100.0
STEP_UV = FULL_UV / 32767
RUN = 600
"""Samples of a run; a hundred that are missing come before each."""
N = 2 * (RUN + 100)
TRIALS = {1: [(50, 769), (250, 770), (450, 771)], 2: [(50, 772), (250, 769), (450, 770)]}
"""Cues by their sample in each of the runs."""


def recording(path: Path, with_durations: bool) -> tuple[Path, np.ndarray]:
    """Two runs, the second trial of the first rejected; samples (3, N), NaN where missing."""
    rng = np.random.default_rng(4)
    uv = rng.normal(0, 15, (3, N))
    uv = np.round(uv / STEP_UV) * STEP_UV
    events, durations = [], []
    for run, cues in TRIALS.items():
        start = 100 + (run - 1) * (RUN + 100)
        uv[:, start - 100 : start] = np.nan
        events.append((start, 32766))
        durations.append(0)
        for at, code in cues:
            rejected = [(start + at - 20, 1023)] if (run, at) == (1, 250) else []
            trial = [(start + at - 20, 768), *rejected, (start + at, code)]
            events += trial
            durations += [150] * (len(trial) - 1) + [125]
    uv[0, 700 + 100 + 300] = -FULL_UV  # one channel at the end of its range is a sample
    told = durations if with_durations else None
    return gdf.write(path, NAMES, uv, SFREQ, events, durations=told, counts_of=FULL_UV), uv


def test_runs_are_pieces(tmp_path: Path) -> None:
    """What is missing is no signal, which MNE reads as the least value; training and live alike."""
    path, uv = recording(tmp_path / "A01T.gdf", with_durations=True)
    theirs = mne.io.read_raw_gdf(path, verbose="error").get_data()[0, :100]
    assert theirs == pytest.approx(-FULL_UV * 1e-6)
    found = reader.open_continuous(path)
    assert [p.samples(SFREQ) for p in found.pieces] == [(100, 700), (800, 1400)]
    assert (found.channels[0].low, found.channels[0].high) == (-1e-4, 1e-4)
    ours = found.read(NAMES, 800, 1400) * 1e6
    np.testing.assert_allclose(ours, uv[:, 800:1400], atol=1e-9)
    runs = [uv[:, 100:700], uv[:, 800:1400]]
    cues = [(50, "769"), (450, "771"), (650, "772"), (850, "769"), (1050, "770")]
    check(path, NAMES, SFREQ, runs, cues, atol_uv=1e-4)


@pytest.mark.parametrize("with_durations", [True, False])
def test_a_rejected_trial_is_bad(with_durations: bool, tmp_path: Path) -> None:
    """As long as its event says, or up to the next trial; windows on it are left out, or kept."""
    path, _ = recording(tmp_path / "A01T.gdf", with_durations)
    found = reader.open_continuous(path)
    length_s = 1.5 if with_durations else 2.0
    assert found.bad_spans() == (Annotation(3.3, length_s, "BAD_rejected_trial"),)
    text = contract_text(NAMES, SFREQ, ["769", "770", "771", "772"], {})
    file = contract_file.parse(text, "c.toml")
    assert source.read(str(path), file).labels.tolist() == [0, 2, 3, 0, 1]
    assert source.read(str(path), file, keep_bad=True).labels.tolist() == [0, 1, 2, 3, 0, 1]


def test_a_recording_that_misses_nothing(tmp_path: Path) -> None:
    """One piece, whatever its samples are."""
    uv = np.random.default_rng(0).normal(0, 20, (3, 500))
    path = gdf.write(tmp_path / "a.gdf", NAMES, uv, SFREQ, [(100, 1), (200, 2)])
    check(path, NAMES, SFREQ, [uv], [(100, "1"), (200, "2")])
