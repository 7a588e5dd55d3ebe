# SPDX-License-Identifier: BSD-3-Clause
"""``edge sweep``: modes x subjects x seeds x recipes, on every core or on a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge import registry
from edge.commands import _common

if TYPE_CHECKING:
    from edge.terminal.console import Console


@click.command(
    "sweep",
    epilog="Example: edge sweep --modes eca,none --data B01.npz,B02.npz --seeds 0,1 --out sweep",
)
@click.option(
    "--modes",
    type=_common.Names(registry.MODES),
    required=True,
    help="Attention modes.",
)
@click.option(
    "--data", type=_common.Names(), required=True, help="What --data of edge train takes, several."
)
@click.option("--seeds", default="0", show_default=True, help="Of training, e.g. 0,1,2.")
@click.option(
    "--recipes",
    type=_common.Names(),
    default=("default",),
    help="default, or JSON files with fields of quantize.recipe.Recipe.",
)
@click.option("--contract", type=_common.PATH, help="Contract file (TOML) for --data.")
@click.option("--targets", type=_common.Names(registry.TARGETS), default=(), help="All without it.")
@click.option("--epochs", type=click.IntRange(1), default=60, show_default=True)
@click.option(
    "--bench-s", type=_common.Real(0), default=0, show_default=True, help="Time each bundle."
)
@click.option("--out", type=_common.PATH, required=True, help="Folder; a sweep there goes on.")
@click.option("--jobs", type=click.IntRange(1), help="Processes; one without it.")
@click.option("--dask", metavar="tcp://HOST:PORT", help="A dask scheduler whose workers do it.")
@_common.common
def command(as_json: bool, verbose: bool, **options: Any) -> None:
    """Train, export, verify and time many models; a finished one is never done again."""

    def work(console: Console) -> None:
        plan = _plan(options)
        run = _common.load("benchmarks.sweep.run", "sweep")
        results = _common.load("benchmarks.sweep.results", "sweep")
        if said := results.older(plan):
            console.note(f"note: {said}")
        with run.interruptible(plan):
            outcomes = run.sweep(plan, console, jobs=options["jobs"] or 1, dask=options["dask"])
            with console.waiting("drawing the report"):
                found, paths = results.write(plan)
        if as_json:
            cells = {cell.name: result for cell, result in results.finished(plan)}
            failed = {one.cell: one.failure for one in outcomes if one.failure}
            document = {"cells": cells, "failed": failed, "files": list(map(str, paths))}
            _common.print_json(console, document)
        else:
            console.print(results.table(found))
            for path in paths:
                console.print(str(path))
        run.refuse(outcomes)

    _common.run(work, verbose)


def _plan(options: dict[str, Any]) -> Any:
    from edge.errors import UsageError

    planning = _common.load("benchmarks.sweep.plan", "sweep")
    source = _common.load("edge.data.source", "sweep")
    for data in options["data"]:
        source.refuse_absent(data)
    if options["dask"] and options["jobs"]:
        raise UsageError(
            "--jobs is for this machine, and a cluster does as many cells at once as it has "
            "workers. Leave out --jobs or --dask."
        )
    seeds = [seed.strip() for seed in options["seeds"].split(",")]
    if not all(seed.isdecimal() for seed in seeds):
        raise UsageError(f"Invalid --seeds {options['seeds']!r}: type numbers, e.g. 0,1,2.")
    contract: Path | None = options["contract"]
    if contract is not None:
        _common.load("edge.signal.contract_file", "sweep").read(contract)
    settings = planning.Settings(
        epochs=options["epochs"],
        targets=options["targets"],
        contract=None if contract is None else str(contract.absolute()),
        bench_s=options["bench_s"],
    )
    return planning.plan(
        options["out"],
        options["modes"],
        options["data"],
        [int(seed) for seed in seeds],
        options["recipes"],
        settings,
    )
