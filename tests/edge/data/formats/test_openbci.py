# SPDX-License-Identifier: BSD-3-Clause
"""Files of the OpenBCI GUI.

Written here in the form of these files of OpenBCI/OpenBCI_GUI:
``OpenBCI_GUI/data/EEG_Sample_Data/OpenBCI_GUI-v6-blinks-jawClench-alpha.txt`` (names of columns,
marker), ``…/OpenBCI-sampleData-1-blinks-jawClench-alpha.txt`` (none of both) and
``OpenBCI_GUI/SavedData/Sample_Data/SDconverted-2014-10-22_17-39-29.txt``; the Ganglion's columns
are those of ``BoardGanglion.pde``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.data import reader
from edge.data.description import Annotation, Span
from edge.errors import UsageError
from tests.edge.data.formats.alike import check

CYTON = (
    *(f"Accel Channel {i}" for i in range(3)),
    "Not Used",
    *(f"Digital Channel {i} (D1{i})" for i in range(4)),
    "Not Used",
    "Digital Channel 4 (D18)",
    *(f"Analog Channel {i}" for i in range(3)),
)
GANGLION = (*(f"Accel Channel {i}" for i in range(3)), *("Other",) * 5)
BOARDS = {
    "CytonSerial": (8, 250, CYTON, list(range(256))),
    "CytonSerialDaisy": (16, 125, CYTON, list(range(0, 256, 2))),
    "GanglionNative": (4, 200, GANGLION, [0, *np.repeat(np.arange(1, 101), 2).tolist()]),
}
"""Electrodes, rate, other inputs and what the packet counter does."""


def signal(n_rows: int, n_chans: int, seed: int = 0) -> NDArray[np.float64]:
    """Electrodes (n_rows, n_chans) in µV, with offsets as electrodes have them."""
    rng = np.random.default_rng(seed)
    return np.round(
        rng.uniform(-9e3, 9e3, n_chans) + 20 * rng.standard_normal((n_rows, n_chans)), 2
    )


def write(
    path: Path,
    board: str,
    uv: NDArray[np.float64],
    markers: Sequence[tuple[int, int]] = (),
    kept: Sequence[int] | None = None,
    stamps_s: NDArray[np.float64] | None = None,
) -> Path:
    """A file of GUI 5 or 6; rows that are not ``kept`` were lost on the way."""
    n_chans, rate, others, cycle = BOARDS[board]
    columns = ["Sample Index", *(f"EXG Channel {i}" for i in range(n_chans)), *others]
    columns += ["Timestamp", "Marker Channel", "Timestamp (Formatted)"]
    lines = [
        "%OpenBCI Raw EXG Data",
        f"%Number of channels = {n_chans}",
        f"%Sample Rate = {rate} Hz",
        f"%Board = OpenBCI_GUI$Board{board}",
        ", ".join(columns),
    ]
    times = 1.6e9 + np.arange(len(uv)) / rate if stamps_s is None else stamps_s
    for i in range(len(uv)) if kept is None else kept:
        row = [f"{cycle[i % len(cycle)]}.0", *(f"{v:.2f}" for v in uv[i])]
        row += ["0.0"] * len(others)
        row += [f"{times[i]:.6f}", f"{dict(markers).get(i, 0)}.0", "2020-09-13 12:26:40.000"]
        lines.append(", ".join(row))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("board", BOARDS)
def test_boards(board: str, tmp_path: Path) -> None:
    """Every sample in volts, the board's rate and range, the markers where they are."""
    n_chans, rate, _, _ = BOARDS[board]
    uv = signal(3 * rate, n_chans)
    path = write(tmp_path / "OpenBCI-RAW.txt", board, uv, [(10, 1), (11, 1), (300, 12)])
    found = reader.open_continuous(path)
    names = [f"EXG Channel {i}" for i in range(n_chans)]
    assert [c.name for c in found.channels] == names
    assert {(c.sfreq, c.unit) for c in found.channels} == {(rate, "uV")}
    np.testing.assert_allclose(found.read(names, 0, 3 * rate) * 1e6, uv.T, rtol=1e-12)
    assert found.pieces == (Span(0.0, 3.0),)
    assert found.annotations == (Annotation(10 / rate, 0, "1"), Annotation(300 / rate, 0, "12"))
    assert found.notes == ()
    check(path, names[:3], rate, [uv.T[:3]], [(10, "1"), (300, "12")])
    full_uv = 187_500 if "Cyton" in board else 15_686.27
    assert found.channels[0].high == pytest.approx(full_uv * 1e-6, rel=1e-6)


