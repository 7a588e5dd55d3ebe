# SPDX-License-Identifier: BSD-3-Clause
"""Run ``edge check``: judge every network on every runtime by its table, then really run it.

The shipped checkpoint of a network is lowered and quantized as ``edge export`` does it, and its
graph is judged by each runtime's table. Where the runtime is installed, the file is written,
loaded, and run twice on held-out windows. A network that does not load, or does not compute what it
should, is BLOCKED whatever the table says.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edge import registry
from edge.checkpoint import files
from edge.checkpoint import find as checkpoints
from edge.data import source
from edge.data.dataset import Dataset
from edge.errors import IncompatibleError, MissingToolError
from edge.exporting import pipeline, without_family
from edge.exporting import rungs as ladder
from edge.exporting.prepare import ExportRequest, Prepared, prepare
from edge.exporting.rungs import HeldOut, Rung
from edge.spec import Parity, Precision, Reason, Verdict, describe
from edge.targets import base as target
from edge.targets import runtime
from edge.targets.base import Sources
from edge.targets.runtime import Built, Runtime
from edge.terminal.console import Console

WHOLE = "whole network"
"""Where a reason lies that only running has shown."""

N_WINDOWS = 96
"""Held-out windows that every runtime is run on, twice."""


@dataclass(frozen=True)
class Request:
    """Which networks are checked on which runtimes; with ``run`` False only tables are asked."""

    modes: tuple[str, ...]
    targets: tuple[str, ...]
    run: bool = True


@dataclass(frozen=True)
class Cell:
    """One network on one runtime, with its verdict and figures.

    Attributes
    ----------
    target
        Name of a file in ``edge/targets/runtimes``.
    sqnr_db, sqnr_median_window_db, agreement
        int8 logits against braindecode's on ``n_windows`` held-out windows; None where it was not
        run. ``agreement`` is a share in [0, 1].
    max_steps
        Largest difference to the integer reference, in steps of the logits.
    bytes
        Size of what was exported.
    memory_bytes
        What the runtime plans for tensors; None where it does not say.
    skipped
        Why it was not run here; empty where it was.
    """

    mode: str
    target: str
    verdict: Verdict
    reasons: tuple[Reason, ...]
    sqnr_db: float | None = None
    sqnr_median_window_db: float | None = None
    agreement: float | None = None
    n_windows: int = 0
    max_steps: float | None = None
    bytes: int | None = None
    memory_bytes: int | None = None
    skipped: str = ""


@dataclass(frozen=True)
class Report:
    """Everything that ``edge check`` found."""

    cells: tuple[Cell, ...]


def check(request: Request, console: Console) -> Report:
    """Fill the table of networks and runtimes, row by row.

    Raises
    ------
    UsageError
        For a network or a runtime that does not exist.
    IncompatibleError
        For a class of braindecode that no family serves, with what stops it.
    """
    for mode in request.modes:
        without_family.refuse(mode)
        registry.refuse_unknown_network(mode, "--mode")
    chosen = {name: runtime.load(name) for name in request.targets}
    cells: list[Cell] = []
    with console.progress("check", len(request.modes)) as advance:
        for mode in request.modes:
            cells += _row(mode, chosen, _prepare(mode), run=request.run)
            advance(mode)
    return Report(tuple(cells))


def _prepare(mode: str) -> Prepared:
    """What a plain ``edge export --mode M --int8`` would build, and fewer windows to measure on."""
    model = files.load(checkpoints.ZOO / mode)
    assert model.training is not None
    shipped = checkpoints.Request(mode, model, _data(model.training.data), held_out=N_WINDOWS)
    targets = registry.names(registry.TARGETS)
    request = ExportRequest(shipped, Path(), int8=True, targets=targets, full_int8=True)
    return prepare(request, _silent)  # as much in int8 as there can be, no policy


@functools.lru_cache(maxsize=1)
def _data(spec: str) -> Dataset:
    """The simulated windows that all shipped checkpoints share."""
    return source.read(spec)


def _silent(_: str) -> None:
    """Notes of an export are not wanted a dozen times."""


def _row(mode: str, chosen: Mapping[str, Runtime], ready: Prepared, *, run: bool) -> Iterator[Cell]:
    graph = ready.sources.graph(Precision.INT8)
    known = {rung.name: rung for rung in pipeline.climb(ready)} if run else {}
    for name, one in chosen.items():
        judged = target.judge(graph, one.ABILITIES)
        cell = Cell(mode, name, judged.verdict, judged.reasons)
        if not run:
            yield replace(cell, skipped="not asked for")
        elif judged.verdict == Verdict.BLOCKED:
            yield replace(cell, skipped="the table says that it cannot run")
        else:
            yield _measured(cell, one, ready.sources, ready.held_out, known)


def _measured(
    cell: Cell, one: Runtime, sources: Sources, held_out: HeldOut, known: Mapping[str, Rung]
) -> Cell:
    """The cell with its figures; BLOCKED where the runtime, or parity, says no."""
    against = ladder.yardsticks(one, Precision.INT8, sources, known)
    try:
        built = one.build(sources)
        rung = ladder.run_twice(cell.target, built.session, held_out, against)
    except MissingToolError as error:
        return replace(cell, skipped=str(error))
    except Exception as error:  # whatever a runtime throws at what it cannot run
        why = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        reason = Reason(WHOLE, "run", why, "this is a bug in edge's table or the runtime's")
        return replace(cell, verdict=Verdict.BLOCKED, reasons=(*cell.reasons, reason))
    steps, floats = rung.parity
    return replace(cell, **_figures(steps, floats, built))


def _figures(steps: Parity, floats: Parity, built: Built) -> dict[str, Any]:
    return {
        "sqnr_db": floats.sqnr_db,
        "sqnr_median_window_db": floats.sqnr_median_window_db,
        "agreement": floats.agreement.share,
        "n_windows": floats.n_windows,
        "max_steps": steps.max_steps,
        "bytes": built.n_bytes,
        "memory_bytes": built.memory_bytes,
    }


def refuse(report: Report) -> None:
    """Raise where a cell is BLOCKED.

    Raises
    ------
    IncompatibleError
        Naming the first, and how many more there are.
    """
    blocked = [cell for cell in report.cells if cell.verdict == Verdict.BLOCKED]
    if blocked:
        first = blocked[0]
        more = f" (and {len(blocked) - 1} more)" if len(blocked) > 1 else ""
        why = "; ".join(describe(first.reasons))
        raise IncompatibleError(f"{first.mode} is BLOCKED on {first.target}: {why}{more}.")


def verdicts(cells: Iterable[Cell]) -> dict[str, dict[str, Any]]:
    """Return verdicts and reasons by network and runtime, without figures."""
    found: dict[str, dict[str, Any]] = {}
    for cell in cells:
        reasons = _grouped(cell.reasons)
        found.setdefault(cell.mode, {})[cell.target] = {
            "verdict": str(cell.verdict),
            "reasons": reasons,
        }
    return found


def _grouped(reasons: Sequence[Reason]) -> list[dict[str, Any]]:
    """Reasons, nodes with the same one together."""
    nodes: dict[tuple[str, str], list[str]] = {}
    for reason in reasons:
        nodes.setdefault((reason.why, reason.fix), []).append(reason.node)
    return [{"nodes": names, "why": why, "fix": fix} for (why, fix), names in nodes.items()]
