# SPDX-License-Identifier: BSD-3-Clause
"""What the C engine costs on emulated cores, beside the references and the bars.

    python -m benchmarks.studies.firmware BUNDLE

Every window of the bundle's golden vectors runs on every core, twice, and must give the golden
integers; figures are of the worst window. Instructions, not cycles and not time.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.emulate import emulator, qemu
from edge.bundle import folder as bundle
from edge.errors import EdgeError, MissingToolError
from edge.patches.versions import installed
from edge.targets import c
from firmware_bridge.emit.generate import Firmware, generate, written
from quantize.graph.qgraph import AveragePool, Conv, QGraph

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


@dataclass(frozen=True)
class Cost:
    """One core's figures.

    Attributes
    ----------
    instructions_per_window
        Of the worst window.
    instructions_by_step
        The same by operation, from a second build with a marker call before each; None where the
        emulator cannot.
    ram_bytes
        State, scratch and stack, without the caller's window.
    code_bytes
        Code and constants without weights.
    reference, bar
        Instructions a window; None where there is none.
    max_steps
        Largest difference to the golden logits.
    """

    core: str
    emulator: str
    compiler: str
    n_windows: int
    same_integers: bool
    instructions_per_window: int
    instructions_by_step: Mapping[str, int] | None
    stack_bytes: int
    ram_bytes: int
    code_bytes: int
    weights_bytes: int
    macs_per_instruction: float
    reference: int | None = None
    reference_name: str = ""
    bar: int | None = None
    max_steps: int = 0

    @property
    def over(self) -> tuple[str, ...]:
        """What lies above its bar."""
        found = []
        if self.bar is not None and self.instructions_per_window > self.bar:
            found.append("instructions")
        if self.core.startswith("cortex-m") and self.ram_bytes > RAM_BAR_BYTES:
            found.append("RAM")
        if self.core.startswith("cortex-m") and self.code_bytes > CODE_BAR_BYTES:
            found.append("code")
        return tuple(found)


@dataclass(frozen=True, eq=False)
class Case:
    """A generated model, windows (n, n_times, n_chans) and what they must give."""

    graph: QGraph
    firmware: Firmware
    windows: NDArray[np.int8]
    logits: NDArray[np.int16]


def macs(graph: QGraph) -> int:
    """Multiply-accumulates of a window, pools counted as additions only."""
    total = 0
    for node in graph.nodes:
        if isinstance(node, Conv):
            weight = graph.constants[f"{node.output}.weight"]
            outputs = math.prod(graph[node.output].shape)
            total += outputs * (weight.shape[2] if node.depthwise else weight[0].size)
    return total


def n_pooled(graph: QGraph) -> int:
    """Values that the pools add up in a window."""
    pools = [node for node in graph.nodes if isinstance(node, AveragePool)]
    return sum(math.prod(graph[pool.output].shape) * pool.length for pool in pools)


def in_unicorn(case: Case, core: emulator.Core, compiler: str = "zig") -> Cost:
    """Measure one of the cores that Unicorn has."""
    program = emulator.build(case.firmware, core, compiler=compiler)
    runs = [_unicorn_runs(case, program) for _ in range(2)]
    if [r.instructions for r in runs[0]] != [r.instructions for r in runs[1]]:
        raise RuntimeError(f"{core.name}: two runs took different numbers of instructions")
    marked = emulator.Machine(emulator.build(case.firmware, core, markers=True, compiler=compiler))
    steps = marked.call("infer", case.windows[0], case.logits[0]).by_step
    worst = max(run.instructions for run in runs[0])
    stack = max(run.stack_bytes for run in runs[0])
    flash = emulator.flash(program.elf)
    return Cost(
        core.name,
        "Unicorn",
        compiler,
        len(case.windows),
        all(np.array_equal(run.output, ref) for run, ref in zip(runs[0], case.logits, strict=True)),
        worst,
        dict(zip((*case.firmware.steps, "outside"), steps, strict=True)),
        stack,
        case.firmware.state_bytes + stack,
        flash.code + flash.constants,
        flash.weights,
        round(macs(case.graph) / worst, 3),
        max_steps=_steps(np.stack([run.output for run in runs[0]]), case.logits),
    )


def _steps(logits: NDArray[np.int16], golden: NDArray[np.int16]) -> int:
    return int(np.abs(logits.astype(int) - golden).max())


def _unicorn_runs(case: Case, program: emulator.Program) -> list[emulator.Run]:
    machine = emulator.Machine(program)
    return [
        machine.call("infer", window, ref)
        for window, ref in zip(case.windows, case.logits, strict=True)
    ]


def in_qemu(case: Case, board: qemu.Board, compiler: str = "zig") -> Cost:
    """Measure one of QEMU's boards; sizes are of the model linked alone."""
    n_outputs = case.logits.shape[1]
    runs = [
        qemu.replay(case.firmware, board, case.windows, n_outputs, compiler=compiler)
        for _ in range(2)
    ]
    if runs[0].instructions != runs[1].instructions:
        raise RuntimeError(f"{board.name}: two runs took different numbers of instructions")
    worst = max(runs[0].instructions)
    core = {**emulator.CORES, emulator.M55.name: emulator.M55}[board.name]
    flash = emulator.flash(emulator.build(case.firmware, core, compiler=compiler).elf)
    return Cost(
        board.name,
        "QEMU",
        compiler,
        len(case.windows),
        bool(np.array_equal(runs[0].logits, case.logits)),
        worst,
        None,
        runs[0].stack_bytes,
        case.firmware.state_bytes + runs[0].stack_bytes,
        flash.code + flash.constants,
        flash.weights,
        round(macs(case.graph) / worst, 3),
        max_steps=_steps(runs[0].logits, case.logits),
    )


