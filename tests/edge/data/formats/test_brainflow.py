# SPDX-License-Identifier: BSD-3-Clause
"""Files that BrainFlow wrote: BrainFlow itself writes them here, and reads them to compare."""

from __future__ import annotations

import importlib.resources
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brainflow import data_filter
from numpy.typing import NDArray

from edge.data import reader
from edge.data.description import Annotation, Description, Span
from edge.data.formats import brainflow
from edge.errors import MissingToolError, UsageError
from tests.edge.data.formats.alike import check

BOARDS = {
    "cyton": ("Fp1,Fp2,C3,C4,P7,P8,O1,O2", 250.0, list(range(256))),
    "cyton_daisy": (
        "Fp1,Fp2,C3,C4,P7,P8,O1,O2,F7,F8,F3,F4,T7,T8,P3,P4",
        125.0,
        list(range(0, 256, 2)),
    ),
    "ganglion": ("1,2,3,4", 200.0, [0, *np.repeat(np.arange(1, 101), 2).tolist()]),
    "muse_2": ("TP9,AF7,AF8,TP10", 256.0, np.repeat(np.arange(256), 12).tolist()),
}
"""Names as the live source has them, rate, and what the packet counter does."""


if sys.version_info < (3, 12):  # as in edge.data.formats.brainflow
    data_filter.files = lambda module: importlib.resources.files(module.rpartition(".")[0])


def wrote(path: Path, data: NDArray[np.float64]) -> Path:
    """A file as BrainFlow writes it, from what ``get_board_data`` gave."""
    data_filter.DataFilter.write_file(np.ascontiguousarray(data), str(path), "w")
    return path


def frames(board: str, seconds: float = 8.0) -> tuple[NDArray[np.float64], dict[str, Any]]:
    """What ``get_board_data`` gives (rows, n), with markers 1 and 2 at samples 100 and 600."""
    about: dict[str, Any] = dict(brainflow._boards()[board])
    sfreq = BOARDS[board][1]
    n = round(seconds * sfreq)
    rng = np.random.default_rng(1)
    data = rng.normal(0, 1, (about["num_rows"], n))
    data[about["eeg_channels"]] = rng.normal(0, 20, (len(about["eeg_channels"]), n)) + 300
    data[about["package_num_channel"]] = np.resize(BOARDS[board][2], n)
    data[about["timestamp_channel"]] = 1.7e9 + np.arange(n) / sfreq
    data[about["marker_channel"]] = 0
    data[about["marker_channel"], [100, 600]] = 1, 2
    return data, about


def opened(path: Path, board: str, **options: float) -> Description:
    """The file, told which board wrote it."""
    return reader.open_continuous(path, reader.Hints(options={"board": board, **options}))


@pytest.mark.parametrize("board", BOARDS)
def test_boards(board: str, tmp_path: Path) -> None:
    """The samples that BrainFlow's own reader gives, names and rate of the live source."""
    data, about = frames(board)
    path = wrote(tmp_path / "BrainFlow-RAW.csv", data)
    theirs = data_filter.DataFilter.read_file(str(path))[about["eeg_channels"]]
    found = opened(path, board)
    names, sfreq, _ = BOARDS[board]
    assert ",".join(c.name for c in found.channels) == names
    assert {c.sfreq for c in found.channels} == {sfreq}
    ours = found.read(names.split(","), 0, data.shape[1]) * 1e6
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    assert found.pieces == (Span(0.0, 8.0),)
    assert found.annotations == (
        Annotation(100 / sfreq, 0.0, "1"),
        Annotation(600 / sfreq, 0.0, "2"),
    )
    check(
        path, names.split(","), sfreq, [theirs], [(100, "1"), (600, "2")], options={"board": board}
    )
    assert found.notes == ()


def test_commas(tmp_path: Path) -> None:
    """As BrainFlow wrote until version 4.1."""
    data, about = frames("cyton")
    path = tmp_path / "a.csv"
    np.savetxt(path, data.T, fmt="%f", delimiter=", ")
    ours = opened(path, "Cyton").read(["C3"], 0, 50) * 1e6
    np.testing.assert_allclose(ours[0], data[about["eeg_channels"][2], :50], atol=1e-6)


def test_lost_and_paused(tmp_path: Path) -> None:
    """A lost frame is bridged, lost seconds and a pause begin anew."""
    data, about = frames("cyton")
    data[about["timestamp_channel"], 1536:] += 60
    kept = np.delete(data, [50, *range(700, 740)], axis=1)
    path = wrote(tmp_path / "a.csv", kept)
    found = opened(path, "cyton")
    assert [p.samples(250) for p in found.pieces] == [(0, 700), (700, 1496), (1496, 1960)]
    c3 = data[about["eeg_channels"][2]]
    bridged = found.read(["C3"], 50, 51)[0, 0] * 1e6
    assert bridged == pytest.approx((c3[49] + c3[51]) / 2, abs=1e-6)
    assert [a.onset_s for a in found.annotations] == [0.4, 2.4]


REFUSALS = {
    None: (
        "a.csv has 24 columns of numbers and no header, as BrainFlow writes; boards of as many are "
        "'cyton' and 'cyton_wifi'. Write which it was under [file] in the contract, or as --arg of "
        'a replay, e.g. board = "cyton".'
    ),
    "ganglion": (
        "a.csv has 24 columns, and BrainFlow writes 15 for board 'ganglion'. Boards of 24 columns "
        "are 'cyton' and 'cyton_wifi'."
    ),
}


@pytest.mark.parametrize("board", REFUSALS)
def test_another_board(board: str | None, tmp_path: Path) -> None:
    """The number of columns says which it may have been."""
    path = wrote(tmp_path / "a.csv", frames("cyton")[0])
    options = {} if board is None else {"board": board}
    with pytest.raises(UsageError) as error:
        reader.open_recording(path, reader.Hints(options=options))
    assert str(error.value) == REFUSALS[board]


def test_a_board_that_is_none(tmp_path: Path) -> None:
    """The nearest name is offered."""
    path = wrote(tmp_path / "a.csv", frames("cyton")[0])
    with pytest.raises(UsageError, match=r"but got 'citon' instead\. Did you mean 'cyton'\?"):
        opened(path, "citon")


def test_another_rate(tmp_path: Path) -> None:
    """A board that was set to another rate says so by its timestamps; sfreq says it in words."""
    data, about = frames("cyton")
    data[about["timestamp_channel"]] = 1.7e9 + np.arange(data.shape[1]) / 200
    path = wrote(tmp_path / "a.csv", data)
    with pytest.raises(UsageError) as error:
        opened(path, "cyton")
    assert str(error.value) == (
        "a.csv holds 200 frames a second by its timestamps, and its board has 250. Name the board "
        "that it was, or the rate that it was set to, as sfreq."
    )
    assert opened(path, "cyton", sfreq=200).channels[0].sfreq == 200


def test_without_brainflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line that installs it."""
    path = wrote(tmp_path / "a.csv", frames("cyton")[0])
    monkeypatch.setitem(sys.modules, "brainflow", None)
    with pytest.raises(MissingToolError, match=r"Type: pip install 'eeg-edge\[stream\]'"):
        opened(path, "cyton")
