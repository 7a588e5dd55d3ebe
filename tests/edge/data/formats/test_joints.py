# SPDX-License-Identifier: BSD-3-Clause
"""Joints of every format that MNE reads: no filter and no window across, replay begins anew."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mne
import numpy as np
import pybv
import pytest
from numpy.typing import NDArray
from scipy.io import savemat

from edge.data import reader, source
from edge.data.dataset import Dataset
from edge.data.description import Description
from edge.data.formats import fif
from edge.signal import chain, contract_file
from tests import gdf
from tests.edge.data.formats import alike

SFREQ = 100.0
NAMES = ("C3", "Cz", "C4")
N = 4000
JOINT = 1730
EVENTS = [(100 * t, ("left", "right")[t % 2]) for t in range(1, 40)]
OFFSETS_UV = np.array([[3000.0], [-2000.0], [1500.0]])


def eeg(seed: int = 0) -> NDArray[np.float64]:
    """(3, N) noise of 10 µV, with other electrode offsets from the joint on."""
    x = np.random.default_rng(seed).normal(0, 10, (len(NAMES), N))
    x[:, JOINT:] += OFFSETS_UV
    return np.round(x, 1)


def raw_of(x: NDArray[np.float64], annotations: mne.Annotations | None = None) -> Any:
    """MNE's recording of some µV."""
    raw = mne.io.RawArray(x * 1e-6, mne.create_info(list(NAMES), SFREQ, "eeg"), verbose="error")
    marks = mne.Annotations([s / SFREQ for s, _ in EVENTS], 0.0, [text for _, text in EVENTS])
    return raw.set_annotations(marks if annotations is None else marks + annotations)


def saved(raw: Any, path: Path, **options: Any) -> Path:
    """A recording as FIF, without MNE's remarks on names."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        raw.save(path, verbose="error", **options)
    return path


def brainvision(folder: Path) -> Path:
    """A later marker "New Segment"."""
    marks: list[Any] = [
        {"onset": s, "duration": 1, "description": 1 + (t == "right"), "type": "Stimulus"}
        for s, t in EVENTS
    ]
    pybv.write_brainvision(
        data=eeg() * 1e-6,
        sfreq=SFREQ,
        ch_names=list(NAMES),
        fname_base="a",
        folder_out=folder,
        events=marks,
        unit="µV",
        fmt="binary_float32",
        resolution=0.1,
    )
    markers = folder / "a.vmrk"
    text = markers.read_text().rstrip("\n")
    number = text.count("\nMk") + 1
    markers.write_text(f"{text}\nMk{number}=New Segment,,{JOINT + 1},1,0,20200101101500000000\n")
    return folder / "a.vhdr"


def eeglab(types: Callable[[str], Any], boundary: Any, latency: float) -> Callable[[Path], Path]:
    """A data set of which a part was cut out; ``latency`` counts from one, half between samples."""

    def write(folder: Path) -> Path:
        marks = [(s + 1.0, types(text), 1.0) for s, text in EVENTS]
        marks.append((latency, boundary, 250.0))
        marks.sort(key=lambda mark: mark[0])
        fields = [("latency", float), ("type", object), ("duration", float)]
        events = np.array(marks, dtype=fields)
        chanlocs = np.array([(name,) for name in NAMES], dtype=[("labels", object)])
        content = {
            "setname": "a",
            "nbchan": len(NAMES),
            "pnts": N,
            "trials": 1,
            "srate": SFREQ,
            "xmin": 0.0,
            "xmax": (N - 1) / SFREQ,
            "data": eeg(),
            "chanlocs": chanlocs,
            "event": events,
            "icawinv": [],
            "icaweights": [],
            "icasphere": [],
            "epoch": [],
        }
        savemat(folder / "a.set", {"EEG": content}, appendmat=False)
        return folder / "a.set"

    return write


def joined(text: str) -> Callable[[Path], Path]:
    """Two recordings that somebody put together, as FIF, under one of the names of joints."""

    def write(folder: Path) -> Path:
        marks = mne.Annotations([JOINT / SFREQ], [0.0], [text])
        return saved(raw_of(eeg(), marks), folder / "a_raw.fif")

    return write


NUMBERS = {"left": 1, "right": 2}
WRITERS: dict[str, tuple[Callable[[Path], Path], tuple[str, str]]] = {
    "brainvision": (brainvision, ("Stimulus/S  1", "Stimulus/S  2")),
    "eeglab text": (eeglab(str, "boundary", JOINT + 0.5), ("left", "right")),
    "eeglab whole": (eeglab(str, "Boundary", JOINT + 1.0), ("left", "right")),
    "eeglab number": (eeglab(NUMBERS.__getitem__, -99, JOINT + 0.5), ("1", "2")),
    "fif BAD boundary": (joined("BAD boundary"), ("left", "right")),
    "fif EDGE boundary": (joined("EDGE boundary"), ("left", "right")),
    "fif boundary": (joined("Boundary"), ("left", "right")),
}


@pytest.mark.parametrize("what", WRITERS)
def test_joints(what: str, tmp_path: Path) -> None:
    """Two pieces, every event on its sample, training and replay alike."""
    write, texts = WRITERS[what]
    x = eeg()
    kept = [(s, t) for s, t in EVENTS if not s < JOINT < s + alike.N_TIMES]
    names = {"left": texts[0], "right": texts[1]}
    expected = [(s, names[t]) for s, t in kept]
    pieces = [x[:, :JOINT], x[:, JOINT:]]
    alike.check(write(tmp_path), NAMES, SFREQ, pieces, expected, atol_uv=0.02)


@pytest.mark.parametrize("what", WRITERS)
def test_the_filter_begins_anew(what: str, tmp_path: Path) -> None:
    """Offsets of 3 mV at the joint do not ring: the largest value after the filter is EEG's."""
    write, texts = WRITERS[what]
    text = alike.contract_text(NAMES, SFREQ, texts, {}) + "[filter]\nlow_hz = 4.0\nhigh_hz = 30.0\n"
    data = source.read(str(write(tmp_path)), contract_file.parse(text, "c.toml"))
    assert np.abs(data.windows).max() < 60
    second = data.recordings[1]
    own = chain.apply(data.contract, eeg()[:, JOINT:])
    np.testing.assert_allclose(second.signal, own, atol=0.02)


