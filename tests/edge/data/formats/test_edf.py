# SPDX-License-Identifier: BSD-3-Clause
"""EDF and BDF: pauses, units, ranges, rates, texts; training and replay alike, or one line."""

from __future__ import annotations

import math
from pathlib import Path

import mne
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.data import picking, reader, source
from edge.data.dataset import Dataset
from edge.data.description import Annotation
from edge.errors import EdgeError, IncompatibleError, UsageError
from edge.signal import contract_file
from edge.stream.frames import SourceRequest
from edge.stream.sources.file import Replay
from tests import edf
from tests.edge.data.formats import alike

SFREQ = 100.0
SECONDS = 40
NAMES = ("C3", "Cz", "C4")


def eeg(seed: int = 0, seconds: int = SECONDS, sfreq: float = SFREQ) -> NDArray[np.float64]:
    """(3, n) noise of 10 µV that walks; whole counts of 0.1 µV, so that EDF holds it as it is."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 10, (len(NAMES), round(seconds * sfreq)))
    return np.round(np.clip(noise + 0.1 * np.cumsum(noise, axis=1), -3000, 3000), 1)


def recording(samples: NDArray[np.float64], **changes: object) -> edf.Recording:
    """Three channels of EEG at 100 Hz, records of a second."""
    signals = [edf.Signal(name, row) for name, row in zip(NAMES, samples, strict=True)]
    return edf.Recording(signals).but(**changes)


def events(n: int, gap_at: int = 10**6, gap_s: float = 0.0) -> list[tuple[float, float, str]]:
    """An event every second from 1 s on, on the recorder's clock."""
    return [
        (t + (gap_s if t >= gap_at else 0.0), 0.0, ("left", "right")[t % 2]) for t in range(1, n)
    ]


@pytest.mark.parametrize("is_bdf", [False, True], ids=["edf", "bdf"])
@pytest.mark.parametrize("gap_s", [7.0, 0.25])
def test_pauses(tmp_path: Path, is_bdf: bool, gap_s: float) -> None:
    """Events after a pause land on their samples; filter, windows and replay begin anew there."""
    x = eeg()
    starts = [t + (gap_s if t >= 17 else 0.0) for t in range(SECONDS)]
    file = recording(
        x,
        kind="BDF+D" if is_bdf else "EDF+D",
        is_bdf=is_bdf,
        starts_s=starts,
        notes=events(SECONDS, 17, gap_s),
    )
    path = edf.write(tmp_path / f"a.{'bdf' if is_bdf else 'edf'}", file)
    expected = [(100 * t, ("left", "right")[t % 2]) for t in range(1, SECONDS)]
    pieces = [x[:, :1700], x[:, 1700:]]
    alike.check(path, NAMES, SFREQ, pieces, expected, atol_uv=0.06)


def test_marks_in_a_pause(tmp_path: Path) -> None:
    """An event there has no sample and is left out, with a note; a bad span is cut."""
    starts = [t + (5.0 if t >= 20 else 0.0) for t in range(SECONDS)]
    notes = [(19.0, 0.0, "left"), (22.0, 0.0, "right"), (23.0, 3.0, "BAD_cable"), (26.0, 0.0, "x")]
    file = recording(eeg(), kind="EDF+D", starts_s=starts, notes=notes)
    described = reader.open_continuous(edf.write(tmp_path / "a.edf", file))
    assert described.annotations == (
        Annotation(19.0, 0.0, "left"),
        Annotation(20.0, 1.0, "BAD_cable"),
        Annotation(21.0, 0.0, "x"),
    )
    assert described.notes == (
        "a.edf: 1 annotations lie in pauses of the recorder and are left out",
    )


def test_no_window_crosses_a_pause(tmp_path: Path) -> None:
    """An event whose window would begin behind the pause gives none."""
    starts = [t + (3.0 if t >= 20 else 0.0) for t in range(SECONDS)]
    file = recording(eeg(), kind="EDF+D", starts_s=starts, notes=events(SECONDS, 20, 3.0))
    path = edf.write(tmp_path / "a.edf", file)
    text = alike.contract_text(NAMES, SFREQ, ["left", "right"], {}).replace(
        "n_times = 20", "n_times = 20\nstart_s = 1.5"
    )
    data = source.read(str(path), contract_file.parse(text, "c.toml"))
    # the window of 19 s would begin behind the pause, that of 39 s behind the end
    assert len(data.labels) == 39 - 2


