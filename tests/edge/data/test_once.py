# SPDX-License-Identifier: BSD-3-Clause
"""Nothing is read twice, and nothing that is held out is trained on."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import mne
import numpy as np
import pytest

from edge.data import dataset, source
from edge.data.dataset import Dataset, Recording
from edge.errors import IncompatibleError
from edge.signal import contract_file
from tests import recordings
from tests.edge.data.test_sets import part, write_npz


def read(path: Path, text: str = recordings.CONTRACT) -> Dataset:
    """A folder under a contract."""
    return source.read(str(path), contract_file.parse(text, "contract.toml"))


def test_a_split_recording(tmp_path: Path) -> None:
    """The parts of one recording are one recording, whichever name sorts first."""
    raw = mne.concatenate_raws([recordings.make(1200.0, seed=i) for i in range(2)], verbose="error")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        raw.save(tmp_path / "s_raw.fif", split_size="2MB", buffer_size_sec=1, verbose="error")
    assert len(list(tmp_path.iterdir())) > 1
    data = read(tmp_path)
    assert data.group_names() == ("s_raw",)
    assert len(data.labels) == len(read(tmp_path / "s_raw.fif").labels)
    assert "s_raw-1.fif is read with s_raw.fif already" in data.notes


def test_links(tmp_path: Path) -> None:
    """Symbolic and hard links are the file that they are links to."""
    path = recordings.write_edf(tmp_path / "m.edf")
    recordings.write_edf(tmp_path / "n.edf", seed=1)
    (tmp_path / "a.edf").symlink_to(path)
    (tmp_path / "z.edf").hardlink_to(path)
    data = read(tmp_path)
    assert data.group_names() == ("m", "n")
    assert data.notes == (
        "a.edf is read with m.edf already",
        "z.edf is read with m.edf already",
    )


def test_copies(tmp_path: Path) -> None:
    """A copy under another name, and the same recording in another format."""
    path = recordings.write_edf(tmp_path / "a.edf")
    shutil.copy(path, tmp_path / "b.edf")
    recordings.write_fif(tmp_path / "c_raw.fif")
    recordings.write_edf(tmp_path / "d.edf", seed=1)
    data = read(tmp_path)
    assert data.group_names() == ("a", "d")
    assert data.notes == (
        "b.edf is a copy of a.edf and is left out",
        "c_raw.fif is a copy of a.edf and is left out",
    )


def test_copies_with_other_events(tmp_path: Path) -> None:
    """Which of them is right nobody can know."""
    for name, shift in (("a_raw.fif", 0.0), ("b_raw.fif", 0.5)):
        raw = recordings.make()
        raw.annotations.onset += shift
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            raw.save(tmp_path / name, verbose="error")
    with pytest.raises(IncompatibleError) as error:
        read(tmp_path)
    assert str(error.value) == (
        "b_raw.fif and a_raw.fif hold the same signal with different events. Leave one of them out."
    )


def test_files_that_are_no_recordings(tmp_path: Path) -> None:
    """What macOS and others leave behind is skipped; suffixes count in any case."""
    recordings.write_edf(tmp_path / "b.edf")
    shutil.move(tmp_path / "b.edf", tmp_path / "B.EDF")
    (tmp_path / "._B.EDF").write_bytes(b"\x00\x05\x16\x07" + bytes(4000))
    (tmp_path / ".DS_Store").write_bytes(bytes(100))
    (tmp_path / ".hidden.edf").write_bytes(bytes(100))
    assert read(tmp_path).group_names() == ("B",)


def test_compressed_fif(tmp_path: Path) -> None:
    """``.fif.gz`` is FIF; the group's name has no suffix."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        recordings.make().save(tmp_path / "a_raw.fif.gz", verbose="error")
    data = read(tmp_path, recordings.CONTRACT.replace('"*.fif"', '"*.fif.gz"'))
    assert data.group_names() == ("a_raw",)
    np.testing.assert_allclose(data.windows[:, 1, 0], np.arange(100, 3900, 100), atol=0.01)


def write_epochs(path: Path) -> Path:
    """Windows from 0.2 s before their events to 0.6 s after."""
    raw = recordings.make()
    events, codes = mne.events_from_annotations(raw, verbose="error")
    epochs = mne.Epochs(raw, events, codes, -0.2, 0.6, baseline=None, preload=True, verbose="error")
    epochs.save(path, verbose="error")
    return path


