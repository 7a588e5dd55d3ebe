# SPDX-License-Identifier: BSD-3-Clause
"""Files of a Muse, by Mind Monitor and by muselsl.

Written here in the form of Enigma644/MindMonitorPython (``OSC Receiver.py``: time stamps, elements
in rows of their own) and of the app's own files as hpi-dhc/devicely (``devicely/muse.py``) reads
them; and of mad-lab-fau/BioPsyKit ``example_data/eeg_muse_example.csv``, which muselsl wrote.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.data import reader
from edge.data.description import Annotation
from edge.errors import UsageError
from tests.edge.data.formats.alike import check

SFREQ = 256.0
ELECTRODES = ("TP9", "AF7", "AF8", "TP10")
BANDS = [f"{band}_{e}" for band in ("Delta", "Theta", "Alpha", "Beta", "Gamma") for e in ELECTRODES]
BEHIND = ["Accelerometer_X", "Gyro_X", "HeadBandOn", "HSI_TP9", "Battery", "Elements"]
START = datetime(2025, 7, 1, 14, 56, 5, 592000)


def signal(n: int, centre_uv: float, seed: int = 0) -> NDArray[np.float64]:
    """(4, n) in steps of a Muse's converter, µV."""
    rng = np.random.default_rng(seed)
    return np.round(centre_uv + 20 * rng.standard_normal((4, n)), 6)


def arrival(n: int, sfreq: float = SFREQ) -> NDArray[np.float64]:
    """Seconds at which samples arrive: twelve at once, each packet a little late."""
    packet = np.arange(n) // 12
    late = np.random.default_rng(5).uniform(0, 0.04, packet[-1] + 1)
    return (packet + 1) * 12 / sfreq + late[packet]


def mind_monitor(
    path: Path,
    uv: NDArray[np.float64],
    elements: Sequence[tuple[int, str]],
    times_s: NDArray[np.float64],
) -> Path:
    """The app's file; an element's row stands before the sample that came after it."""
    columns = ["TimeStamp", *BANDS, *(f"RAW_{e}" for e in ELECTRODES), "AUX_RIGHT", *BEHIND]
    lines = [",".join(columns)]
    for i, row in enumerate(uv.T):
        stamp = (START + timedelta(seconds=float(times_s[i]))).isoformat(" ", "milliseconds")
        lines += [f"{stamp}{',' * (len(columns) - 1)}{text}" for at, text in elements if at == i]
        bands = ["0.4980847221289046"] * len(BANDS)
        values = [stamp, *bands, *map(repr, row.tolist()), "", "0.1", "0.5", "1", "1.0", "85", ""]
        lines.append(",".join(values))
    path.write_text("\n".join(lines) + "\n")
    return path


def muselsl(path: Path, uv: NDArray[np.float64], markers: Sequence[tuple[int, int]] = ()) -> Path:
    """What ``muselsl record`` writes, with the column of markers that it has when it hears some."""
    lines = ["timestamps,TP9,AF7,AF8,TP10,Right AUX" + (",Marker0" if markers else "")]
    for i, row in enumerate(uv.T):
        values = ",".join(f"{v:.3f}" for v in row)
        code = f",{dict(markers).get(i, 0)}" if markers else ""
        lines.append(f"{1606398355.528 + i / SFREQ:.3f},{values},0.000{code}")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_mind_monitor(tmp_path: Path) -> None:
    """Electrodes without RAW_, markers where they were set, inputs that are empty left out."""
    uv = signal(1500, 800.0)
    elements = [(100, "/Marker/1"), (400, "/muse/elements/blink"), (700, "/Marker/2")]
    path = mind_monitor(tmp_path / "museMonitor.csv", uv, elements, arrival(1500))
    found = reader.open_continuous(path)
    assert tuple(c.name for c in found.channels) == ELECTRODES
    assert {(c.sfreq, c.unit) for c in found.channels} == {(256.0, "uV")}
    assert (found.channels[0].low, found.channels[0].high) == (0.0, pytest.approx(1682.815e-6))
    assert found.annotations == tuple(Annotation(at / 256, 0.0, text) for at, text in elements)
    check(path, ELECTRODES, SFREQ, [uv], [(100, "/Marker/1"), (700, "/Marker/2")])