@pytest.mark.parametrize("board", BOARDS)
def test_lost_packets(board: str, tmp_path: Path) -> None:
    """Few are bridged by lines, many make a joint; markers stay with their sample."""
    n_chans, rate, _, _ = BOARDS[board]
    uv = signal(4 * rate, n_chans)
    per_packet = 2 if board.startswith("Ganglion") else 1
    few = range(1 + 2 * 40, 1 + 2 * 40 + per_packet)
    many = range(1 + 2 * 80, 1 + 2 * 80 + 20 * per_packet)
    kept = [i for i in range(len(uv)) if i not in few and i not in many]
    path = write(tmp_path / "a.txt", board, uv, [(5, 3), (3 * rate + 40, 7)], kept)
    found = reader.open_continuous(path)
    joint = many.start
    expected = np.delete(uv, list(many), axis=0)
    before, after = uv[few.start - 1], uv[few.stop]
    for i, lost in enumerate(few, 1):
        expected[lost] = before + (after - before) * i / (len(few) + 1)
    read = found.read(["EXG Channel 0", f"EXG Channel {n_chans - 1}"], 0, len(expected))
    np.testing.assert_allclose(read * 1e6, expected[:, [0, -1]].T, rtol=1e-9)
    assert [p.samples(rate) for p in found.pieces] == [(0, joint), (joint, len(expected))]
    split = expected.T[:, :joint], expected.T[:, joint:]
    names = [c.name for c in found.channels]
    check(path, names, rate, split, [(5, "3"), (3 * rate + 40 - len(many), "7")])
    assert found.notes == (
        f"a.txt: {per_packet} lost samples are bridged by straight lines and the signal begins "
        f"anew 1 times, after losses or pauses",
    )


def test_a_pause_and_a_stall(tmp_path: Path) -> None:
    """After a pause all rows are late and the signal begins anew; a stall only delays some."""
    uv = signal(2000, 8)
    times = np.arange(2000) / 250
    times[1024:] += 30.0  # whole turns of the counter: only the time tells
    times[300:800] = np.maximum(times[300:800], times[800])  # two seconds that came at once
    path = write(tmp_path / "a.txt", "CytonSerial", uv, stamps_s=1.6e9 + times)
    assert [p.samples(250) for p in reader.open_continuous(path).pieces] == [
        (0, 1024),
        (1024, 2000),
    ]


def test_any_column_holds_the_events(tmp_path: Path) -> None:
    """A trigger on an input is a column like any other."""
    path = write(tmp_path / "a.txt", "CytonSerial", signal(500, 8))
    lines = path.read_text().splitlines()
    fields = lines[5 + 100].split(", ")
    fields[lines[4].split(", ").index("Analog Channel 0")] = "512.0"
    lines[5 + 100] = ", ".join(fields)
    path.write_text("\n".join(lines))
    found = reader.open_continuous(path, reader.Hints(options={"markers": "Analog Channel 0"}))
    assert found.annotations == (Annotation(0.4, 0.0, "512"),)


def old(path: Path, uv: NDArray[np.float64]) -> Path:
    """A file of GUI 1 to 4: no names of columns, the computer's time in milliseconds at the end."""
    lines = [
        "%OpenBCI Raw EEG Data",
        "%Number of channels = 8",
        "%Sample Rate = 250.0 Hz",
        "%First Column = SampleIndex",
        "%Last Column = Timestamp ",
        "%Other Columns = EEG data in microvolts followed by Accel Data (in G)",
    ]
    for i, row in enumerate(uv):
        values = ", ".join(f"{v:.2f}" for v in row)
        lines.append(
            f"{i % 256}, {values}, 0.040, 0.420, 0.238, 12:00:53.329, {1557936053329 + 4 * i}"
        )
    path.write_text("\n".join(lines) + "\n")
    return path


