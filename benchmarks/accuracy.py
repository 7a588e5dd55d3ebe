"""Accuracy of int8 against float on real EEG: train, export, compare on held-out sessions.

    python -m benchmarks.accuracy --data ../shared/data/bnci2014-004-epochs --modes eca,none

Every cell (recording, mode, seed) is one training and one export; finished cells are kept in
``benchmarks/results/accuracy.json`` and never run again, so a run may be interrupted and goes on.
No weights are kept.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from benchmarks.machine import machine
from edge import registry
from edge.console import Console, console
from edge.spec import Parity, Proportion

RESULTS = Path(__file__).parent / "results" / "accuracy.json"


@dataclass(frozen=True)
class Cell:
    """One recording, mode and seed."""

    recording: str
    mode: str
    seed: int
    epochs: int


@dataclass(frozen=True)
class Outcome:
    """A rung's accuracy, and how it follows float (None for float itself)."""

    correct: Proportion
    agreement: Proportion | None
    sqnr_db: float | None
    sqnr_median_window_db: float | None


def measure(cell: Cell, data: Path, ours: Console) -> dict[str, Outcome]:
    """Train, export to a temporary folder, and read what the export measured."""
    from edge import checkpoints, pipeline, training
    from edge.fit import TrainingSettings

    with tempfile.TemporaryDirectory() as folder:
        model, out = Path(folder) / "model", Path(folder) / "bundle"
        settings = TrainingSettings(epochs=cell.epochs, seed=cell.seed)
        training.train(training.TrainRequest(cell.mode, str(data), model, settings=settings), ours)
        made = pipeline.export(
            pipeline.ExportRequest(
                checkpoint=checkpoints.Request(checkpoint=str(model)),
                out=out,
                int8=True,
                targets=registry.names("edge.targets"),
            ),
            ours,
        )
    follows = {p.rung: p for p in made.parity if p.reference == "braindecode"}
    return {a.rung: _outcome(a.correct, follows.get(a.rung)) for a in made.accuracy}


def _outcome(correct: Proportion, parity: Parity | None) -> Outcome:
    if parity is None:
        return Outcome(correct, None, None, None)
    return Outcome(correct, parity.agreement, parity.sqnr_db, parity.sqnr_median_window_db)


def read_results() -> list[dict[str, Any]]:
    """Finished cells."""
    if not RESULTS.exists():
        return []
    cells: list[dict[str, Any]] = json.loads(RESULTS.read_text())["cells"]
    return cells


def write_results(cells: list[dict[str, Any]]) -> None:
    """Beside the old file, then in its place."""
    document = {"schema_version": 1, "machine": machine(), "cells": cells}
    temporary = RESULTS.with_suffix(".part")
    temporary.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
    temporary.replace(RESULTS)


def table(cells: list[dict[str, Any]]) -> Table:
    """Float beside every int8 artifact, windows lost, agreement and SQNR, one row each."""
    made = Table(title="int8 against float, held-out sessions", title_justify="left")
    for column in ("recording", "mode", "seed", "artifact"):
        made.add_column(column, no_wrap=True)
    for column in ("n", "float %", "int8 %", "net windows lost", "agreement %", "SQNR dB (median)"):
        made.add_column(column, justify="right")
    for cell in cells:
        rungs = cell["rungs"]
        top = rungs["braindecode"]["correct"]
        for name in ("reference", "executorch int8", "tflite int8"):
            rung = rungs[name]
            made.add_row(
                cell["recording"],
                cell["mode"],
                str(cell["seed"]),
                name,
                str(top["n"]),
                f"{100 * top['share']:.1f}",
                f"{100 * rung['correct']['share']:.1f}",
                str(top["count"] - rung["correct"]["count"]),
                f"{100 * rung['agreement']['share']:.1f}",
                f"{rung['sqnr_db']:.1f} ({rung['sqnr_median_window_db']:.1f})",
            )
    return made


@click.command()
@click.option("--data", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--modes", default="eca,none", show_default=True)
@click.option("--recordings", default="B01,B02,B03,B04,B05", show_default=True)
@click.option("--seeds", default="0", show_default=True)
@click.option("--epochs", default=30, show_default=True)
def main(data: Path, modes: str, recordings: str, seeds: str, epochs: int) -> None:
    """Run what is not done yet, then print everything that is."""
    cells = [
        Cell(recording, mode, int(seed), epochs)
        for recording in recordings.split(",")
        for mode in modes.split(",")
        for seed in seeds.split(",")
    ]
    with console(verbose=False) as ours:
        done = read_results()
        known = {tuple(cell[name] for name in asdict(cells[0])) for cell in done}
        missing = [cell for cell in cells if tuple(asdict(cell).values()) not in known]
        with ours.progress("accuracy", len(missing)) as advance:
            for cell in missing:
                outcome = measure(cell, data / f"{cell.recording}.npz", ours)
                rungs = {name: asdict(value) for name, value in outcome.items()}
                done.append({**asdict(cell), "rungs": rungs})
                write_results(done)
                advance(f"{cell.recording} {cell.mode}")
        ours.print(table(done))


if __name__ == "__main__":
    main()