def test_records_that_go_back(tmp_path: Path) -> None:
    """Times that contradict the records are refused."""
    file = recording(eeg(seconds=4), kind="EDF+D", starts_s=[0.0, 1.0, 1.2, 3.0])
    path = edf.write(tmp_path / "a.edf", file)
    with pytest.raises(UsageError) as error:
        reader.open_recording(path)
    assert str(error.value) == (
        f"{str(path)!r} says that record 3 began at 1.2 s, before record 2 had ended at 2 s. "
        f"Export it anew."
    )


@pytest.mark.parametrize("limits", [(3276.7, -3276.8), (-3276.8, 3276.7)])
def test_range_of_either_direction(tmp_path: Path, limits: tuple[float, float]) -> None:
    """A physical minimum above the maximum turns the signal round, as MNE reads it."""
    x = eeg()
    signals = [edf.Signal(n, row, limits=limits) for n, row in zip(NAMES, x, strict=True)]
    path = edf.write(tmp_path / "a.edf", edf.Recording(signals, notes=events(SECONDS)))
    expected = [(100 * t, ("left", "right")[t % 2]) for t in range(1, SECONDS)]
    alike.check(path, NAMES, SFREQ, [x], expected, atol_uv=0.06)
    header = Replay(SourceRequest(str(path), speed=math.inf)).header
    assert header.limits == (pytest.approx((-3276.8e-6, 3276.7e-6)),) * 3


def test_decimal_commas_and_padded_fields(tmp_path: Path) -> None:
    """Fields as some exporters write them are read as MNE reads them."""
    x = eeg()
    fields = {"physical_min": " -3276,8", "physical_max": "3276,7", "n_samples": " 100\0\0"}
    signals = [edf.Signal(n, row, fields=fields) for n, row in zip(NAMES, x, strict=True)]
    path = edf.write(tmp_path / "a.edf", edf.Recording(signals, notes=events(SECONDS)))
    expected = [(100 * t, ("left", "right")[t % 2]) for t in range(1, SECONDS)]
    alike.check(path, NAMES, SFREQ, [x], expected, atol_uv=0.06)


def test_slow_channels_beside_fast_ones(tmp_path: Path) -> None:
    """EEG at 100 Hz beside a channel at 400 Hz is read at 100 Hz, not upsampled as MNE does."""
    x = eeg()
    fast = edf.Signal("EMG", np.repeat(x[0], 4), per_record=400)
    signals = [fast, *(edf.Signal(n, row) for n, row in zip(NAMES, x, strict=True))]
    path = edf.write(tmp_path / "a.edf", edf.Recording(signals, notes=events(SECONDS)))
    assert mne.io.read_raw_edf(path, verbose="error").info["sfreq"] == 400
    described = reader.open_continuous(path)
    assert [channel.sfreq for channel in described.channels] == [400, 100, 100, 100]
    expected = [(100 * t, ("left", "right")[t % 2]) for t in range(1, SECONDS)]
    alike.check(path, NAMES, SFREQ, [x], expected, atol_uv=0.06)


def read(path: Path, signal: str = "", names: tuple[str, ...] = NAMES) -> Dataset:
    """A file under a contract with some more lines in its [signal]."""
    text = alike.contract_text(names, SFREQ, ["left", "right"], {})
    text = text.replace("sfreq = 100.0", f"sfreq = 100.0\n{signal}")
    return source.read(str(path), contract_file.parse(text, "c.toml"))


def test_channels_of_two_rates(tmp_path: Path) -> None:
    """One contract cannot take both."""
    x = eeg()
    signals = [edf.Signal("C3", np.repeat(x[0], 2), per_record=200), edf.Signal("C4", x[2])]
    path = edf.write(tmp_path / "a.edf", edf.Recording(signals, notes=events(SECONDS)))
    with pytest.raises(IncompatibleError) as error:
        read(path, names=("C3", "C4"))
    assert str(error.value) == (
        "a.edf has channel 'C3' at 200 Hz and 'C4' at 100 Hz. Take channels of one rate; nothing "
        "is resampled."
    )


@pytest.mark.parametrize("record_s", ["1.000001", "0.99999"])
def test_a_clock_that_is_a_little_off(tmp_path: Path, record_s: str) -> None:
    """A few ppm are the clock's; events and windows are where they are."""
    x = eeg()
    file = recording(x, notes=events(SECONDS), fields={"record_s": record_s})
    path = edf.write(tmp_path / "a.edf", file)
    expected = [(100 * t, ("left", "right")[t % 2]) for t in range(1, SECONDS)]
    alike.check(path, NAMES, SFREQ, [x], expected, atol_uv=0.06)


