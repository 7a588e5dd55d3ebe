# SPDX-License-Identifier: BSD-3-Clause
"""XDF files, in the form of xdf-modules/example-files ``minimal.md`` (two streams, clock offsets).

pyxdf reads their bytes for us; here it also removes the jitter by itself, to compare with.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import pyxdf
from numpy.typing import NDArray

from edge.data import reader
from edge.data.description import Annotation
from edge.errors import MissingToolError, UsageError
from tests import xdf
from tests.edge.data.formats.alike import check
from tests.xdf import Stream

SFREQ = 250.0
NAMES = ("Fz", "C3", "C4")
EVENTS = [(100, "left"), (400, "right"), (1200, "left")]


def eeg(n: int = 2000, **changes: object) -> Stream:
    """A stream of EEG whose samples came when they were taken."""
    uv = np.random.default_rng(3).normal(0, 20, (n, 3)).astype(np.float32).astype(np.float64)
    made = Stream(
        "actiCHamp",
        "EEG",
        SFREQ,
        5000 + np.arange(n) / SFREQ,
        uv,
        channels=[(name, "microvolts") for name in NAMES],
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def markers(signal: Stream, clock_s: float = 0.0) -> Stream:
    """Events at samples of a signal, on a computer whose clock is behind."""
    times = np.array([5000 + at / SFREQ for at, _ in EVENTS]) - clock_s
    return Stream("Stimuli", "Markers", 0, times, [t for _, t in EVENTS], "string", clock_s)


def uv_of(stream: Stream) -> NDArray[np.float64]:
    """Samples (n_chans, n)."""
    return np.asarray(stream.values).T


def test_two_streams(tmp_path: Path) -> None:
    """Labels, units and rate of the header; events by a clock that is 1,000 s behind."""
    signal = eeg()
    path = xdf.write(tmp_path / "a.xdf", [markers(signal, 1000.0), signal])
    found = reader.open_continuous(path)
    assert [(c.name, c.written_unit, c.unit) for c in found.channels] == [
        (name, "microvolts", "uV") for name in NAMES
    ]
    assert found.notes == ()
    check(path, NAMES, SFREQ, [uv_of(signal)], EVENTS)


def test_jitter(tmp_path: Path) -> None:
    """Events lie where pyxdf's own removal of jitter puts them, and that is where they were."""
    rng = np.random.default_rng(1)
    times = 5000 + np.arange(2000) / SFREQ + rng.uniform(-0.015, 0.015, 2000)
    signal = eeg(times_s=times)
    path = xdf.write(tmp_path / "a.xdf", [signal, markers(signal)])
    streams, _ = pyxdf.load_xdf(str(path))
    theirs, texts = streams[0]["time_stamps"], streams[1]["time_stamps"]
    expected = np.interp(texts, theirs, np.arange(2000))
    found = [a.onset_s * SFREQ for a in reader.open_continuous(path).annotations]
    assert found == pytest.approx(expected, abs=1e-6)
    check(path, NAMES, SFREQ, [uv_of(signal)], EVENTS)


def test_a_loss_and_a_pause(tmp_path: Path) -> None:
    """Regular times show each lost sample; an event in a pause is said to be lost."""
    signal = eeg()
    times = np.array(signal.times_s)
    uv = np.asarray(signal.values)
    kept = np.delete(np.arange(2000), [50, *range(600, 800)])
    cut = replace(signal, times_s=times[kept], values=uv[kept])
    events = markers(signal)
    more = replace(
        events, times_s=np.append(events.times_s, 5000 + 700 / SFREQ), values=[*events.values, "x"]
    )
    path = xdf.write(tmp_path / "a.xdf", [cut, more])
    bridged = uv.T.copy()
    bridged[:, 50] = (uv[49] + uv[51]) / 2
    pieces = [bridged[:, :600], bridged[:, 800:]]
    check(path, NAMES, SFREQ, pieces, [(100, "left"), (400, "right"), (1000, "left")])
    assert reader.open_continuous(path).notes == (
        "a.xdf: 1 events lie outside of the signal and are left out",
        "a.xdf: 1 lost samples are bridged by straight lines and the signal begins anew 1 times, "
        "after losses or pauses",
    )


def test_a_pause_in_jitter(tmp_path: Path) -> None:
    """Events after it are where they were, though no single time is exact."""
    rng = np.random.default_rng(1)
    times = 5000 + np.arange(2000) / SFREQ + rng.uniform(-0.015, 0.015, 2000)
    times[1000:] += 20
    signal = eeg(times_s=times)
    events = markers(signal)
    events = replace(events, times_s=events.times_s + np.array([0, 0, 20]))
    path = xdf.write(tmp_path / "a.xdf", [signal, events])
    uv = uv_of(signal)
    check(path, NAMES, SFREQ, [uv[:, :1000], uv[:, 1000:]], EVENTS)


