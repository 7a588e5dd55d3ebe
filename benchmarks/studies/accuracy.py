# SPDX-License-Identifier: BSD-3-Clause
"""Measure what int8 costs on real EEG: train, export, compare on held-out sessions.

    python -m benchmarks.studies.accuracy --data ../shared/data/bnci2014-004-epochs --models
    /tmp/models

Every cell (recording, mode, seed) is one training and one export of every target's int8 artifact.
Finished cells are kept in ``benchmarks/studies/results/accuracy.json`` and never run again, so a
run may be interrupted and goes on; a cell of another recipe is measured again, and with
``--again`` one that other code than this has measured. Weights stay in ``--models``,
which is no folder of the repository, and serve other recipes; without it they are thrown away.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import tool
from benchmarks.measure.machine import ROOT, machine
from benchmarks.studies import accuracy_report, records
from edge import registry
from edge.exporting import paired
from edge.terminal.console import Console, console
from quantize.graph.measures import sqnr_db
from quantize.recipe import Recipe

DOCUMENT = Path(__file__).parent / "results" / "accuracy.json"
C = "c"


@dataclass(frozen=True)
class Cell:
    """One recording, mode and seed."""

    recording: str
    mode: str
    seed: int
    epochs: int

    @property
    def folder(self) -> str:
        """The name of its checkpoint."""
        return f"{self.recording}-{self.mode}-{self.seed}-{self.epochs}"


def trained(cell: Cell, data: Path, models: Path, ours: Console) -> Path:
    """Return the cell's checkpoint, trained if it is not there yet."""
    from edge.training import train as training
    from edge.training.fit import TrainingSettings

    folder = models / cell.folder
    if not folder.exists():
        settings = TrainingSettings(epochs=cell.epochs, seed=cell.seed)
        training.train(training.TrainRequest(cell.mode, str(data), folder, settings=settings), ours)
    return folder


def measure(cell: Cell, data: Path, models: Path, ours: Console) -> dict[str, Any]:
    """Count what the float model and every target's int8 artifact decide.

    Every export compares the C engine with the reference, logit by logit, so its figures are
    the reference's.
    """
    from edge.checkpoint import find as checkpoints
    from edge.exporting.prepare import ExportRequest, prepare
    from edge.spec import Precision
    from edge.targets import base as target
    from quantize.graph import reference

    checkpoint = checkpoints.Request(checkpoint=str(trained(cell, data, models, ours)))
    request = ExportRequest(checkpoint, Path(), int8=True, targets=registry.names(registry.TARGETS))
    ready = prepare(request, ours.note)
    x, labels = ready.held_out.scaled, ready.held_out.labels
    wanted = ready.top.logits
    graph = ready.sources.graph(Precision.INT8)
    rungs = {C: _outcome(wanted, reference.run(graph, x).real, labels)}
    for name in registry.names(registry.TARGETS):
        if name != C:
            chosen = target.load(name)
            session = chosen.RUNTIMES[name](chosen.write(ready.sources, Precision.INT8))
            rungs[name] = _outcome(wanted, session(x), labels)
    assert ready.decision is not None
    return {
        **asdict(cell),
        "recipe": asdict(request.recipe),
        "tool_sha256": tool.sha256(),
        "policy": asdict(ready.decision),
        "n": len(labels),
        "float_correct": int((wanted.argmax(1) == labels).sum()),
        "int8": rungs,
    }


def _outcome(
    wanted: NDArray[np.float32], logits: NDArray[np.float32], labels: NDArray[np.int64]
) -> dict[str, Any]:
    """One artifact beside float, window by window."""
    from edge import parity

    found = paired.pairs(wanted.argmax(1) == labels, logits.argmax(1) == labels)
    return {
        "gained": found.gained,
        "lost": found.lost,
        "agree": int((wanted.argmax(1) == logits.argmax(1)).sum()),
        "sqnr_db": sqnr_db(wanted, logits),
        "sqnr_median_window_db": parity.median_window_sqnr_db(wanted, logits),
    }


def read_results(path: Path) -> list[dict[str, Any]]:
    """Return the finished cells."""
    if not path.exists():
        return []
    cells: list[dict[str, Any]] = json.loads(path.read_text())["cells"]
    return cells


def write_results(path: Path, cells: list[dict[str, Any]]) -> None:
    """Write results beside the old file, then in its place."""
    document = {"schema_version": 2, "machine": machine(), "cells": cells}
    temporary = path.with_suffix(".part")
    records.save(temporary, document)
    temporary.replace(path)


def is_done(cell: Cell, done: list[dict[str, Any]], again: bool = False) -> bool:
    """Return whether a cell was measured with this recipe, and by this code if ``again``."""
    wanted: Mapping[str, Any] = {**asdict(cell), "recipe": asdict(Recipe())}
    wanted = json.loads(json.dumps(wanted)) | ({"tool_sha256": tool.sha256()} if again else {})
    return any(all(found.get(k) == v for k, v in wanted.items()) for found in done)


def older(cells: list[dict[str, Any]]) -> str:
    """Say which cells other code has measured; empty if there are none."""
    n = sum(cell.get("tool_sha256") != tool.sha256() for cell in cells)
    return (
        f"note: {n} of {len(cells)} cells were measured by other code than this; type --again"
        if n
        else ""
    )


def run(
    cells: list[Cell],
    path: Path,
    measured: Callable[[Cell], dict[str, Any]],
    ours: Console,
    again: bool = False,
) -> list[dict[str, Any]]:
    """Measure what is not done yet, and keep every cell as soon as it is there."""
    done = read_results(path)
    missing = [cell for cell in cells if not is_done(cell, done, again)]
    with ours.progress("accuracy", len(missing)) as advance:
        for cell in missing:
            fresh = measured(cell)
            same = asdict(cell).items()
            done = [old for old in done if not all(old.get(k) == v for k, v in same)]
            done = sorted([*done, fresh], key=lambda c: (c["mode"], c["recording"], c["seed"]))
            write_results(path, done)
            advance(f"{cell.recording} {cell.mode}")
    return done


@click.command()
@click.option("--data", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--models", type=click.Path(path_type=Path), help="Keep checkpoints here.")
@click.option(
    "--modes",
    default=",".join(registry.names(registry.MODES)),
    show_default=True,
)
@click.option("--recordings", default="B01,B02,B03,B04,B05", show_default=True)
@click.option("--seeds", default="0", show_default=True)
@click.option("--epochs", default=30, show_default=True)
@click.option("--again", is_flag=True, help="Measure anew what other code has measured.")
def main(
    *,
    data: Path,
    models: Path | None,
    modes: str,
    recordings: str,
    seeds: str,
    epochs: int,
    again: bool,
) -> None:
    """Run what is not done yet; print everything that is, and each bar beside its figure."""
    cells = [
        Cell(recording, mode, int(seed), epochs)
        for mode in modes.split(",")
        for recording in recordings.split(",")
        for seed in seeds.split(",")
    ]
    with console(verbose=False) as ours, tempfile.TemporaryDirectory() as passing:
        kept = models or Path(passing)
        kept.mkdir(parents=True, exist_ok=True)
        done = run(
            cells,
            DOCUMENT,
            lambda cell: measure(cell, data / f"{cell.recording}.npz", kept, ours),
            ours,
            again,
        )
        if said := older(done):
            ours.note(said)
        accuracy_report.write(done, ROOT / "docs")
        ours.print(accuracy_report.table(done))
        for line in accuracy_report.lines(done):
            ours.print(line)


if __name__ == "__main__":
    main()