def test_a_stretch_that_was_skipped(tmp_path: Path) -> None:
    """FIF's BAD_ACQ_SKIP: what lies there is neither trained on nor replayed."""
    x = eeg()
    x[:, 1730:2010] = 0
    marks = mne.Annotations([17.3], [2.8], ["BAD_ACQ_SKIP"])
    path = saved(raw_of(x, marks), tmp_path / "a_raw.fif")
    described = reader.open_continuous(path)
    assert [p.samples(SFREQ) for p in described.pieces] == [(0, 1730), (2010, N)]
    assert described.bad_spans() == ()
    data = source.read(
        str(path),
        contract_file.parse(alike.contract_text(NAMES, SFREQ, ["left", "right"], {}), "c"),
    )
    starts = [s for s, _ in EVENTS if s + 20 <= 1730 or s >= 2010]
    np.testing.assert_allclose(
        data.windows, np.array([x[:, s : s + 20] for s in starts]), atol=0.02
    )
    frames, begins = alike.replayed(path, NAMES, {})
    np.testing.assert_allclose(frames, np.delete(x, np.s_[1730:2010], axis=1), atol=0.02)
    assert begins == [0, 1730]


def test_a_split_recording_is_one_piece(tmp_path: Path) -> None:
    """Parts that follow on one another are no joint."""
    x = np.random.default_rng(0).normal(0, 10, (3, 240_000))
    raw = mne.io.RawArray(x * 1e-6, mne.create_info(list(NAMES), SFREQ, "eeg"), verbose="error")
    path = saved(raw, tmp_path / "a_raw.fif", split_size="2MB", buffer_size_sec=10)
    described = reader.open_continuous(path)
    assert len(described.files) > 1
    assert [p.samples(SFREQ) for p in described.pieces] == [(0, 240_000)]


class Parts:
    """What MNE says of a recording in three parts, of which the second follows on the first."""

    _first_samps = (100, 300, 900)
    _last_samps = (299, 599, 999)


def test_parts_that_do_not_follow() -> None:
    """A jump in the numbers of samples between two parts is a joint."""
    assert fif._part_joints(Parts()) == [500]


def test_gdf(tmp_path: Path) -> None:
    """Codes of the event table; one piece."""
    x = eeg()
    path = gdf.write(
        tmp_path / "a.gdf", NAMES, x, 100, [(s, 769 + (t == "right")) for s, t in EVENTS]
    )
    codes = {"left": "769", "right": "770"}
    alike.check(path, NAMES, SFREQ, [x], [(s, codes[t]) for s, t in EVENTS])


