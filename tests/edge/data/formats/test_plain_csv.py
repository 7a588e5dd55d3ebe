# SPDX-License-Identifier: BSD-3-Clause
"""Plain tables with a line of names.

MNE writes them here as its users do, ``raw.to_data_frame().to_csv(…)`` (mne-tools/mne-python
``mne/io/base.py``); tables without times follow those of Kaggle's "Grasp-and-Lift EEG Detection" as
gauvand/SIF_Capstone ``backup/Yibo_Wang/util.py`` reads them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import mne
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.data import reader
from edge.data.description import Annotation, Hints
from edge.errors import UsageError
from tests.edge.data.formats.alike import check

NAMES = ("Fz", "C3", "C4")
EVENTS = [(100, "left"), (400, "right"), (700, "left")]


def signal(n: int = 1000) -> NDArray[np.float64]:
    """(3, n) in the digits that a table has."""
    return np.asarray(np.round(np.random.default_rng(6).normal(0, 20, (3, n)), 6))


def table(
    path: Path,
    uv: NDArray[np.float64],
    sfreq: float = 250.0,
    *,
    time: str = "time (s)",
    digits: int = 6,
    separator: str = ",",
    unit: str = " (uV)",
) -> Path:
    """Times, channels, and a marker as text."""
    scale = 1e3 if "ms" in time else 1.0
    lines = [separator.join([*([time] if time else []), *(n + unit for n in NAMES), "marker"])]
    for i, row in enumerate(uv.T):
        stamp = [f"{scale * i / sfreq:.{digits}f}"] if time else []
        values = [*stamp, *(f"{v:.6f}" for v in row), dict(EVENTS).get(i, "0")]
        lines.append(separator.join(values))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("time", ["time (s)", "Timestamp", "time [ms]"])
def test_tables(time: str, separator: str, tmp_path: Path) -> None:
    """Rate from the times, units from the names, events from a column of texts."""
    uv = signal()
    path = table(tmp_path / "a.csv", uv, time=time, separator=separator)
    assert [(c.name, c.unit, c.sfreq) for c in reader.open_continuous(path).channels] == [
        (name, "uV", 250.0) for name in NAMES
    ]
    check(path, NAMES, 250.0, [uv], EVENTS)


def test_what_mne_writes(tmp_path: Path) -> None:
    """With the numbers of the rows before it and without; its stimulus channel is a marker."""
    uv = signal()
    codes = np.zeros((1, 1000))
    codes[0, [100, 400]] = 1, 2
    info = mne.create_info([*NAMES, "stim"], 256.0, ["eeg"] * 3 + ["stim"])
    raw = mne.io.RawArray(np.concatenate([uv * 1e-6, codes]), info, verbose="error")
    for index in (True, False):
        path = tmp_path / f"{index}.csv"
        raw.to_data_frame().to_csv(path, index=index)
        found = reader.open_continuous(path, Hints(unit="uV"))
        assert [c.name for c in found.channels] == list(NAMES)
        np.testing.assert_allclose(found.read(NAMES, 0, 1000) * 1e6, uv, atol=1e-9)
        assert found.annotations == (
            Annotation(100 / 256, 0.0, "1"),
            Annotation(400 / 256, 0.0, "2"),
        )


@pytest.mark.parametrize(("sfreq", "digits"), [(256, 3), (250, 3), (512, 6), (249.9, 6)])
def test_rates(sfreq: float, digits: int, tmp_path: Path) -> None:
    """Whole ones are whole though times are rounded; others stay what they are."""
    path = table(tmp_path / "a.csv", signal(), sfreq, digits=digits)
    found = reader.open_continuous(path).channels[0].sfreq
    assert found == (sfreq if sfreq == round(sfreq) else pytest.approx(sfreq, rel=1e-5))


def test_rows_without_times(tmp_path: Path) -> None:
    """The rate is told; events stand in a second file by their sample, as in Kaggle's tables."""
    uv = signal()
    lines = [",".join(["id", *NAMES])]
    lines += [
        f"subj1_series1_{i}," + ",".join(f"{v:.6f}" for v in row) for i, row in enumerate(uv.T)
    ]
    path = tmp_path / "a_data.csv"
    path.write_text("\n".join(lines))
    rows = ["sample\tlabel", *(f"{at}\t{text}" for at, text in EVENTS)]
    (tmp_path / "a_data_events.tsv").write_text("\n".join(rows))
    with pytest.raises(UsageError) as error:
        reader.open_recording(path)
    assert str(error.value) == (
        f"{str(path)!r} has no column of times and says no rate. Write it under [file] in the "
        f"contract, or as --arg of a replay, e.g. sfreq = 250."
    )
    options = {"sfreq": 500, "events": "{stem}_events.tsv"}
    assert reader.open_continuous(path, Hints(options=options)).channels[0].unit == "unknown"
    found = reader.open_continuous(path, Hints("uV", options=options))
    assert [(round(a.onset_s * 500), a.text) for a in found.annotations] == EVENTS
    np.testing.assert_allclose(found.read(NAMES, 0, 1000) * 1e6, uv, atol=1e-9)


