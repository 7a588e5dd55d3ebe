# SPDX-License-Identifier: BSD-3-Clause
"""The accuracy benchmark's own arithmetic: resuming, bars, and what is said of every cell."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.measure import tool
from benchmarks.studies import accuracy, accuracy_report
from benchmarks.studies.accuracy import Cell
from edge.terminal.console import console
from quantize.recipe import Recipe


def found(recording: str, mode: str, lost: int, agree: int) -> dict[str, Any]:
    """A finished cell of 240 windows."""
    rung = {"gained": 0, "lost": lost, "agree": agree, "sqnr_db": 30.0}
    return {
        **asdict(Cell(recording, mode, 0, 20)),
        "recipe": {**asdict(Recipe()), "float_parts": []},
        "policy": {"float_parts": [], "met": True, "wanted": "agreement", "trials": []},
        "n": 240,
        "float_correct": 180,
        "int8": {"c": {**rung, "sqnr_median_window_db": 35.0}},
    }


def test_resumes(tmp_path: Path) -> None:
    """What is done is not done again; an interrupted run keeps what it has."""
    cells = [Cell("B01", "eca", 0, 20), Cell("B02", "eca", 0, 20)]
    asked: list[str] = []

    def measured(cell: Cell) -> dict[str, Any]:
        asked.append(cell.recording)
        return found(cell.recording, cell.mode, 0, 240)

    path = tmp_path / "accuracy.json"
    with console(verbose=False, quiet=True) as ours:
        accuracy.run(cells[:1], path, measured, ours)
        done = accuracy.run(cells, path, measured, ours)
    assert asked == ["B01", "B02"]
    assert accuracy.read_results(path) == done
    assert accuracy.older(done) == (
        "note: 2 of 2 cells were measured by other code than this; type --again"
    )

    def by_this_code(cell: Cell) -> dict[str, Any]:
        return measured(cell) | {"tool_sha256": tool.sha256()}

    with console(verbose=False, quiet=True) as ours:
        for _ in range(2):
            done = accuracy.run(cells, path, by_this_code, ours, again=True)
    assert asked == ["B01", "B02"] * 2
    assert accuracy.older(done) == ""


def test_bars(tmp_path: Path) -> None:
    """Each beside its figure; the worst subject and the worst cell are named."""
    cells = [found("B01", "eca", 0, 240), found("B02", "eca", 3, 234)]
    (row,) = accuracy_report.rows(cells)
    assert row.worst == ("B02", -1.25)
    assert row.difference.value == -0.625
    texts = [str(bar) for bar in accuracy_report.bars(cells)]
    assert texts[0] == "MISSED: c: int8 - float, mean of all cells: -0.62 points (wanted: -0.3)"
    assert texts[3] == "met: c: agreement, lowest cell: 97.50 % (wanted: 97.5)"
    for folder in ("notes", "figures"):
        (tmp_path / folder).mkdir()
    accuracy_report.write(cells, tmp_path)
    text = (tmp_path / "notes" / "accuracy.md").read_text()
    assert "not enough windows, need 765" in text
    assert row.not_worse.startswith("not enough subjects, need ")
    assert (tmp_path / "figures" / "accuracy.svg").read_text().count("B02") >= 1
