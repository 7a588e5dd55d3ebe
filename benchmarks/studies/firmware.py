# SPDX-License-Identifier: BSD-3-Clause
"""Measure what the C engine costs on emulated cores, beside the references and the bars.

    python -m benchmarks.studies.firmware BUNDLE

Every window of the bundle's golden vectors runs on every core, twice, and must give the golden
integers; figures are of the worst window. They are instructions, not cycles and not time.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from benchmarks.emulate import emulator, qemu
from benchmarks.emulate.cost import Case, Cost, case_of, in_qemu, in_unicorn, macs, n_pooled
from benchmarks.studies import records
from edge.bundle import read as bundle
from edge.errors import EdgeError, MissingToolError
from edge.patches.versions import installed

RESULTS = Path(__file__).parent / "results" / "firmware.json"

REFERENCES: Mapping[str, tuple[int, str]] = {
    "cortex-m4": (15_180_000, "TFLM + CMSIS-NN"),
    "cortex-m55": (3_360_000, "TFLM + CMSIS-NN"),
    "cortex-a72": (1_585_000, "LiteRT + XNNPACK"),
    "cortex-a76": (1_341_000, "LiteRT + XNNPACK"),
}
"""Instructions a window of the same lowered int8 network (eca, 22x1000), measured before."""
BARS: Mapping[str, int] = {
    "cortex-m4": 2_400_000,
    "cortex-m55": 1_200_000,
    "cortex-a72": 950_000,
    "cortex-a76": 600_000,
}
RAM_BAR_BYTES = 12 * 1024
CODE_BAR_BYTES = 16 * 1024
"""Of the microcontrollers; a Raspberry Pi has neither bar."""


def measure(case: Case) -> tuple[list[Cost], list[str]]:
    """Measure every core that can be emulated here, and say why others cannot."""
    jobs: list[tuple[str, Callable[[], Cost]]] = [
        (f"{core.name} {compiler}", partial(in_unicorn, case, core, compiler))
        for core in emulator.CORES.values()
        for compiler in (("zig", "gcc") if core.gcc else ("zig",))
    ]
    jobs += [
        (f"{board.name} {compiler}", partial(in_qemu, case, board, compiler))
        for board in qemu.BOARDS.values()
        for compiler in ("zig", "gcc")
    ]
    costs, notes = [], []
    for name, job in jobs:
        try:
            costs.append(job())
        except MissingToolError as error:
            notes.append(f"{name} skipped: {error}")
    return costs, notes


def over(cost: Cost) -> tuple[str, ...]:
    """Return what lies above its bar."""
    above = []
    if cost.instructions_per_window > BARS.get(cost.core, math.inf):
        above.append("instructions")
    if cost.core.startswith("cortex-m") and cost.ram_bytes > RAM_BAR_BYTES:
        above.append("RAM")
    if cost.core.startswith("cortex-m") and cost.code_bytes > CODE_BAR_BYTES:
        above.append("code")
    return tuple(above)


def disagreements(costs: Sequence[Cost]) -> list[str]:
    """Cores on which Unicorn and QEMU counted differently, the compiler being the same."""
    counts: dict[tuple[str, str], set[int]] = {}
    for cost in costs:
        counts.setdefault((cost.core, cost.compiler), set()).add(cost.instructions_per_window)
    return [
        f"{core} ({compiler}): emulators differ, {sorted(found)}"
        for (core, compiler), found in counts.items()
        if len(found) > 1
    ]


def table(costs: Sequence[Cost]) -> Table:
    """Return figures beside references and bars."""
    made = Table(title="instructions a window, emulated")
    for column in (
        *("core", "compiler", "emulator", "instructions", "reference", "bar", "MAC/instruction"),
        *("RAM bytes", "code bytes", "weights bytes", "integers", "over"),
    ):
        made.add_column(column, justify="left" if column in ("core", "compiler") else "right")
    for cost in costs:
        reference = "{:,} {}".format(*REFERENCES[cost.core]) if cost.core in REFERENCES else ""
        bar = f"{BARS[cost.core]:,}" if cost.core in BARS else ""
        made.add_row(
            *(cost.core, cost.compiler, cost.emulator, f"{cost.instructions_per_window:,}"),
            *(reference, bar, f"{cost.macs_per_instruction:.2f}"),
            *(f"{cost.ram_bytes:,}", f"{cost.code_bytes:,}", f"{cost.weights_bytes:,}"),
            *("same" if cost.same_integers else "DIFFER", ", ".join(over(cost))),
        )
    return made


def steps_table(costs: Sequence[Cost]) -> Table:
    """Return thousands of instructions by step."""
    shown = [c for c in costs if c.instructions_by_step is not None and c.compiler == "zig"]
    made = Table("step", *(c.core for c in shown), title="thousands of instructions by step (zig)")
    for name in shown[0].instructions_by_step or () if shown else ():
        values = [(c.instructions_by_step or {})[name] / 1000 for c in shown]
        made.add_row(name, *(f"{value:.1f}" for value in values))
    return made


@click.command()
@click.argument("folder", metavar="BUNDLE", type=click.Path(path_type=Path))
@click.option("--save/--no-save", default=False, help=f"Write {RESULTS.name} beside the others.")
def main(folder: Path, save: bool) -> None:
    """Count what a bundle's C costs on every core; exit 4 when a bar is exceeded with zig."""
    console, notes = Console(width=200), Console(stderr=True)
    try:
        emulator.refuse_missing()
        case = case_of(folder)
        costs, skipped = measure(case)
    except EdgeError as error:
        notes.print(f"firmware: {error}", markup=False)
        sys.exit(error.exit_code)
    console.print(table(costs))
    console.print(steps_table(costs))
    problems = disagreements(costs)
    for line in (*skipped, *problems):
        notes.print(line, markup=False)
    if save:
        packages = ("eeg-edge", "ziglang", "unicorn", "pyelftools")
        document = {
            "schema_version": 1,
            "bundle": opened_digest(folder),
            "macs_per_window": macs(case.graph),
            "n_pooled": n_pooled(case.graph),
            "costs": [_record(cost) for cost in costs],
            "skipped": skipped,
            "versions": {name: installed(name) for name in packages},
        }
        records.save(RESULTS, document)
    if problems or not all(cost.same_integers for cost in costs):
        sys.exit(1)
    sys.exit(4 if any(over(cost) for cost in costs if cost.compiler == "zig") else 0)


def _record(cost: Cost) -> dict[str, Any]:
    """A cost with its reference and bar, as it is saved."""
    reference, name = REFERENCES.get(cost.core, (None, ""))
    beside = {"reference": reference, "reference_name": name, "bar": BARS.get(cost.core)}
    return {**asdict(cost), **beside, "over": list(over(cost))}


def opened_digest(folder: Path) -> str:
    """Return the sha256 of the bundle's integer graph, of its structure."""
    return bundle.read(folder).manifest.files["qgraph.json"]


if __name__ == "__main__":
    main()