def test_the_app_was_paused(tmp_path: Path) -> None:
    """All that follows is late: the signal begins anew, and events stay with their samples."""
    uv, times_s = signal(3000, 800.0), arrival(3000)
    times_s[1200:] += 9.0
    elements = [(50, "/Marker/1"), (2000, "/Marker/2")]
    path = mind_monitor(tmp_path / "a.csv", uv, elements, times_s)
    check(path, ELECTRODES, SFREQ, [uv[:, :1200], uv[:, 1200:]], elements)


def test_muselsl(tmp_path: Path) -> None:
    """Times to the millisecond are regular enough; the codes of its markers are the events."""
    uv = np.round(signal(1000, 0.0), 3)
    path = muselsl(tmp_path / "EEG_recording.csv", uv, [(100, 1), (500, 2)])
    assert reader.open_continuous(path).channels[0].low == -1e-3
    check(path, ELECTRODES, SFREQ, [uv], [(100, "1"), (500, "2")])


def test_a_packet_that_muselsl_lost(tmp_path: Path) -> None:
    """Its times have a hole of twelve samples, which is more than is bridged."""
    uv = np.round(signal(1000, 0.0), 3)
    path = muselsl(tmp_path / "a.csv", uv, [(100, 1), (500, 2)])
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:241], *lines[253:]]))
    pieces = [uv[:, :240], uv[:, 252:]]
    check(path, ELECTRODES, SFREQ, pieces, [(100, "1"), (488, "2")])


def test_averages(tmp_path: Path) -> None:
    """The app at one row a second has no samples to decode."""
    path = mind_monitor(tmp_path / "a.csv", signal(60, 800.0), [], np.arange(60.0))
    with pytest.raises(UsageError) as error:
        reader.open_recording(path)
    assert str(error.value) == (
        f"{str(path)!r} has 1 rows a second and a Muse 256 samples. Set the recording interval of "
        f"Mind Monitor to 'Constant', which writes them all, or say the rate as sfreq."
    )


def test_the_muse_of_2014(tmp_path: Path) -> None:
    """220 Hz, told by its rows."""
    path = mind_monitor(tmp_path / "a.csv", signal(2000, 800.0), [], arrival(2000, 220.0))
    assert {c.sfreq for c in reader.open_continuous(path).channels} == {220.0}


@pytest.mark.parametrize("text", ["01.07.2025 14:56:05.592", "yesterday"])
def test_no_time(text: str, tmp_path: Path) -> None:
    """The line is named, and what a time looks like."""
    path = mind_monitor(tmp_path / "a.csv", signal(500, 800.0), [], arrival(500))
    lines = path.read_text().splitlines()
    lines[9] = ",".join([text, *lines[9].split(",")[1:]])
    path.write_text("\n".join(lines))
    with pytest.raises(UsageError) as error:
        reader.open_recording(path)
    assert str(error.value) == (
        f"{str(path)!r} has {text!r} in column 'TimeStamp', line 10, which is no time such as "
        f"2025-07-01 14:56:05.592."
    )


def test_an_electrode_that_says_nothing(tmp_path: Path) -> None:
    """A column of blanks is no signal."""
    path = mind_monitor(tmp_path / "a.csv", signal(300, 800.0), [], arrival(300))
    lines = [line.split(",") for line in path.read_text().splitlines()]
    at = lines[0].index("RAW_AF7")
    text = "\n".join(",".join([*row[:at], "", *row[at + 1 :]]) for row in lines[1:])
    path.write_text(",".join(lines[0]) + "\n" + text)
    with pytest.raises(UsageError) as error:
        reader.open_recording(path)
    assert str(error.value) == f"{str(path)!r} holds nothing in its column 'RAW_AF7'."
