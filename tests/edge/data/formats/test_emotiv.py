# SPDX-License-Identifier: BSD-3-Clause
"""Files of Emotiv's headsets: CSV with two header lines, with one, and EDF.

Written here in the form of hugofloresgarcia/MusEEG
``data/longRawTrainingSamples/testfiles/testrec_eyebrows.csv`` (blank markers, counter, times,
offset), of Emotiv/community-sdk issue 286 (``labels:``), and of EmotivPRO's manual, "EDF files" and
"Marker files" (https://emotiv.gitbook.io/emotivpro-v3). The EDF file is written by edfio.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import edfio
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.data import reader
from edge.data.description import Annotation
from edge.errors import UsageError
from tests.edge.data.formats.alike import check

SFREQ = 128
SENSORS = ("AF3", "T7", "Pz", "T8", "AF4")
OLD = [
    "COUNTER",
    "INTERPOLATED",
    "AF3",
    "T7",
    "Pz",
    "T8",
    "AF4",
    "RAW_CQ",
    "GYROX",
    "GYROY",
    "MARKER",
    "MARKER_HARDWARE",
    "SYNC",
    "TIME_STAMP_s",
    "TIME_STAMP_ms",
    "CQ_AF3",
    "CQ_T7",
    "CQ_Pz",
    "CQ_T8",
    "CQ_AF4",
]


def signal(n: int) -> NDArray[np.float64]:
    """(5, n) around 4,200 µV, in the digits of the file."""
    rng = np.random.default_rng(2)
    offsets = rng.uniform(4090, 4250, (5, 1))
    return np.asarray(np.round(offsets + 20 * rng.standard_normal((5, n)), 6))


def pro(
    path: Path,
    uv: NDArray[np.float64],
    markers: Sequence[tuple[int, int]] = (),
    hardware: Sequence[tuple[int, int]] = (),
    kept: Sequence[int] | None = None,
    rate: str = "128",
) -> Path:
    """EmotivPRO's file; rows that are not ``kept`` were lost on the way."""
    columns = ["Timestamp", "EEG.Counter", "EEG.Interpolated", *(f"EEG.{s}" for s in SENSORS)]
    columns += ["EEG.RawCq", "EEG.Battery", "MarkerIndex", "MarkerType", "MarkerValueInt"]
    columns += ["EEG.MarkerHardware", *(f"CQ.{s}" for s in SENSORS), "MOT.AccX"]
    lines = [
        f"title:test, start timestamp:1576079627.004193, headset type:INSIGHT, headset serial:3B9, "
        f"channels:{len(columns)}, sampling rate:{rate}, samples:{uv.shape[1]}      , version:2.1",
        ",".join(columns),
    ]
    for i in range(uv.shape[1]) if kept is None else kept:
        code = dict(markers).get(i)
        marker = ["", "", ""] if code is None else ["0", "1", f"{code}.000000"]
        row = [f"{1576079627.004193 + i / SFREQ:.6f}", f"{i % SFREQ}.000000", "0.000000"]
        row += [f"{v:.6f}" for v in uv[:, i]]
        row += ["3223.000000", "2.000000", *marker, f"{dict(hardware).get(i, 0)}.000000"]
        row += ["4.000000"] * 5 + ["1.0" if i % 4 == 0 else ""]
        lines.append(",".join(row))
    path.write_text("\n".join(lines) + "\n")
    return path


def before_2019(path: Path, uv: NDArray[np.float64], markers: Sequence[tuple[int, int]]) -> Path:
    """One header line with the labels in it."""
    lines = [
        "title: test, recorded: 08.01.18 10.00.00, timestamp started:2018-01-08T10:00:00+08:00, "
        f"sampling:128, subject:, labels:{' '.join(OLD)}, chan:{len(OLD)}, units:emotiv"
    ]
    for i in range(uv.shape[1]):
        values = {
            "COUNTER": i % 129,
            "MARKER": dict(markers).get(i, 0),
            "INTERPOLATED": 0,
            "MARKER_HARDWARE": 0,
        }
        values |= dict(zip(SENSORS, uv[:, i], strict=True))
        lines.append(", ".join(f"{values.get(label, 4):.6f}" for label in OLD))
    path.write_text("\n".join(lines) + "\n")
    return path


def edf(path: Path, uv: NDArray[np.float64], markers: Sequence[tuple[int, int]]) -> Path:
    """EmotivPRO's EDF: what the CSV has in columns are signals."""
    codes = np.zeros(uv.shape[1])
    for at, code in markers:
        codes[at] = code

    def one(label: str, samples: NDArray[np.float64], unit: str, top: float) -> edfio.EdfSignal:
        return edfio.EdfSignal(
            samples, SFREQ, label=label, physical_dimension=unit, physical_range=(-top, top)
        )

    signals = [
        one("COUNTER", np.arange(uv.shape[1]) % 128.0, "", 128),
        *(one(s, samples, "uV", 8400) for s, samples in zip(SENSORS, uv, strict=True)),
        one("MarkerValueInt", codes, "", 32767),
        one("MARKER_HARDWARE", np.zeros_like(codes), "", 100),
        one("CQ_AF3", np.full_like(codes, 4.0), "", 10),
    ]
    edfio.Edf(signals).write(path)
    return path


