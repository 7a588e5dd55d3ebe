# SPDX-License-Identifier: BSD-3-Clause
"""Every kind of recording that MNE reads for us, BIDS folders, joints, and MOABB."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import mne
import numpy as np
import pytest

from edge.data import reader, source
from edge.data.dataset import Dataset
from edge.errors import EdgeError, ExitCode, MissingToolError
from edge.signal import contract_file, filters
from tests import gdf
from tests.recordings import CHANNELS, CONTRACT, SFREQ, make

FILTER = "[filter]\nlow_hz = 4.0\nhigh_hz = 30.0\norder = 2\n"
EVERY_FILE = CONTRACT.replace('["*.edf", "*.fif"]', '["*"]')


def quietly(call: Callable[[], Any]) -> Any:
    """MNE's exporters warn about what these files do not have."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call()


def fif(folder: Path) -> Path:
    """MNE's own."""
    quietly(lambda: make().save(folder / "a_raw.fif", verbose="error"))
    return folder / "a_raw.fif"


def cropped_fif(folder: Path) -> Path:
    """MNE's own, cut out of a longer one: its annotations count from elsewhere."""
    long = make(60.0)
    long.set_meas_date(0)
    kinds = [("T1", "T2")[i % 2] for i in range(38)]
    long.set_annotations(mne.Annotations(np.arange(11.0, 49.0), 0.5, kinds))
    raw = long.crop(10.0, 50.0, include_tmax=False)
    raw.load_data()._data[0] -= 1e-6 * 1000
    quietly(lambda: raw.save(folder / "a_raw.fif", verbose="error"))
    return folder / "a_raw.fif"


def exported(suffix: str) -> Callable[[Path], Path]:
    """Written by MNE's exporter."""

    def write(folder: Path) -> Path:
        path = folder / f"a{suffix}"
        limits = {"physical_range": (-5000, 5000)} if suffix in (".edf", ".bdf") else {}
        quietly(lambda: mne.export.export_raw(path, make(), verbose="error", **limits))
        return path

    write.__name__ = suffix
    return write


def gdf_file(folder: Path) -> Path:
    """Codes of the graz format in an event table."""
    samples = make().get_data() * 1e6
    events = [(100 * (i + 1), (769, 770)[i % 2]) for i in range(38)]
    return gdf.write(folder / "a.gdf", CHANNELS, samples, int(SFREQ), events)


def stimulus_channel(folder: Path) -> Path:
    """Triggers on a channel, with BioSemi's own bits above them, and no annotation."""
    raw = make()
    codes = np.zeros((1, raw.n_times))
    for i in range(38):
        codes[0, 100 * (i + 1) :][:5] = 1 + i % 2
    status = mne.io.RawArray(
        codes + 65536, mne.create_info(["Status"], SFREQ, "stim"), verbose="error"
    )
    raw.set_annotations(None)
    raw.add_channels([status], force_update_info=True)
    quietly(lambda: raw.save(folder / "a_raw.fif", verbose="error"))
    return folder / "a_raw.fif"


NAMES = {
    ".vhdr": "Comment/{}",
    "gdf_file": ("769", "770"),
    "stimulus_channel": ("1", "2"),
}
"""What MNE calls the two events, where not T1 and T2."""

FORMATS = (
    fif,
    cropped_fif,
    gdf_file,
    stimulus_channel,
    *map(exported, (".edf", ".bdf", ".vhdr", ".set")),
)


@pytest.mark.parametrize("write", FORMATS, ids=lambda write: write.__name__)
def test_formats(write: Callable[[Path], Path], tmp_path: Path) -> None:
    """The same 38 windows, in µV, where the sample counter says their events are."""
    named = NAMES.get(write.__name__, "{}")
    names = named if isinstance(named, tuple) else tuple(map(named.format, ("T1", "T2")))
    text = EVERY_FILE.replace("T1 =", f'"{names[0]}" =').replace("T2 =", f'"{names[1]}" =')
    data = read(write(tmp_path), text)
    assert data.windows.shape == (38, 2, 50)
    expected = np.arange(100, 3900, 100)[:, None] + np.arange(50)
    np.testing.assert_allclose(data.windows[:, 1], expected, atol=0.2)
    assert data.windows[:, 0].std() == pytest.approx(20, rel=0.05)
    assert data.labels.tolist() == [0, 1] * 19


