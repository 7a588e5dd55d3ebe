"""One cell: train, export, verify, time; its result appears last."""

from __future__ import annotations

import json
import os
import platform
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.sweep import claim
from benchmarks.sweep.plan import Cell, Plan
from edge.console import Console
from edge.errors import EdgeError, MissingToolError

Work = Callable[[Plan, Cell], None]
"""Leaves a cell's bundle where the plan says."""

ONE_AT_A_TIME = threading.Lock()
"""A worker of several threads does one cell: toolchains' output is caught process-wide."""


@dataclass(frozen=True)
class Outcome:
    """What became of a cell.

    Attributes
    ----------
    done
        Whether it was done here; False where it was finished already, or failed.
    failure
        Why it has no result, and may be tried again; empty where it has one.
    missing_tool
        Whether that is a package or program that is not installed.
    refused
        Why there is no bundle, which is a result; empty where there is one, or it was done
        elsewhere.
    """

    cell: str
    done: bool
    failure: str = ""
    missing_tool: bool = False
    refused: str = ""


def run(plan: Plan, cell: Cell, work: Work) -> Outcome:
    """Do a cell unless it is finished; a refusal is a result, a failure is not."""
    try:
        with ONE_AT_A_TIME:
            done = claim.once(
                plan.result(cell), plan.lock(cell.name), lambda: _make(plan, cell, work)
            )
        refused = json.loads(plan.result(cell).read_text())["refused"] if done else ""
        return Outcome(cell.name, done, refused=refused)
    except MissingToolError as error:
        return Outcome(cell.name, done=False, failure=str(error), missing_tool=True)
    except Exception:
        return Outcome(cell.name, done=False, failure=traceback.format_exc())


def _make(plan: Plan, cell: Cell, work: Work) -> None:
    who = {"cell": cell.name, "host": platform.node(), "pid": os.getpid()}
    claim.journal(plan.journal, event="started", **who)
    start = time.perf_counter()
    refused = ""
    try:
        work(plan, cell)
    except MissingToolError:
        raise
    except EdgeError as error:
        refused = str(error)
    seconds = round(time.perf_counter() - start, 3)
    claim.write(
        plan.result(cell),
        {
            "schema_version": 1,
            "mode": cell.mode,
            "data": cell.data,
            "seed": cell.seed,
            "recipe": cell.recipe,
            "refused": refused,
            "seconds": seconds,
        },
    )
    claim.journal(plan.journal, event="finished", **who)


def full(plan: Plan, cell: Cell) -> None:
    """The real work; the checkpoint is trained by the first recipe that needs it."""
    from edge import console

    with console.console(verbose=False, quiet=True) as quiet:
        model = plan.model(cell)
        claim.once(model, plan.lock(f"model-{cell.model}"), lambda: _train(plan, cell, quiet))
        _export(plan, cell, quiet)
        _verify(plan.bundle(cell))
        if plan.settings.bench_s:
            _bench(plan, cell, quiet)


def _train(plan: Plan, cell: Cell, quiet: Console) -> None:
    from edge import training
    from edge.fit import TrainingSettings

    contract = plan.settings.contract
    training.train(
        training.TrainRequest(
            mode=cell.mode,
            data=cell.data,
            out=plan.model(cell),
            contract=None if contract is None else Path(contract),
            settings=TrainingSettings(epochs=plan.settings.epochs, seed=cell.seed),
        ),
        quiet,
    )


def _export(plan: Plan, cell: Cell, quiet: Console) -> None:
    from edge import checkpoints, pipeline, registry

    pipeline.export(
        pipeline.ExportRequest(
            checkpoint=checkpoints.Request(checkpoint=str(plan.model(cell))),
            out=plan.bundle(cell),
            int8=True,
            targets=plan.settings.targets or registry.names("edge.targets"),
            recipe=plan.recipes[cell.recipe],
        ),
        quiet,
    )


def _verify(bundle: Path) -> None:
    from edge import runner

    runner.refuse(runner.verify(bundle))


def _bench(plan: Plan, cell: Cell, quiet: Console) -> None:
    from benchmarks import bench
    from benchmarks.findings import Request
    from benchmarks.protocol import Protocol

    request = Request(
        bundle=plan.bundle(cell),
        samples=plan.samples(cell),
        stock=False,
        protocol=Protocol(limit_s=plan.settings.bench_s, processes=1),
    )
    bench.bench(request, quiet)