EVENTS = [(100, 1), (300, 2), (700, 1)]
TEXTS = [(at, str(code)) for at, code in EVENTS]


@pytest.mark.parametrize("write", [pro, before_2019])
def test_csv(write: Callable[..., Path], tmp_path: Path) -> None:
    """Electrodes without their prefix, with their offset; markers at their samples."""
    uv = signal(1024)
    path = write(tmp_path / "test_INSIGHT.csv", uv, EVENTS)
    found = reader.open_continuous(path)
    assert tuple(c.name for c in found.channels) == SENSORS
    assert {(c.sfreq, c.unit) for c in found.channels} == {(128.0, "uV")}
    assert found.notes == ()
    check(path, SENSORS, SFREQ, [uv], TEXTS)


def test_edf(tmp_path: Path) -> None:
    """The same events from signals; electrodes to the resolution of 16 bits over 16.8 mV."""
    uv = signal(1024)
    path = edf(tmp_path / "test_INSIGHT.edf", uv, EVENTS)
    check(path, SENSORS, SFREQ, [uv], TEXTS, atol_uv=16800 / 65535)


def test_any_signal_of_an_edf_file_holds_events(tmp_path: Path) -> None:
    """The counter, for want of another: its first value is no event, as it is 0."""
    path = edf(tmp_path / "a.edf", signal(256), [])
    found = reader.open_continuous(path, reader.Hints(options={"markers": "CQ_AF3"}))
    assert found.annotations == (Annotation(0.0, 0.0, "4"),)
    with pytest.raises(UsageError, match="has no signal 'MARK' that could hold its markers"):
        reader.open_recording(path, reader.Hints(options={"markers": "MARK"}))


def test_lost_packets(tmp_path: Path) -> None:
    """One sample is bridged, more begin anew."""
    uv = signal(1024)
    kept = [i for i in range(1024) if i != 50 and not 400 <= i < 430]
    path = pro(tmp_path / "a.csv", uv, EVENTS, kept=kept)
    uv[:, 50] = (uv[:, 49] + uv[:, 51]) / 2
    pieces = [uv[:, :400], uv[:, 430:]]
    check(path, SENSORS, SFREQ, pieces, [(100, "1"), (300, "2"), (670, "1")])


def test_hardware_markers(tmp_path: Path) -> None:
    """They are the events where there are no others, and are named where there are."""
    path = pro(tmp_path / "a.csv", signal(512), [], [(200, 1)])
    assert reader.open_continuous(path).annotations == (Annotation(200 / 128, 0.0, "1"),)
    path = pro(tmp_path / "b.csv", signal(512), [(100, 3)], [(200, 1)])
    found = reader.open_continuous(path)
    assert found.annotations == (Annotation(100 / 128, 0.0, "3"),)
    assert found.notes == (
        "b.csv: events are those of MarkerValueInt; EEG.MarkerHardware has some too",
    )


def test_interval_markers_in_a_second_file(tmp_path: Path) -> None:
    """EmotivPRO's own file of them, found by the recording's name."""
    uv = signal(1024)
    pro(tmp_path / "r.csv", uv)
    rows = ["latency,duration,type,marker_value,key,timestamp,marker_id"]
    rows += [
        f"{at / SFREQ},2.0,{'left' if at % 2 else 'right'},{at},,1.0,x" for at in (101, 300, 501)
    ]
    (tmp_path / "r_intervalMarker.csv").write_text("\n".join(rows))
    options = {"events": "{stem}_intervalMarker.csv"}
    found = reader.open_continuous(tmp_path / "r.csv", reader.Hints(options=options))
    assert found.annotations[0] == Annotation(101 / SFREQ, 2.0, "left")
    events = [(101, "left"), (300, "right"), (501, "left")]
    check(tmp_path / "r.csv", SENSORS, SFREQ, [uv], events, options=options)
    assert not reader.is_candidate(tmp_path / "r_intervalMarker.csv")


def test_rates_of_several_streams(tmp_path: Path) -> None:
    """The header of newer versions names each; the electrodes' counts."""
    path = pro(tmp_path / "a.csv", signal(256), rate="mot_64;eeg_128;pow_8")
    assert reader.open_continuous(path).channels[0].sfreq == 128


def test_without_a_rate(tmp_path: Path) -> None:
    """One line."""
    path = pro(tmp_path / "a.csv", signal(256))
    path.write_text(path.read_text().replace("sampling rate:128, ", ""))
    with pytest.raises(UsageError) as error:
        reader.open_recording(path)
    assert str(error.value) == (
        f"{str(path)!r} says no sampling rate in its first line. Export it again."
    )


def test_no_second_file(tmp_path: Path) -> None:
    """Its path, and how it is named."""
    path = pro(tmp_path / "a.csv", signal(256))
    with pytest.raises(UsageError) as error:
        reader.open_recording(path, reader.Hints(options={"events": "{stem}.tsv"}))
    assert str(error.value) == (
        f"a.csv has its events in {str(tmp_path / 'a.tsv')!r}, says the option events, and there "
        f'is no such file. Write e.g. events = "{{stem}}_events.tsv".'
    )
