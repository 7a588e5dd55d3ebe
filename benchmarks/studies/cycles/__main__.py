# SPDX-License-Identifier: BSD-3-Clause
"""Hold the cycle model of a Cortex-M4 to functions that were measured on silicon.

    python -m benchmarks.studies.cycles --save

Three tables: functions of pqm4, whose errors give the interval that every modelled figure carries;
Embench, which was held out; and six of Embench's workloads, written anew, compiled and run here.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from benchmarks.emulate.cycles import cortex_m4, model
from benchmarks.studies import records
from benchmarks.studies.cycles import kernels, validation
from benchmarks.studies.cycles.kernels import Ran
from benchmarks.studies.cycles.validation import ASSEMBLY, COMPILED, Function, Record
from edge.errors import EdgeError

RESULTS = Path(__file__).parents[1] / "results" / "cycles.json"
MODEL = cortex_m4.MODEL


def measured_table(record: Record) -> Table:
    """Return measured and modelled cycles of every function, and the error."""
    made = Table(title=f"{record.suite} on {record.device}", title_justify="left")
    made.add_column("function")
    made.add_column("code")
    for column in ("measured cycles", "modelled", "error %"):
        made.add_column(column, justify="right")
    for one in record.functions:
        modelled = one.modelled(MODEL)
        made.add_row(
            *(one.function, one.kind, f"{one.measured_cycles:,}", f"{modelled:,.0f}"),
            f"{100 * error(one):+.1f}",
        )
    return made


def error(one: Function) -> float:
    """Return how far the model lies from the device, as a share of the device's cycles."""
    return one.modelled(MODEL) / one.measured_cycles - 1


def kernel_table(ran: Sequence[Ran], published: Record) -> Table:
    """Return the workloads that were run here, beside Embench's own code."""
    made = Table(title="a repetition of the same work, written anew", title_justify="left")
    made.add_column("kernel")
    for column in (
        "measured cycles a repetition",
        "modelled",
        "error %",
        "error % of its own code",
    ):
        made.add_column(column, justify="right")
    by_name = {one.function: one for one in published.functions}
    for one in ran:
        record = by_name[one.embench]
        measured = record.measured_cycles / one.repetitions
        made.add_row(
            *(one.embench, f"{measured:,.0f}", f"{one.cycles:,}"),
            *(f"{100 * (one.cycles / measured - 1):+.1f}", f"{100 * error(record):+.1f}"),
        )
    return made


def lines(name: str, errors: Sequence[float]) -> str:
    """Return median and worst in a line."""
    found = validation.summary(errors)
    return (
        f"{name}: {len(errors)} functions, error median {100 * found['median']:+.1f} %, "
        f"rms {100 * found['rms']:.1f} %, worst {100 * found['worst']:+.1f} %"
    )


def document(fitted: Record, held_out: Record, ran: Sequence[Ran]) -> dict[str, Any]:
    """Return what is saved."""
    by_name = {one.function: one for one in held_out.functions}
    kinds = {
        kind: [one for one in fitted.functions if one.kind == kind] for kind in (ASSEMBLY, COMPILED)
    }
    return {
        "schema_version": 1,
        "core": MODEL.core,
        "intervals": {k: asdict(validation.interval(f, MODEL)) for k, f in kinds.items()},
        "errors": {
            **{kind: validation.summary([error(one) for one in f]) for kind, f in kinds.items()},
            "held_out": validation.summary([error(one) for one in held_out.functions]),
        },
        "kernels": [
            {
                **asdict(one),
                "measured_cycles": by_name[one.embench].measured_cycles / one.repetitions,
            }
            for one in ran
        ],
        "rules": [asdict(rule) for rule in MODEL.rules],
    }


@click.command()
@click.option("--save/--no-save", default=False, help=f"Write {RESULTS.name} beside the others.")
def main(save: bool) -> None:
    """Exit 1 when a kernel computes something wrong, 4 when the model states another interval."""
    out, notes = Console(width=140), Console(stderr=True)
    fitted, held_out = validation.read(MODEL.core)
    try:
        bench = kernels.Bench(MODEL)
        ran = [bench.run(name) for name in kernels.KERNELS]
    except EdgeError as problem:
        notes.print(f"cycles: {problem}", markup=False)
        sys.exit(problem.exit_code)
    for record in (fitted, held_out):
        out.print(measured_table(record))
    out.print(kernel_table(ran, held_out))
    stated = {ASSEMBLY: MODEL.assembly, COMPILED: MODEL.compiled}
    differ = False
    for kind, interval in stated.items():
        functions = [one for one in fitted.functions if one.kind == kind]
        earned = validation.interval(functions, MODEL)
        differ |= earned != interval
        out.print(lines(kind, [error(one) for one in functions]), markup=False)
        out.print(f"{kind}: the device lies at {earned} of a modelled figure", markup=False)
    out.print(lines("held out", [error(one) for one in held_out.functions]), markup=False)
    out.print(f"example: {model.Cycles.of(3_467_421, MODEL.assembly)}", markup=False)
    if save:
        records.save(RESULTS, document(fitted, held_out, ran))
    if not all(one.is_right for one in ran):
        sys.exit(1)
    sys.exit(4 if differ else 0)


if __name__ == "__main__":
    main()