def read(path: Path | str, text: str) -> Dataset:
    """A data set as ``--data`` and ``--contract`` give it."""
    return source.read(str(path), contract_file.parse(text, "c.toml"))


def test_every_suffix_is_tested() -> None:
    """No format of MNE's without a file of it above."""
    tested = {".fif", ".gdf", ".edf", ".bdf", ".vhdr", ".set"}
    assert tested <= set(reader.suffixes())


def test_files_are_filtered_apart(tmp_path: Path) -> None:
    """Each file of a folder begins at rest: its windows are those of the file alone."""
    for name, seed in (("a", 1), ("b", 2)):
        raw = make(seed=seed)
        quietly(lambda raw=raw, name=name: raw.save(tmp_path / f"{name}_raw.fif", verbose="error"))
    text = FILTER + EVERY_FILE
    both, alone = read(tmp_path, text), read(tmp_path / "b_raw.fif", text)
    np.testing.assert_array_equal(both.windows[38:], alone.windows)


def test_no_filter_across_a_joint(tmp_path: Path) -> None:
    """Two recordings in one file: the filter starts anew, and no window lies across."""
    first, second = make(20.0, seed=1), make(20.0, seed=2)
    second._data += 5e-3  # another electrode offset, which would ring
    expected = second.get_data()[2] * 1e6
    joined = mne.concatenate_raws([first, second], verbose="error")
    at_joint = mne.Annotations([19.8], [0.0], ["T1"])
    joined.set_annotations(joined.annotations + at_joint)
    quietly(lambda: joined.save(tmp_path / "a_raw.fif", verbose="error"))
    text = FILTER + EVERY_FILE
    data = read(tmp_path / "a_raw.fif", text)
    assert len(data.windows) == 2 * 18
    settings = contract_file.parse(text, "c.toml").contract().filter
    alone = filters.apply(settings, expected[None])[0]
    np.testing.assert_allclose(data.windows[18, 0], alone[100:150], atol=1e-3)
    assert [len(r.onsets) for r in data.recordings] == [18, 18]
    assert data.group_names() == ("a_raw",)


@pytest.fixture
def bids(tmp_path: Path) -> Path:
    """Two subjects, two runs each, with events in tables; a derivative that must not be read."""
    (tmp_path / "dataset_description.json").write_text(
        json.dumps({"Name": "small", "BIDSVersion": "1.8.0"})
    )
    for subject in ("01", "02"):
        for run in ("1", "2"):
            folder = tmp_path / f"sub-{subject}" / "ses-a" / "eeg"
            folder.mkdir(parents=True, exist_ok=True)
            stem = folder / f"sub-{subject}_ses-a_task-mi_run-{run}"
            bids_run(stem, int(subject + run))
    derived = tmp_path / "derivatives" / "clean" / "sub-01" / "eeg"
    derived.mkdir(parents=True)
    (derived / "sub-01_task-mi_eeg.edf").write_bytes(b"not to be read")
    return tmp_path


def bids_run(stem: Path, seed: int) -> None:
    """A recording without annotations, and its events beside it."""
    raw = make(20.0, seed=seed)
    raw.set_annotations(None)
    path = stem.with_name(f"{stem.name}_eeg.edf")
    quietly(lambda: mne.export.export_raw(path, raw, physical_range=(-5000, 5000), verbose="error"))
    rows = [f"{i}.0\t0.5\t{('T1', 'T2')[i % 2]}" for i in range(1, 19)]
    table = "\n".join(["onset\tduration\ttrial_type", *rows]) + "\n"
    stem.with_name(f"{stem.name}_events.tsv").write_text(table)


def test_bids(bids: Path) -> None:
    """Every run is a group, labelled by its table; a subject's folder is one subject."""
    data = read(bids, EVERY_FILE)
    assert len(data.windows) == 4 * 18
    assert data.group_names()[0] == "sub-01_ses-a_task-mi_run-1_eeg"
    assert len(data.group_names()) == 4
    expected = np.arange(100, 1900, 100)[:, None] + np.arange(50)
    np.testing.assert_allclose(data.windows[:18, 1], expected, atol=0.2)
    assert len(read(bids / "sub-02", EVERY_FILE).group_names()) == 2


