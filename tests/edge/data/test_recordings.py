# SPDX-License-Identifier: BSD-3-Clause
"""Recordings become the windows that the contract describes, sample by sample."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from edge.data import source
from edge.data.dataset import Dataset
from edge.errors import EdgeError, IncompatibleError, UsageError
from edge.signal import contract_file, filters
from tests import recordings


def read(path: Path, text: str = recordings.CONTRACT) -> Dataset:
    """A recording or folder under a contract."""
    return source.read(str(path), contract_file.parse(text, "contract.toml"))


@pytest.fixture(scope="module")
def edf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of 40 s with 38 events."""
    return recordings.write_edf(tmp_path_factory.mktemp("edf") / "one.edf")


def refusal(path: Path, text: str = recordings.CONTRACT) -> str:
    """The message that reading raises."""
    with pytest.raises(EdgeError) as error:
        read(path, text)
    return str(error.value)


def test_windows_begin_at_their_events(edf: Path) -> None:
    """The sample counter shows that every window starts where its event says, in µV."""
    data = read(edf)
    assert data.windows.shape == (38, 2, 50)
    expected = np.arange(100, 3900, 100)[:, None] + np.arange(50)
    np.testing.assert_allclose(data.windows[:, 1], expected, atol=0.2)  # EDF's 16 bits
    assert data.contract.channels == ("C4", "COUNT")
    assert data.windows[:, 0].std() == pytest.approx(20, rel=0.05)
    assert data.contract.classes == ("left", "right")
    assert data.labels.tolist() == [0, 1] * 19
    assert set(data.groups) == {"one"}


def test_start_and_shifts(edf: Path) -> None:
    """``start_s`` moves windows, ``shifts_s`` adds training windows before and after."""
    from edge.data.dataset import training_windows

    text = recordings.CONTRACT.replace(
        "n_times = 50", "n_times = 50\nstart_s = 0.25\nshifts_s = [-0.1, 0.1]"
    )
    data = read(edf, text)
    assert data.windows[0, 1, 0] == pytest.approx(125, abs=0.2)
    windows, labels = training_windows(data)
    assert windows.shape == (3 * 38, 2, 50)
    assert windows[38, 1, 0] == pytest.approx(115, abs=0.2)
    assert windows[76, 1, 0] == pytest.approx(135, abs=0.2)
    assert labels.tolist() == 3 * data.labels.tolist()


def test_average_reference(edf: Path) -> None:
    """The mean over the contract's channels is taken off each."""
    text = recordings.CONTRACT.replace("sfreq = 100.0", 'sfreq = 100.0\nreference = "average"')
    plain, averaged = read(edf).windows, read(edf, text).windows
    np.testing.assert_allclose(averaged, plain - plain.mean(1, keepdims=True), atol=1e-2)


def test_reference_electrode(edf: Path) -> None:
    """A named electrode is subtracted, and need not be among the channels."""
    text = recordings.CONTRACT.replace("sfreq = 100.0", 'sfreq = 100.0\nreference = "C3"')
    raw = recordings.make()
    expected = 1e6 * (raw.get_data()[2] - raw.get_data()[1])[100:150]
    np.testing.assert_allclose(read(edf, text).windows[0, 0], expected, atol=0.5)


def test_the_filter_is_causal() -> None:
    """What comes later never changes what was filtered before."""
    settings = filters.design(4, 30, 4, 100.0, notch_hz=50 - 1e-3)
    rng = np.random.default_rng(0)
    one = rng.standard_normal((2, 500))
    other = one.copy()
    other[:, 300:] += 100
    a, b = filters.apply(settings, one), filters.apply(settings, other)
    np.testing.assert_array_equal(a[:, :300], b[:, :300])
    assert not np.allclose(a[:, 300:], b[:, 300:])


def test_an_electrode_offset_does_not_ring() -> None:
    """The first sample is taken off: 100 mV of offset change nothing."""
    settings = filters.design(4, 30, 4, 100.0)
    x = np.random.default_rng(0).standard_normal((1, 500))
    np.testing.assert_allclose(
        filters.apply(settings, x + 1e5), filters.apply(settings, x), atol=1e-7
    )


def test_the_filter_passes_its_band() -> None:
    """-3 dB at the edges, nothing at 0 Hz, all of it in the middle."""
    from scipy import signal

    settings = filters.design(4, 40, 4, 250.0)
    _, response = signal.sosfreqz(np.array(settings.sos), worN=[0, 4, 12.6, 40], fs=250.0)
    np.testing.assert_allclose(np.abs(response), [0, 2**-0.5, 1, 2**-0.5], atol=1e-6)


def test_folder_reads_what_matches(edf: Path, tmp_path: Path) -> None:
    """Files without a rule are left out; each file is a group."""
    shutil.copy(edf, tmp_path / "a.edf")
    recordings.write_edf(tmp_path / "b.edf", seed=1)
    (tmp_path / "notes.txt").write_text("not a recording")
    text = recordings.CONTRACT.replace('["*.edf", "*.fif"]', '"b*"')
    assert read(tmp_path).group_names() == ("a", "b")
    assert read(tmp_path, text).group_names() == ("b",)