def converted(path: Path, uv: NDArray[np.float64]) -> Path:
    """Converted from an SD card: no rate, and the accelerometer behind each tenth row."""
    lines = ["%OBCI Data Log - 2014-10-22_17-39-29"]
    for i, row in enumerate(uv):
        values = ",".join(f"{v:.2f}" for v in row)
        lines.append(f"{i % 256}.0,{values}" + (",0.004,0.91,0.404" if i % 10 == 7 else ""))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    ("form", "options"), [(old, {}), (converted, {"sfreq": 250})], ids=["old", "converted"]
)
def test_older_forms(
    form: Callable[[Path, NDArray[np.float64]], Path], options: dict[str, int], tmp_path: Path
) -> None:
    """The same samples; electrodes have the names that newer files give them."""
    uv = signal(700, 8)
    found = reader.open_continuous(form(tmp_path / "a.txt", uv), reader.Hints(options=options))
    names = [c.name for c in found.channels]
    assert names == [f"EXG Channel {i}" for i in range(8)]
    np.testing.assert_allclose(found.read(names, 0, 700) * 1e6, uv.T, rtol=1e-12)
    assert found.pieces == (Span(0.0, 2.8),)


def edited(old_text: str, new_text: str, count: int = 1) -> Callable[[str], str]:
    """An edit of a file's text."""
    return lambda text: text.replace(old_text, new_text, count)


def line(number: int, change: Callable[[str], str]) -> Callable[[str], str]:
    """An edit of one line, counted from 1."""

    def edit(text: str) -> str:
        lines = text.splitlines()
        lines[number - 1] = change(lines[number - 1])
        return "\n".join(lines)

    return edit


REFUSALS: dict[str, tuple[Callable[[str], str], str]] = {
    "no rate": (
        edited("%Sample Rate = 250 Hz\n", ""),
        "says no rate. Write it under [file] in the contract, or as --arg of a replay, e.g. sfreq "
        "= 250, a Cyton's, or 125 with Daisy.",
    ),
    "channels": (
        edited("channels = 8", "channels = 16"),
        "says 16 channels in its header and has columns of 8. Correct the header, or export it "
        "again.",
    ),
    "torn": (
        line(30, lambda text: text[:50]),
        "has 6 of 25 fields in line 30: the line is torn. Delete it, or export the file again.",
    ),
    "cut off": (
        line(105, lambda text: text[:50]),
        "has 6 of 25 fields in line 105: the recording was cut off there. Delete the line.",
    ),
    "decimal commas": (
        line(30, lambda text: text.replace(".", ",")),
        "has 50 of 25 fields in line 30. If its numbers have decimal commas, export it "
        "with decimal points.",
    ),
    "separators": (
        line(30, lambda text: text.replace(", ", ";")),
        "has 1 of 25 fields in line 30: its separator is another. Export it with one.",
    ),
    "no number": (
        line(30, lambda text: text.replace(", 0.0", ", #REF!", 1)),
        "has ' #REF!' in column 'Accel Channel 0', line 30, which is no number.",
    ),
    "no rows": (
        lambda text: "\n".join(text.splitlines()[:5]) + "\n",
        "has a header and no rows.",
    ),
    "index": (
        edited("Sample Index, EXG Channel 0", "Sample Index 1, EXG Channel 0"),
        "is a file of the OpenBCI GUI without its column 'Sample Index'; it has Sample Index 1, "
        "EXG Channel 0, EXG Channel 1, EXG Channel 2, EXG Channel 3, EXG Channel 4, EXG Channel 5, "
        "EXG Channel 6 and 17 more.",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals(case: str, tmp_path: Path) -> None:
    """One line that says which line of the file, and what to do."""
    edit, message = REFUSALS[case]
    path = write(tmp_path / "a.txt", "CytonSerial", signal(100, 8))
    path.write_text(edit(path.read_text()))
    options = {"markers": "Accel Channel 0"} if case == "no number" else {}
    with pytest.raises(UsageError) as error:
        reader.open_recording(path, reader.Hints(options=options))
    assert str(error.value) == f"{str(path)!r} {message}"


def test_an_option_that_is_none(tmp_path: Path) -> None:
    """The format's own are listed."""
    path = write(tmp_path / "a.txt", "CytonSerial", signal(100, 8))
    with pytest.raises(UsageError) as error:
        reader.open_recording(path, reader.Hints(options={"marker": "x"}))
    assert str(error.value) == (
        "a.txt is of the format 'openbci', which has no option 'marker'. Allowed are 'events', "
        "'markers' and 'sfreq'."
    )
