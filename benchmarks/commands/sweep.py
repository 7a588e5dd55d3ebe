# SPDX-License-Identifier: BSD-3-Clause
"""Provide ``edge sweep``, which does many models on every core or on a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge import registry
from edge.errors import UsageError
from edge.terminal import options as _options
from edge.terminal.options import PATH, Names, Real, needs, print_json

if TYPE_CHECKING:
    from benchmarks.sweep.plan import Plan
    from edge.terminal.console import Console


@click.command(
    "sweep",
    epilog="Example: edge sweep --modes eca,none --data B01.npz,B02.npz --seeds 0,1 --out sweep",
)
@click.option(
    "--modes",
    type=Names(networks=True),
    required=True,
    help="Attention modes.",
)
@click.option(
    "--data", type=Names(), required=True, help="What --data of edge train takes, several."
)
@click.option("--seeds", default="0", show_default=True, help="Of training, e.g. 0,1,2.")
@click.option(
    "--recipes",
    type=Names(),
    default=("default",),
    help="default, or JSON files with fields of quantize.recipe.Recipe.",
)
@click.option("--contract", type=PATH, help="Contract file (TOML) for --data.")
@click.option("--targets", type=Names(registry.TARGETS), default=(), help="All without it.")
@click.option("--epochs", type=click.IntRange(1), default=60, show_default=True)
@click.option("--bench-s", type=Real(0), default=0, show_default=True, help="Time each bundle.")
@click.option("--out", type=PATH, required=True, help="Folder; a sweep there goes on.")
@click.option("--jobs", type=click.IntRange(1), help="Processes; one without it.")
@click.option("--dask", metavar="tcp://HOST:PORT", help="A dask scheduler whose workers do it.")
@_options.common
def command(as_json: bool, verbose: bool, **options: Any) -> None:
    """Train, export, verify and time many models; a finished one is never done again."""

    def work(console: Console) -> None:
        with needs("sweep"):
            from benchmarks.sweep import results, run
        plan = _plan(options)
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
            print_json(console, document)
        else:
            console.print(results.table(found))
            for path in paths:
                console.print(str(path))
        run.refuse(outcomes)

    _options.run(work, verbose)


def _plan(options: dict[str, Any]) -> Plan:
    from benchmarks.sweep import plan as planning
    from edge.data import source
    from edge.signal import contract_file

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
        contract_file.read(contract)
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
