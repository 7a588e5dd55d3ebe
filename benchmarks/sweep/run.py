# SPDX-License-Identifier: BSD-3-Clause
"""Run a sweep's cells side by side, here or on a cluster, until each has its result."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.sweep import claim, work
from benchmarks.sweep.plan import Cell, Plan
from benchmarks.sweep.work import Outcome, Work
from edge.errors import ExitCode, MissingToolError, UsageError, of_code
from edge.terminal.console import Console

CONNECT_S = 10


def sweep(
    plan: Plan,
    console: Console,
    jobs: int = 1,
    dask: str | None = None,
    do: Work = work.full,
) -> tuple[Outcome, ...]:
    """Do the cells that have no result yet.

    Parameters
    ----------
    jobs
        Processes on this machine.
    dask
        Address of a scheduler, whose workers see the folder and have edge installed; ``jobs`` is
        then the cluster's affair.

    Raises
    ------
    UsageError
        When the cluster does not answer, or a worker does not see the folder.
    """
    missing = plan.missing()
    console.note(f"{len(plan.cells)} cells, {len(plan.cells) - len(missing)} of them finished")
    outcomes = []
    start = time.monotonic()
    with console.progress("sweep", max(len(missing), 1)) as advance:
        for outcome in _outcomes(plan, missing, jobs, dask, do):
            outcomes.append(outcome)
            if why := trouble(outcome):
                console.note(f"note: {why}")
            advance(line(outcome, time.monotonic() - start, len(outcomes), len(missing)))
    return tuple(outcomes)


@contextlib.contextmanager
def interruptible(plan: Plan) -> Iterator[None]:
    """Say on Ctrl-C what there is by then."""
    try:
        yield
    except KeyboardInterrupt:
        n = len(plan.cells) - len(plan.missing())
        raise KeyboardInterrupt(
            f"Interrupted; {n} of {len(plan.cells)} cells are finished, the same command goes on."
        ) from None


def trouble(outcome: Outcome) -> str:
    """Say in a line why a cell has no bundle; empty if it has one."""
    if outcome.refused:
        return f"{outcome.cell} refused: {outcome.refused}"
    if outcome.failure:
        return f"{outcome.cell} failed: {outcome.failure.strip().splitlines()[-1]}"
    return ""


def line(outcome: Outcome, elapsed_s: float, n_done: int, n: int) -> str:
    """Say what became of a cell, and how long the rest takes."""
    what = "failed" if outcome.failure else "done" if outcome.done else "done elsewhere"
    what = "refused" if outcome.refused else what
    left = f", {remaining(elapsed_s, n_done, n)} left" if n_done < n else ""
    return f"{outcome.cell} {what}{left}"


def remaining(elapsed_s: float, n_done: int, n: int) -> str:
    """Say in words how long the rest takes if it goes on like this.

    >>> remaining(60, 2, 6)
    'about 2 min'
    """
    seconds = elapsed_s / n_done * (n - n_done)
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 1.5 * size:
            return f"about {seconds / size:.0f} {unit}"
    return f"about {seconds:.0f} s"


def _outcomes(
    plan: Plan, cells: Sequence[Cell], jobs: int, dask: str | None, do: Work
) -> Iterator[Outcome]:
    """Outcomes in the order in which they are known."""
    ordered = _free_first(plan, cells)
    if dask is None and jobs == 1:
        yield from (work.run(plan, cell, do) for cell in ordered)
        return
    joblib = _joblib()
    tasks = (joblib.delayed(work.run)(plan, cell, do) for cell in ordered)
    with _backend(plan, dask):
        n_jobs = jobs if dask is None else -1
        parallel = joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered", batch_size=1)
        try:
            yield from parallel(tasks)
        except Exception as error:  # a cell's own are outcomes
            raise UsageError(
                f"The processes that do the cells broke down ({type(error).__name__}): one was "
                f"killed, or memory ran out. What is finished is kept; type the same again, with "
                f"fewer at once."
            ) from error


def _free_first(plan: Plan, cells: Sequence[Cell]) -> Iterator[Cell]:
    """Cells in their order, those that another sweep is at put off for as long as there are others.

    Whoever takes up such a one waits for it.
    """
    left = list(cells)
    while left:
        free = (cell for cell in left if claim.is_free(plan.lock(cell.name)))
        cell = next(free, left[0])
        left.remove(cell)
        yield cell


def _joblib() -> Any:
    try:
        import joblib
    except ModuleNotFoundError:
        raise MissingToolError(
            "More than one job needs joblib, which is not installed. "
            "Type: pip install 'eeg-edge[sweep]'"
        ) from None
    return joblib


@contextlib.contextmanager
def _backend(plan: Plan, dask: str | None) -> Iterator[None]:
    """joblib's own processes, or a cluster that has been looked at."""
    if dask is None:
        yield
        return
    try:
        from distributed import Client
    except ModuleNotFoundError:
        raise MissingToolError(
            "--dask needs dask.distributed, which is not installed. "
            "Type: pip install 'eeg-edge[sweep]'"
        ) from None
    try:
        client = Client(dask, timeout=CONNECT_S)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"--dask {dask!r} does not answer ({type(error).__name__}). Start one with: "
            f"dask scheduler, and on every machine: dask worker {dask}"
        ) from None
    with client:
        _refuse_blind_workers(client, plan.folder, dask)
        with _joblib().parallel_config("dask", client=client):
            yield


def _refuse_blind_workers(client: Any, folder: Path, dask: str) -> None:
    """Raise unless every worker has edge and sees the folder."""

    def sees(path: str) -> str:
        import importlib
        from pathlib import Path

        try:
            importlib.import_module("benchmarks.sweep.work")
        except ImportError as error:
            return f"has no edge ({error})"
        return "" if Path(path).is_file() else "does not see the folder"

    found = client.run(sees, str(folder / "sweep.json"))
    if not found:
        raise UsageError(f"--dask {dask!r} has no workers. Type: dask worker {dask}")
    for address, problem in sorted(found.items()):
        if problem:
            raise UsageError(
                f"--dask {dask!r}: worker {address} {problem}. --out must lie on a file system "
                f"that all workers share, and 'eeg-edge[sweep]' must be installed there."
            )


def refuse(outcomes: Sequence[Outcome]) -> None:
    """Raise for cells without a result, after the others were written.

    Raises
    ------
    EdgeError
        With the first of the failures; of its kind.
    RuntimeError
        When one of them is our bug.
    """
    failed = [outcome for outcome in outcomes if outcome.failure]
    if not failed:
        return
    first = max(failed, key=lambda outcome: outcome.exit_code == ExitCode.BUG)
    n = "1 cell" if len(failed) == 1 else f"{len(failed)} cells"
    message = (
        f"{n} of {len(outcomes)} failed; the same command tries again what has no result. "
        f"{first.cell}: {first.failure}"
    )
    if first.exit_code == ExitCode.BUG:
        raise RuntimeError(message)
    raise of_code(first.exit_code)(message)