def measure(case: Case) -> tuple[list[Cost], list[str]]:
    """Every core that can be emulated here, and why others cannot."""
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
            costs.append(_beside_reference(job()))
        except MissingToolError as error:
            notes.append(f"{name} skipped: {error}")
    return costs, notes


def _beside_reference(cost: Cost) -> Cost:
    reference, name = REFERENCES.get(cost.core, (None, ""))
    return replace(cost, reference=reference, reference_name=name, bar=BARS.get(cost.core))


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
    """Figures beside references and bars."""
    made = Table(title="instructions a window, emulated")
    for column in (
        *("core", "compiler", "emulator", "instructions", "reference", "bar", "MAC/instruction"),
        *("RAM bytes", "code bytes", "weights bytes", "integers", "over"),
    ):
        made.add_column(column, justify="left" if column in ("core", "compiler") else "right")
    for cost in costs:
        reference = f"{cost.reference:,} {cost.reference_name}" if cost.reference else ""
        made.add_row(
            *(cost.core, cost.compiler, cost.emulator, f"{cost.instructions_per_window:,}"),
            *(reference, f"{cost.bar:,}" if cost.bar else "", f"{cost.macs_per_instruction:.2f}"),
            *(f"{cost.ram_bytes:,}", f"{cost.code_bytes:,}", f"{cost.weights_bytes:,}"),
            *("same" if cost.same_integers else "DIFFER", ", ".join(cost.over)),
        )
    return made


def steps_table(costs: Sequence[Cost]) -> Table:
    """Thousands of instructions by step."""
    shown = [c for c in costs if c.instructions_by_step is not None and c.compiler == "zig"]
    made = Table("step", *(c.core for c in shown), title="thousands of instructions by step (zig)")
    for name in shown[0].instructions_by_step or () if shown else ():
        values = [(c.instructions_by_step or {})[name] / 1000 for c in shown]
        made.add_row(name, *(f"{value:.1f}" for value in values))
    return made


def case_of(folder: Path) -> Case:
    """The C that a bundle ships, or where it has none what would be, and its golden vectors."""
    opened = bundle.read(folder)
    graph, golden = opened.graph(), opened.golden()
    windows = np.ascontiguousarray(golden["x_int8"].reshape(-1, *graph[graph.input].shape[-2:]))
    shipped = [one for one in opened.manifest.artifacts if one.target == "c"]
    if not shipped:
        return Case(graph, generate(graph), windows, golden[bundle.STORED])
    content = bundle.read_content(folder / shipped[0].file)
    assert not isinstance(content, bytes)  # a folder of sources
    made = written({name: data.decode() for name, data in content.items()}, c.NAME)
    return Case(graph, made, windows, golden[bundle.STORED])


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
            "costs": [{**asdict(cost), "over": list(cost.over)} for cost in costs],
            "skipped": skipped,
            "versions": {name: installed(name) for name in packages},
        }
        RESULTS.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
    if problems or not all(cost.same_integers for cost in costs):
        sys.exit(1)
    sys.exit(4 if any(cost.over for cost in costs if cost.compiler == "zig") else 0)


def opened_digest(folder: Path) -> str:
    """sha256 of the bundle's integer graph, its structure."""
    return bundle.read(folder).manifest.files["qgraph.json"]


if __name__ == "__main__":
    main()