def test_a_rate_that_prints_alike(tmp_path: Path) -> None:
    """What tells two rates apart is printed."""
    path = edf.write(tmp_path / "a.edf", recording(eeg(), fields={"record_s": "1.00011"}))
    with pytest.raises(IncompatibleError) as error:
        read(path)
    assert str(error.value) == (
        "a.edf was recorded at 99.989 Hz and the contract says 100 Hz. Set signal.sfreq to the "
        "recording's rate; nothing is resampled."
    )


ODD = {"": "says no unit", ".V": "says the unit '.V', which is not understood,"} | {
    unit: f"says the unit {unit!r}, which is not understood," for unit in ("uv", "microV", "MV")
}


@pytest.mark.parametrize("unit", ODD)
def test_units_that_are_none(tmp_path: Path, unit: str) -> None:
    """Refused with the line that says the unit; with that line they are read, live too."""
    x = eeg()
    signals = [edf.Signal(n, row, unit=unit) for n, row in zip(NAMES, x, strict=True)]
    path = edf.write(tmp_path / "a.edf", edf.Recording(signals, notes=events(SECONDS)))
    with pytest.raises(IncompatibleError) as error:
        read(path)
    message = str(error.value)
    assert message.startswith(f"a.edf {ODD[unit]} for channel 'C3' and 2 more. If the numbers are")
    assert message.endswith('suggests, write file_unit = "uV" under [signal] in the contract.')
    data = read(path, 'file_unit = "uV"')
    np.testing.assert_allclose(data.windows[0], x[:, 100:120], atol=0.06)
    frames = Replay(SourceRequest(str(path), unit="uV", speed=math.inf)).read(0)
    assert frames is not None
    np.testing.assert_allclose(1e6 * frames.samples.T, x[:, :100], atol=0.06)


@pytest.mark.parametrize(("unit", "factor"), [("V", 1e6), ("mV", 1e3)])
def test_units_that_the_amplitude_contradicts(tmp_path: Path, unit: str, factor: float) -> None:
    """Microvolts that call themselves volts are refused in training and in replay."""
    signals = [edf.Signal(n, row, unit=unit) for n, row in zip(NAMES, eeg(), strict=True)]
    path = edf.write(tmp_path / "a.edf", edf.Recording(signals, notes=events(SECONDS)))
    with pytest.raises(IncompatibleError) as error:
        read(path)
    message = str(error.value)
    assert f"uV if its numbers are {unit}, as it says; EEG deviates by 0.1 to 3,000 uV" in message
    assert message.endswith('write file_unit = "uV" under [signal] in the contract.')
    contract = contract_file.parse(alike.contract_text(NAMES, SFREQ, "ab", {}), "c").contract()
    with pytest.raises(IncompatibleError, match="If its numbers are uV, add --unit uV"):
        Replay(SourceRequest(str(path), contract=contract))


@pytest.mark.parametrize("what", ["physical", "digital"])
def test_a_channel_without_a_scale(tmp_path: Path, what: str) -> None:
    """MNE warns and makes the scale one; here the channel is refused, and others are read."""
    flat = edf.Signal("C3", eeg()[0], fields={f"{what}_min": "5", f"{what}_max": "5"})
    signals = [flat, edf.Signal("C4", eeg()[2])]
    path = edf.write(tmp_path / "a.edf", edf.Recording(signals, notes=events(SECONDS)))
    with pytest.raises(IncompatibleError) as error:
        read(path, names=("C3",))
    assert str(error.value) == (
        f"a.edf has a channel 'C3' that cannot be read: its header gives a {what} range of 5 to 5, "
        f"which is no scale. Leave it out of the contract's channels, or export the recording anew."
    )
    assert len(read(path, names=("C4",)).labels) == SECONDS - 1


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "cp1251"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    """UTF-8 and Latin-1 are read; another is read when the contract names it."""
    name = {"utf-8": "droite é", "latin-1": "droite é", "cp1251": "право"}[encoding]
    notes = [(t, d, {"right": name}.get(text, text)) for t, d, text in events(SECONDS)]
    path = edf.write(tmp_path / "a.edf", recording(eeg(), notes=notes, encoding=encoding))
    text = alike.contract_text(NAMES, SFREQ, ["left", name], {})
    if encoding == "cp1251":
        text = text.replace("sfreq = 100.0", 'sfreq = 100.0\nencoding = "cp1251"')
    data = source.read(str(path), contract_file.parse(text, "c.toml"))
    assert data.labels.tolist() == [1, 0] * 19 + [1]
    assert data.contract.classes == ("class left", f"class {name}")
    assert any("read as Latin-1" in note for note in data.notes) == (encoding == "latin-1")