def test_bids_table_that_is_none(bids: Path) -> None:
    """The file is named."""
    path = bids / "sub-01" / "ses-a" / "eeg" / "sub-01_ses-a_task-mi_run-1_events.tsv"
    path.write_text("when\twhat\n1\tT1\n")
    with pytest.raises(EdgeError) as error:
        read(bids, EVERY_FILE)
    assert error.value.exit_code == ExitCode.INCOMPATIBLE
    recording = path.with_name("sub-01_ses-a_task-mi_run-1_eeg.edf")
    assert str(error.value).startswith(f"mne-bids cannot read {str(recording)!r}: ")


class Graz:
    """As a MOABB data set: two sessions of two runs, triggers on a channel."""

    subject_list: ClassVar = [1, 2, 3]
    event_id: ClassVar = {"left_hand": 1, "right_hand": 2}
    interval: ClassVar = [0.25, 0.75]

    def get_data(self, subjects: list[int]) -> dict[int, dict[str, dict[str, Any]]]:
        """What MOABB gives."""
        (subject,) = subjects
        return {
            subject: {
                session: {run: self.run(10 * i + j) for j, run in enumerate("01")}
                for i, session in enumerate(("0train", "1test"))
            }
        }

    def run(self, seed: int) -> Any:
        """A run of 18 trials."""
        raw = make(20.0, seed=seed)
        codes = np.zeros((1, raw.n_times))
        codes[0, 100:1900:100] = [1, 2] * 9
        raw.set_annotations(None)
        stim = mne.io.RawArray(codes, mne.create_info(["stim"], SFREQ, "stim"), verbose="error")
        return raw.add_channels([stim], force_update_info=True)


@pytest.fixture
def moabb(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of that name with one data set."""
    package, datasets = ModuleType("moabb"), ModuleType("moabb.datasets")
    datasets.Graz2020 = Graz  # type: ignore[attr-defined]
    package.datasets = datasets  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "moabb", package)
    monkeypatch.setitem(sys.modules, "moabb.datasets", datasets)


@pytest.mark.usefixtures("moabb")
def test_moabb_without_contract() -> None:
    """Channels, rate, interval and classes are the data set's; sessions are the groups."""
    data = source.read("moabb:Graz2020:2")
    assert data.windows.shape == (4 * 18, 3, 50)
    assert data.contract.classes == ("left_hand", "right_hand")
    assert data.contract.channels == CHANNELS
    assert (data.contract.filter.low_hz, data.contract.filter.high_hz) == (4, 40)
    assert data.group_names() == ("0train", "1test")
    assert data.labels[:4].tolist() == [0, 1, 0, 1]


@pytest.mark.usefixtures("moabb")
def test_moabb_with_contract() -> None:
    """The contract's channels, names, window and filter; the data set's classes."""
    text = CONTRACT[: CONTRACT.index("[[events]]")]
    data = read("moabb:Graz2020:1", text)
    assert data.contract.channels == ("C4", "COUNT")
    expected = np.arange(100, 1900, 100)[:, None] + np.arange(50)
    np.testing.assert_allclose(data.windows[:18, 1], expected, atol=1e-3)


MOABB = {
    "moabb:Graz2021:1": (
        "MOABB has no data set 'Graz2021'. Did you mean 'Graz2020'? Type moabb:NAME:SUBJECT."
    ),
    "moabb:Graz2020:9": (
        "Graz2020 has the subjects 1 to 3, but got '9' instead. Type e.g. moabb:Graz2020:1."
    ),
    "moabb:Graz2020": (
        "Graz2020 has the subjects 1 to 3, but got '' instead. Type e.g. moabb:Graz2020:1."
    ),
}


@pytest.mark.usefixtures("moabb")
@pytest.mark.parametrize("spec", MOABB)
def test_moabb_refusals(spec: str) -> None:
    """What there is, and what to type."""
    with pytest.raises(EdgeError) as error:
        source.read(spec)
    assert str(error.value) == MOABB[spec]


def test_without_moabb(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line that installs it, exit code 6."""
    monkeypatch.setitem(sys.modules, "moabb", None)
    with pytest.raises(MissingToolError) as error:
        source.read("moabb:BNCI2014_001:1")
    assert str(error.value) == (
        "--data 'moabb:BNCI2014_001:1' needs MOABB, which is not installed. Type: pip install moabb"
    )