def bad_marks() -> mne.Annotations:
    """Bad spans in every spelling; one ends inside a window, one lies between two samples."""
    return mne.Annotations([5.1, 12.05, 20.195], [2.0, 0.5, 0.0], ["BAD_muscle", "bad", "Bad span"])


def read(path: Path, keep_bad: bool) -> Dataset:
    """A file under the contract of these tests."""
    text = alike.contract_text(NAMES, SFREQ, ["left", "right"], {})
    return source.read(str(path), contract_file.parse(text, "c.toml"), keep_bad)


def test_bad_spans_are_mne_s(tmp_path: Path) -> None:
    """The windows that are left out are those that MNE's epochs leave out; a note counts them."""
    raw = raw_of(eeg(), bad_marks())
    found, codes = mne.events_from_annotations(raw, {"left": 0, "right": 1}, verbose="error")
    epochs = mne.Epochs(
        raw,
        found,
        codes,
        0,
        (alike.N_TIMES - 1) / SFREQ,
        baseline=None,
        preload=True,
        reject_by_annotation=True,
        verbose="error",
    )
    path = saved(raw, tmp_path / "a_raw.fif")
    data, kept = read(path, False), read(path, True)
    np.testing.assert_allclose(data.windows, 1e6 * epochs.get_data(copy=False), atol=0.02)
    assert data.left_out == len(EVENTS) - len(epochs) == 5
    assert data.notes == (
        "2.5 s are marked bad ('BAD_muscle', 'Bad span' and 'bad') and 5 labelled windows that "
        "touch them are left out; --keep-bad keeps them",
    )
    assert len(kept.labels) == len(EVENTS)
    assert kept.notes[0].endswith("and are kept, as --keep-bad asks")


def test_bad_spans_leave_scaling_and_calibration(tmp_path: Path) -> None:
    """A cable that was pulled for three seconds changes neither scaling nor calibration windows."""
    from edge.data import dataset

    x = eeg()
    x[:, JOINT:] -= OFFSETS_UV
    clean = read(saved(raw_of(x), tmp_path / "clean_raw.fif"), False)
    x[:, 500:800] += 5000 * np.sin(np.arange(300))
    marks = mne.Annotations([4.9], [3.2], ["bad_cable"])
    path = saved(raw_of(x, marks), tmp_path / "cable_raw.fif")
    spoilt, kept = read(path, False), read(path, True)
    assert spoilt.windows.std() == pytest.approx(clean.windows.std(), rel=0.05)
    assert kept.windows.std() > 10 * clean.windows.std()
    calibration = dataset.calibration_windows(spoilt)
    assert len(calibration) >= 190
    assert np.abs(calibration).max() < 60
    assert np.abs(dataset.calibration_windows(kept)).max() > 1000


def test_all_windows_are_bad(tmp_path: Path) -> None:
    """One line that says how many there are, and what to type."""
    marks = mne.Annotations([0.0], [40.0], ["BAD_all"])
    path = saved(raw_of(eeg(), marks), tmp_path / "a_raw.fif")
    with pytest.raises(Exception, match=r"has no labelled window but 39 that touch a span marked"):
        read(path, False)


def test_shifted_windows_keep_off_bad_spans(tmp_path: Path) -> None:
    """``shifts_s`` moves windows into a bad span only where bad spans are kept."""
    from edge.data.dataset import training_windows

    marks = mne.Annotations([5.25], [0.1], ["BAD"])
    path = saved(raw_of(eeg(), marks), tmp_path / "a_raw.fif")
    text = alike.contract_text(NAMES, SFREQ, ["left", "right"], {})
    text = text.replace("n_times = 20", "n_times = 20\nshifts_s = [0.1]")
    file = contract_file.parse(text, "c.toml")
    n = {k: len(training_windows(source.read(str(path), file, k))[0]) for k in (False, True)}
    assert n == {True: 2 * len(EVENTS), False: 2 * len(EVENTS) - 1}


def test_replay_of_a_description_is_a_description(tmp_path: Path) -> None:
    """The reader hands out continuous recordings as such."""
    assert isinstance(
        reader.open_recording(saved(raw_of(eeg()), tmp_path / "a_raw.fif")), Description
    )
