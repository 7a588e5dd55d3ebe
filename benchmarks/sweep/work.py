# SPDX-License-Identifier: BSD-3-Clause
"""Do one cell: train, export, verify, time; its result appears last."""

from __future__ import annotations

import contextlib
import os
import platform
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.measure import tool
from benchmarks.sweep import claim
from benchmarks.sweep.plan import Cell, Plan, Result
from edge.errors import (
    AccuracyError,
    BudgetError,
    EdgeError,
    ExitCode,
    IncompatibleError,
    UsageError,
)
from edge.terminal.console import Console
from quantize import plain as manifest

Work = Callable[[Plan, Cell], None]
"""Leaves a cell's bundle where the plan says."""

ONE_AT_A_TIME = threading.Lock()
"""A worker of several threads does one cell: toolchains' output is caught process-wide."""

REFUSALS = (IncompatibleError, BudgetError, AccuracyError)
"""What is as true tomorrow: the parts do not fit, or do not compute what they should. A full disk,
data that is not there or a tool that is missing are not: such a cell is tried again."""


@dataclass(frozen=True)
class Outcome:
    """What became of a cell.

    Attributes
    ----------
    done
        Whether it was done here; False where it was finished already, or failed.
    failure
        Why it has no result, and is tried again next time; empty where it has one.
    exit_code
        Of that.
    refused
        Why there is no bundle, which is a result; empty where there is one, or it was done
        elsewhere.
    """

    cell: str
    done: bool
    failure: str = ""
    exit_code: int = ExitCode.DONE
    refused: str = ""


def run(plan: Plan, cell: Cell, work: Work) -> Outcome:
    """Do a cell unless it is finished; a refusal is a result, a failure is not."""
    try:
        with ONE_AT_A_TIME:
            done = claim.once(
                plan.result(cell), plan.lock(cell.name), lambda: _make(plan, cell, work)
            )
        refused = plan.finished(cell).refused if done else ""
        return Outcome(cell.name, done, refused=refused)
    except EdgeError as error:
        return Outcome(cell.name, done=False, failure=str(error), exit_code=error.exit_code)
    except Exception:
        why = traceback.format_exc()
        return Outcome(cell.name, done=False, failure=why, exit_code=ExitCode.BUG)


def _make(plan: Plan, cell: Cell, work: Work) -> None:
    who = {"cell": cell.name, "host": platform.node(), "pid": os.getpid()}
    with _writing(plan):
        claim.journal(plan.journal, event="started", **who)
    start = time.perf_counter()
    refused = ""
    try:
        work(plan, cell)
    except REFUSALS as error:
        refused = str(error)
    except Exception as error:
        with contextlib.suppress(OSError):
            claim.journal(plan.journal, event="failed", why=repr(error), **who)
        raise
    seconds = round(time.perf_counter() - start, 3)
    result = Result(cell.mode, cell.data, cell.seed, cell.recipe, refused, seconds, tool.sha256())
    document = {"schema_version": manifest.SCHEMA_VERSION, **asdict(result)}
    with _writing(plan):
        claim.write(plan.result(cell), document)
        claim.journal(plan.journal, event="finished", **who)


@contextlib.contextmanager
def _writing(plan: Plan) -> Iterator[None]:
    """A folder that cannot be written, or is full, in our words."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"Cannot write --out {str(plan.folder)!r}: {error.strerror}.") from error


def full(plan: Plan, cell: Cell) -> None:
    """Do the real work; the first recipe that needs a checkpoint trains it.

    Nothing else of the sweep runs on this machine while a bundle is timed.
    """
    from edge.terminal import console

    busy = plan.lock(f"machine-{platform.node()}")
    with console.console(verbose=False, quiet=True) as quiet:
        with claim.held(busy, shared=True):
            model = plan.model(cell)
            claim.once(model, plan.lock(f"model-{cell.model}"), lambda: _train(plan, cell, quiet))
            _export(plan, cell, quiet)
            _verify(plan.bundle(cell))
        if plan.settings.bench_s:
            with claim.held(busy):
                _bench(plan, cell, quiet)


def _train(plan: Plan, cell: Cell, quiet: Console) -> None:
    from edge.bundle import folder as bundle_folder
    from edge.training import train as training
    from edge.training.fit import TrainingSettings

    bundle_folder.sweep(plan.model(cell), young_s=0)

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
    from edge import registry
    from edge.bundle import folder as bundle_folder
    from edge.checkpoint import find as checkpoints
    from edge.exporting import pipeline
    from edge.exporting.prepare import ExportRequest

    bundle_folder.sweep(plan.bundle(cell), young_s=0)
    pipeline.export(
        ExportRequest(
            checkpoint=checkpoints.Request(checkpoint=str(plan.model(cell))),
            out=plan.bundle(cell),
            int8=True,
            targets=plan.settings.targets or registry.names(registry.TARGETS),
            recipe=plan.recipes[cell.recipe],
        ),
        quiet,
    )


def _verify(bundle: Path) -> None:
    from edge.bundle import run as runner

    runner.refuse(runner.verify(bundle))


def _bench(plan: Plan, cell: Cell, quiet: Console) -> None:
    from benchmarks.measure import bench
    from benchmarks.measure.findings import Request
    from benchmarks.measure.protocol import Protocol

    request = Request(
        bundle=plan.bundle(cell),
        samples=plan.samples(cell),
        stock=False,
        protocol=Protocol(limit_s=plan.settings.bench_s, processes=1),
    )
    bench.bench(request, quiet)