def test_events_of_a_channel_and_of_a_stream_of_numbers(tmp_path: Path) -> None:
    """``markers`` names either; without it streams of type Markers count."""
    uv = np.array(eeg().values)
    uv[:, 2] = 0
    uv[[100, 1200], 2] = 7, 8
    signal = eeg(values=uv, channels=[("Fz", "uV"), ("C3", "uV"), ("TRIG", "")])
    numbers = Stream(
        "codes", "Markers", 0, 5000 + np.array([300, 500]) / SFREQ, np.array([[1.0], [2.0]])
    )
    path = xdf.write(tmp_path / "a.xdf", [signal, numbers])
    by_default = reader.open_continuous(path).annotations
    assert [(round(a.onset_s * SFREQ), a.text) for a in by_default] == [(300, "1"), (500, "2")]
    asked = reader.open_continuous(path, reader.Hints(options={"markers": "TRIG"}))
    assert asked.annotations == (Annotation(0.4, 0.0, "7"), Annotation(4.8, 0.0, "8"))
    assert asked.channel("TRIG").unit == "unknown"


def test_which_stream(tmp_path: Path) -> None:
    """Two of type EEG: by name, type or source_id; refused otherwise."""
    first = eeg(extra={"source_id": "amp1"})
    second = eeg(name="dry", extra={"source_id": "amp2"}, values=np.zeros((2000, 3)))
    path = xdf.write(tmp_path / "a.xdf", [first, second, markers(first)])
    with pytest.raises(UsageError) as error:
        reader.open_recording(path)
    assert str(error.value) == (
        f"{str(path)!r} has 2 streams of samples of type 'EEG'; its streams are 'actiCHamp' (type "
        f"'EEG'), 'dry' (type 'EEG'). Name one of them, or its source_id, under [file] in the "
        f'contract, or as --arg of a replay: stream = "…".'
    )
    for text in ("actiCHamp", "amp1"):
        check(path, NAMES, SFREQ, [uv_of(first)], EVENTS, options={"stream": text})


def test_a_rate_that_is_not_so(tmp_path: Path) -> None:
    """A header of 250 Hz over samples that came at 200."""
    signal = eeg(times_s=5000 + np.arange(2000) / 200)
    path = xdf.write(tmp_path / "a.xdf", [signal])
    with pytest.raises(UsageError) as error:
        reader.open_recording(path)
    assert str(error.value) == (
        f"Stream 'actiCHamp' (type 'EEG') of {str(path)!r} says 250 Hz and has 200 samples a "
        f"second by its times. Say the rate as sfreq, or record it again."
    )
    told = reader.open_continuous(path, reader.Hints(options={"sfreq": 200}))
    assert told.channels[0].sfreq == 200


def test_no_samples_no_stream_no_file(tmp_path: Path) -> None:
    """One line each."""
    empty = eeg(0)
    path = xdf.write(tmp_path / "a.xdf", [empty])
    with pytest.raises(UsageError, match=r"Stream 'actiCHamp' \(type 'EEG'\) of .* holds no sampl"):
        reader.open_recording(path)
    path = xdf.write(tmp_path / "b.xdf", [eeg()])
    with pytest.raises(UsageError, match=r"has no stream and no channel 'x' of events"):
        reader.open_recording(path, reader.Hints(options={"markers": "x"}))
    (tmp_path / "c.xdf").write_bytes(b"not one")
    with pytest.raises(UsageError, match=r"c\.xdf' is not an XDF file: it does not begin"):
        reader.open_recording(tmp_path / "c.xdf")


def test_a_file_that_was_cut_off(tmp_path: Path) -> None:
    """What is there is read, and what pyxdf says of the rest is a note."""
    signal = eeg()
    path = xdf.write(tmp_path / "a.xdf", [markers(signal), signal])
    path.write_bytes(path.read_bytes()[:20_000])
    found = reader.open_continuous(path)
    n = found.pieces[-1].samples(SFREQ)[1]
    assert 500 < n < 2000
    ours = found.read(NAMES, 0, n) * 1e6
    np.testing.assert_allclose(ours, uv_of(signal)[:, :n], rtol=1e-9)
    assert found.notes


def test_without_pyxdf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line that installs it."""
    path = xdf.write(tmp_path / "a.xdf", [eeg()])
    monkeypatch.setitem(sys.modules, "pyxdf", None)
    with pytest.raises(MissingToolError, match=r"Type: pip install 'eeg-edge\[export\]'"):
        reader.open_recording(path)