def test_an_encoding_that_is_wrong(tmp_path: Path) -> None:
    """Refused in one line, before anything is read wrongly."""
    notes = [(t, d, "é") for t, d, _ in events(SECONDS)]
    path = edf.write(tmp_path / "a.edf", recording(eeg(), notes=notes, encoding="latin-1"))
    with pytest.raises(UsageError, match=r"are not in 'utf-8', which the contract's"):
        read(path, 'encoding = "utf-8"')
    with pytest.raises(UsageError, match=r"signal\.encoding 'klingon' is no encoding"):
        read(path, 'encoding = "klingon"')


def test_annotations_are_mne_s(tmp_path: Path) -> None:
    """Texts, onsets and durations of a recording without pauses are those that MNE reads."""
    notes = [(1.25, 0.5, "a"), (3.0, 0.0, "b@@C3"), (7.5, 2.0, "BAD_blink"), (20.015, 0.0, "c d")]
    file = recording(eeg(), notes=notes, starts_s=[t + 0.25 for t in range(SECONDS)])
    path = edf.write(tmp_path / "a.edf", file)
    theirs = mne.io.read_raw_edf(path, verbose="error").annotations
    ours = reader.open_continuous(path).annotations
    assert [a.text for a in ours] == list(theirs.description)
    np.testing.assert_allclose([a.onset_s for a in ours], theirs.onset, atol=1e-9)
    np.testing.assert_allclose([a.duration_s for a in ours], theirs.duration, atol=1e-9)


def test_two_columns_of_one_name(tmp_path: Path) -> None:
    """Training and replay refuse in the same words."""
    x = eeg()
    names = ("C3", "C3-LE", "C4")
    signals = [edf.Signal(n, row) for n, row in zip(names, x, strict=True)]
    path = edf.write(tmp_path / "a.edf", edf.Recording(signals, notes=events(SECONDS)))
    text = alike.contract_text(("C3", "C4"), SFREQ, ["left", "right"], {})
    file = contract_file.parse(f'{text}[rename]\n"C3-LE" = "C3"\n', "c.toml")
    messages = []
    for attempt in (
        lambda: source.read(str(path), file),
        lambda: Replay(SourceRequest(str(path), contract=file.contract())),
    ):
        with pytest.raises(IncompatibleError) as error:
            attempt()
        messages.append(str(error.value))
    assert messages == 2 * [
        "a.edf has the columns 'C3' and 'C3-LE', and with [rename] each of them is 'C3'. Rename "
        'the one that is not meant to something else, e.g. "C3" = "C3-unused".'
    ]


def test_more_records_than_the_header_counts(tmp_path: Path) -> None:
    """All are read, as MNE reads them, and a note says so."""
    x = eeg()
    path = edf.write(tmp_path / "a.edf", recording(x, fields={"n_records": "30"}))
    described = reader.open_continuous(path)
    assert described.pieces[-1].stop_s == SECONDS
    assert described.notes == (
        "a.edf: its header counts fewer records than it holds; all 40 are read",
    )


def test_unfinished_recording(tmp_path: Path) -> None:
    """A recorder that was not stopped writes -1 records; the file's size counts."""
    path = edf.write(tmp_path / "a.edf", recording(eeg(), fields={"n_records": "-1"}))
    assert reader.open_continuous(path).pieces[-1].stop_s == SECONDS


def test_duplicated_labels(tmp_path: Path) -> None:
    """Two columns with one label are told apart as MNE does."""
    signals = [edf.Signal("C3", eeg()[0]), edf.Signal("C3", eeg()[1])]
    path = edf.write(tmp_path / "a.edf", edf.Recording(signals))
    described = reader.open_continuous(path)
    assert [channel.name for channel in described.channels] == ["C3-0", "C3-1"]
    with pytest.raises(EdgeError, match="has no channel 'C3'"):
        picking.pick(
            described,
            contract_file.parse(alike.contract_text(["C3"], SFREQ, "ab", {}), "c").contract(),
        )