def test_epochs(tmp_path: Path) -> None:
    """``-epo.fif`` is read as windows, from the event on as the contract says."""
    data = read(write_epochs(tmp_path / "a-epo.fif"))
    assert data.windows.shape == (38, 2, 50)
    np.testing.assert_allclose(data.windows[:, 1, 0], np.arange(100, 3900, 100), atol=0.01)
    assert data.labels.tolist() == [0, 1] * 19
    assert data.recordings == ()
    assert "windows are taken as they are" in data.notes[-1]


def test_epochs_of_eeglab(tmp_path: Path) -> None:
    """A set of trials is windows too."""
    epochs = mne.read_epochs(write_epochs(tmp_path / "a-epo.fif"), verbose="error")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        epochs.export(tmp_path / "b.set", verbose="error")
    data = read(tmp_path / "b.set", recordings.CONTRACT.replace('"*.fif"', '"*.set"'))
    np.testing.assert_allclose(data.windows[:, 1, 0], np.arange(100, 3900, 100), atol=0.01)
    assert data.labels.tolist() == [0, 1] * 19


def test_epochs_that_are_too_short(tmp_path: Path) -> None:
    """What they span and what the contract wants."""
    path = write_epochs(tmp_path / "a-epo.fif")
    text = recordings.CONTRACT.replace("n_times = 50", "n_times = 50\nstart_s = 0.5")
    with pytest.raises(IncompatibleError) as error:
        read(path, text)
    assert str(error.value) == (
        "a-epo.fif holds windows from -0.2 s to 0.61 s around their events, and the contract wants "
        "50 samples from 0.5 s. Correct window.start_s or window.n_times."
    )


def test_epochs_beside_their_recording(tmp_path: Path) -> None:
    """Both together would hold every trial twice."""
    write_epochs(tmp_path / "a-epo.fif")
    recordings.write_fif(tmp_path / "a_raw.fif")
    with pytest.raises(IncompatibleError) as error:
        read(tmp_path)
    assert str(error.value) == (
        f"{tmp_path} holds recordings (a_raw.fif, …) and windows cut from recordings (a-epo.fif, "
        f"…); together the same trials could be there twice. Let the contract's [[events]] files "
        f"match one kind."
    )


def test_the_same_window_on_both_sides(tmp_path: Path) -> None:
    """In an .npz file: counted, refused; dead windows do not count."""
    x = np.random.default_rng(0).standard_normal((120, 3, 40)).astype(np.float32)
    x[100:107] = x[3:10]
    x[[0, 110]] = 0
    path = write_npz(tmp_path / "w.npz", X=x)
    with pytest.raises(IncompatibleError) as error:
        dataset.split(source.read(str(path)))
    assert str(error.value) == (
        f"7 of the 60 held-out windows of {path} are in its training part too, sample for sample: "
        f"something was stored twice. Leave the copies out, or hold out the groups that hold them "
        f"together."
    )


def in_one_group(n: int, every: int, n_times: int = 5) -> Dataset:
    """``n`` labelled windows, one ``every`` samples, in a single recording that counts samples."""
    signal = np.arange(n * every + n_times, dtype=np.float32)[None] * np.ones((2, 1), np.float32)
    onsets = every * np.arange(n)
    return dataset.from_recordings(
        "x", [Recording("1", signal, onsets, np.arange(n) % 2)], part(4).contract, shifts=(-3, 3)
    )


@pytest.mark.parametrize("every", [2, 5, 20])
def test_nothing_held_out_is_trained_or_calibrated_on(every: int) -> None:
    """In a single recording: neither windows, nor shifted ones, nor sliding ones reach into it."""
    data = in_one_group(200, every)
    parts = dataset.split(data)
    first_held_out = parts.test.windows[:, 0].min()
    assert first_held_out == 150 * every
    windows, labels = dataset.training_windows(parts.train)
    assert len(windows) == len(labels)
    calibration = dataset.calibration_windows(parts.train)
    for used in (parts.train.windows, windows, calibration):
        assert used.max() < first_held_out
    lost = {2: 2, 5: 0, 20: 0}[every]
    assert len(parts.train.labels) == 150 - lost
    assert len(calibration) > 190


def test_split_epochs(tmp_path: Path) -> None:
    """The second file of epochs that were split is not read again."""
    raw = recordings.make(600.0)
    events, codes = mne.events_from_annotations(raw, verbose="error")
    epochs = mne.Epochs(raw, events, codes, 0, 4, baseline=None, preload=True, verbose="error")
    epochs.save(tmp_path / "a-epo.fif", split_size="2MB", verbose="error")
    assert (tmp_path / "a-epo-1.fif").exists()
    data = read(tmp_path)
    assert data.group_names() == ("a-epo",)
    assert len(data.labels) == len(epochs)
    assert "a-epo-1.fif is read with a-epo.fif already" in data.notes