def test_holes_in_the_times(tmp_path: Path) -> None:
    """One sample is bridged, more begin anew; events keep their samples."""
    uv = signal()
    path = table(tmp_path / "a.csv", uv)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:51], *lines[52:501], *lines[601:]]))
    uv[:, 50] = (uv[:, 49] + uv[:, 51]) / 2
    pieces = [uv[:, :500], uv[:, 600:]]
    check(path, NAMES, 250.0, pieces, [(100, "left"), (400, "right"), (600, "left")])


def nth(number: int, change: Callable[[str], str]) -> Callable[[str], str]:
    """An edit of one line, counted from 1."""

    def edit(text: str) -> str:
        lines = text.splitlines()
        lines[number - 1] = change(lines[number - 1])
        return "\n".join(lines)

    return edit


REFUSALS: dict[str, tuple[dict[str, str], Callable[[str], str], str]] = {
    "same time": (
        {},
        nth(21, lambda line: line.replace("0.076", "0.072")),
        "has the time of line 20 again in line 21 (1 such lines in all). If its rows are samples "
        "nevertheless, say their rate as sfreq.",
    ),
    "time goes back": (
        {},
        nth(21, lambda line: line.replace("0.076", "0.016")),
        "has a time before line 20's in line 21 (1 such lines in all). If its rows are samples "
        "nevertheless, say their rate as sfreq.",
    ),
    "milliseconds": (
        {"time": "t_ms"},
        lambda text: text.replace("t_ms", "time"),
        "has 0.25 rows a second by its column 'time'. If its times are milliseconds, call it 'time "
        "(ms)', or say the rate as sfreq.",
    ),
    "torn": (
        {},
        nth(30, lambda line: line[:20]),
        "has 3 of 5 fields in line 30: the line is torn. Delete it, or export the file again.",
    ),
    "decimal commas": (
        {"separator": ";"},
        lambda text: text.replace(".", ","),
        "has '21,062315' in column 'Fz (uV)', line 2, which is no number: decimal commas. Export "
        "it with decimal points.",
    ),
    "decimal commas between commas": (
        {},
        nth(9, lambda line: line.replace(".", ",")),
        "has 9 of 5 fields in line 9. If its numbers have decimal commas, export it with decimal "
        "points.",
    ),
    "another separator": (
        {},
        nth(9, lambda line: line.replace(",", ";")),
        "has 1 of 5 fields in line 9: its separator is another. Export it with one.",
    ),
    "two separators": (
        {},
        nth(1, lambda line: line.replace(",", ";", 2)),
        "mixes commas and semicolons as separators in 'time (s);Fz (uV);C3 (uV),C4 (uV),marker'. "
        "Export it with one of them.",
    ),
    "two columns of a name": (
        {},
        lambda text: text.replace("C4 (uV)", "C3 (uV)"),
        "has the column 'C3 (uV)' twice.",
    ),
    "blank": (
        {},
        nth(40, lambda line: ",".join([*line.split(",")[:2], "", *line.split(",")[3:]])),
        "has '' in column 'C3 (uV)', line 40, which is no number.",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals(case: str, tmp_path: Path) -> None:
    """One line with the line's number and what to do."""
    changes, edit, message = REFUSALS[case]
    path = table(tmp_path / "a.csv", signal(100), **changes)  # type: ignore[arg-type]
    path.write_text(edit(path.read_text()))
    with pytest.raises(UsageError) as error:
        reader.open_recording(path)
    assert str(error.value) == f"{str(path)!r} {message}"


def test_times_of_no_rate(tmp_path: Path) -> None:
    """Those of arrival say no rate; told one, the rows are samples."""
    uv = signal()
    path = table(tmp_path / "a.csv", uv)
    lines = path.read_text().splitlines()
    late = np.random.default_rng(0).uniform(0, 0.003, 1000)
    rows = [f"{i / 250 + late[i]:.6f}," + line.split(",", 1)[1] for i, line in enumerate(lines[1:])]
    path.write_text("\n".join([lines[0], *rows]))
    with pytest.raises(UsageError, match=r"are those of no rate\. If its rows are samples at one"):
        reader.open_recording(path)
    check(path, NAMES, 250.0, [uv], EVENTS, options={"sfreq": 250.0})


def test_any_column_holds_the_events(tmp_path: Path) -> None:
    """``markers`` names it, whatever it is called."""
    path = table(tmp_path / "a.csv", signal(100))
    path.write_text(path.read_text().replace("marker", "what"))
    options = {"markers": "what"}
    found = reader.open_continuous(path, Hints(options=options))
    assert found.annotations == ()
    assert [c.name for c in found.channels] == list(NAMES)


def held(path: Path) -> Path:
    """A table whose label stands in every row of its trial; two trials in a row are alike."""
    lines = ["trial,C3 (uV),C4 (uV),label"]
    for i in range(400):
        label = ("left", "left", "right", "left")[i // 100]
        lines.append(f"{i // 100 + 1},{i % 7}.5,{i % 11}.5,{label}")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_label_in_every_row(tmp_path: Path) -> None:
    """Only its changes can be told, and a note says so; the trials' numbers tell all of them."""
    path = held(tmp_path / "a.csv")
    by_change = reader.open_continuous(path, Hints(options={"sfreq": 100.0}))
    assert [a.onset_s for a in by_change.annotations] == [0.0, 2.0, 3.0]
    (note,) = by_change.notes
    assert note == (
        "a.csv: column 'label' says something in most rows, and only its changes are events; where "
        "two trials in a row have one label, name the column that numbers the trials as trials"
    )
    by_trial = reader.open_continuous(path, Hints(options={"sfreq": 100.0, "trials": "trial"}))
    assert by_trial.annotations == (
        Annotation(0.0, 0.0, "left"),
        Annotation(1.0, 0.0, "left"),
        Annotation(2.0, 0.0, "right"),
        Annotation(3.0, 0.0, "left"),
    )
    assert by_trial.notes == ()


def test_comments_and_encodings(tmp_path: Path) -> None:
    """Lines before the names, a mark of the byte order, Latin-1 and UTF-16."""
    uv = signal(100)
    text = table(tmp_path / "a.csv", uv, unit=" [µV]").read_text()
    for encoding in ("utf-8-sig", "latin-1", "utf-16"):
        path = tmp_path / f"{encoding}.csv"
        path.write_bytes(f"# subject: Jürgen\n{text}".encode(encoding))
        found = reader.open_continuous(path)
        assert [(c.name, c.unit) for c in found.channels] == [(name, "uV") for name in NAMES]
        np.testing.assert_allclose(found.read(NAMES, 0, 100) * 1e6, uv, atol=1e-9)


def test_what_is_no_table(tmp_path: Path) -> None:
    """Notes, code and events are no recordings, and in a folder they are passed over."""
    texts = {
        "notes.txt": "Subject was tired, and moved.\nRoom 5\n",
        "events.csv": "onset,duration,trial_type\n1.0,0.5,left\n",
        "empty.csv": "",
        "binary.csv": "a,b\0\n1,2\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        assert not reader.is_candidate(tmp_path / name)
    with pytest.raises(UsageError) as error:
        reader.open_recording(tmp_path / "notes.txt")
    assert str(error.value).startswith(
        f"{str(tmp_path / 'notes.txt')!r} ends in '.txt' and is none"
    )


def test_a_huge_file(tmp_path: Path) -> None:
    """It is refused before it is read."""
    path = table(tmp_path / "a.csv", signal(3000))
    with path.open("r+b") as stream:
        stream.truncate(5 << 30)  # sparse: it takes no room
    with pytest.raises(UsageError) as error:
        reader.open_recording(path)
    assert str(error.value) == (
        f"{str(path)!r} has 5.0 GiB; text is read up to 4 GiB. Cut it, or convert it to EDF."
    )