def test_missing_channels(edf: Path) -> None:
    """Which are missing and which are there."""
    text = recordings.CONTRACT.replace('"C4", "COUNT"', '"C4", "Cz", "Pz"')
    assert refusal(edf, text) == (
        "one.edf has no channel 'Cz' and 'Pz'; it has C3, C4, COUNT. Correct signal.channels or "
        "[rename] in the contract."
    )


def test_other_rate(tmp_path: Path) -> None:
    """Both rates are named; nothing is resampled."""
    path = recordings.write_edf(tmp_path / "fast.edf", sfreq=200.0)
    assert refusal(path) == (
        "fast.edf was recorded at 200 Hz and the contract says 100 Hz. Set signal.sfreq to the "
        "recording's rate; nothing is resampled."
    )


def test_truncated_edf(edf: Path, tmp_path: Path) -> None:
    """A download that broke off is noticed by its size."""
    path = tmp_path / "short.edf"
    whole = edf.read_bytes()
    path.write_bytes(whole[:-5000])
    assert refusal(path) == (
        f"{str(path)!r} is truncated: its header promises {len(whole):,} bytes and it has "
        f"{len(whole) - 5000:,}. Fetch it again."
    )


def test_header_cut_off(edf: Path, tmp_path: Path) -> None:
    """Not even the header is whole."""
    path = tmp_path / "stub.edf"
    path.write_bytes(edf.read_bytes()[:300])
    assert refusal(path) == (
        f"{str(path)!r} is not an EDF file: its header is not one, or is cut off. Fetch it again."
    )


def test_non_finite_samples(tmp_path: Path) -> None:
    """Where the first one is, and how many."""
    path = recordings.write_fif(tmp_path / "x_raw.fif", bad=[1234, 1235])
    assert refusal(path) == (
        "x_raw.fif holds nan in channel C4 at 12.340 s (2 non-finite samples in all). Cut or "
        "interpolate them first."
    )


def test_empty_class(edf: Path) -> None:
    """A class of the contract without a single window is named."""
    text = recordings.CONTRACT.replace('T2 = "right"', 'T2 = "right", T9 = "feet"')
    assert refusal(edf, text) == (
        f"{edf} has no event 'T9', by which the contract's [[events]] know class 'feet'; it has "
        f"'T1' (19), 'T2' (19). Nearest is 'T1' to 'T9'. Correct the contract's [[events]] classes."
    )


def test_windows_longer_than_the_recording(edf: Path) -> None:
    """No window fits."""
    text = recordings.CONTRACT.replace("n_times = 50", "n_times = 5000")
    assert refusal(edf, text) == (
        f"{edf} has no labelled window of 5000 samples: 38 events and recordings of at most 4000 "
        f"samples. Correct window.n_times, window.start_s or [[events]] in the contract."
    )


def test_recording_without_contract(edf: Path) -> None:
    """What to type to get one."""
    with pytest.raises(UsageError) as error:
        source.read(str(edf))
    assert str(error.value) == (
        f"--data {str(edf)!r} is a recording, and what its channels and events mean is not known. "
        f"Add --contract FILE.toml; 'edge train --example-contract' prints one to start from."
    )


def test_no_file_matches(edf: Path) -> None:
    """The patterns are named."""
    text = recordings.CONTRACT.replace('["*.edf", "*.fif"]', '"x*.edf"')
    assert refusal(edf, text) == (
        f"The name {edf.name!r} matches none of the contract's [[events]] files 'x*.edf'. "
        f"Add a pattern that does."
    )


def test_absent_path() -> None:
    """What --data may be."""
    with pytest.raises(
        UsageError,
        match=r"--data 'nowhere' does not exist\. Type 'sim', 'moabb:NAME:SUBJECT', or the path of",
    ):
        source.read("nowhere")


def test_unreadable_file(tmp_path: Path) -> None:
    """MNE's complaint in one line."""
    path = tmp_path / "x_raw.fif"
    path.write_bytes(b"not a recording at all")
    message = refusal(path)
    assert message.startswith(f"MNE cannot read {str(path)!r}: ")
    assert "\n" not in message


def test_one_class_is_not_enough(edf: Path) -> None:
    """Two classes are needed."""
    text = recordings.CONTRACT.replace('T2 = "right"', 'T2 = "left"')
    assert refusal(edf, text) == (
        "The contract's [[events]] name 1 classes; two are needed to decode."
    )


def test_incompatible_is_exit_code_3(edf: Path) -> None:
    """What does not fit together is not a usage error."""
    text = recordings.CONTRACT.replace('"C4", "COUNT"', '"Cz"')
    with pytest.raises(IncompatibleError):
        read(edf, text)
