# SPDX-License-Identifier: BSD-3-Clause
"""Run every mode's C on every core, fast path and plain C, and compare it with the reference.

    python -m benchmarks.studies.all_modes --jobs 2 --save

Each mode's shipped checkpoint is exported; then its C runs on this machine and on emulated cores,
and its .tflite in TensorFlow Lite Micro. Windows are golden ones, uniform noise, and the two
extremes. Counts are of the worst window. Int8 throughout must give the reference's integers; behind
a part in float, logits may differ by one step.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console as RichConsole
from rich.table import Table

from benchmarks.devices import linux
from benchmarks.emulate import emulator, qemu
from benchmarks.studies import records
from edge import registry
from edge.bundle import read as bundle
from edge.bundle.read import Bundle
from edge.checkpoint import find as checkpoints
from edge.errors import EdgeError, MissingToolError
from edge.exporting import pipeline
from edge.exporting.prepare import ExportRequest
from edge.patches.versions import installed
from edge.terminal.console import console
from firmware_bridge.build.toolchain import CompilerError
from firmware_bridge.emit.generate import Firmware, generate
from firmware_bridge.host import windowed as host
from quantize.graph import reference
from quantize.graph.layouts import with_height
from quantize.graph.qgraph import FINER, QGraph

RESULTS = Path(__file__).parent / "results" / "all_modes.json"
N_HOST, N_EMULATED = 200, 20
PORTS: Mapping[str, tuple[str, ...]] = {"fast": (), "plain": ("-DEDGE_PORTABLE",)}
TIMES_ECA = 1.3
"""Most instructions of a mode on a Cortex-M4, in those of eca."""

Int8 = NDArray[np.int8]
Int16 = NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class Mode:
    """A mode's C, and windows (n, n_times, n_chans) with the logits (n, n_outputs) they give."""

    name: str
    graph: QGraph
    firmware: Firmware
    tflite: bytes
    windows: Int8
    logits: Int16

    @property
    def allowed_steps(self) -> int:
        """How far a logit may be off: a step of 8 bits behind a part in float."""
        return FINER if self.graph.float_nodes() else 0


@dataclass(frozen=True)
class Cell:
    """One mode on one core.

    ``instructions_per_window`` is None where nothing counts; ``max_steps`` is the largest
    difference to the reference.
    """

    mode: str
    core: str
    port: str
    emulator: str
    n_windows: int
    allowed_steps: int
    max_steps: int
    instructions_per_window: int | None = None

    @property
    def holds(self) -> bool:
        """Whether it computes what it should."""
        return self.max_steps <= self.allowed_steps


def prepare(name: str, folder: Path) -> Mode:
    """Export a mode as ``edge export --int8`` does."""
    wanted = checkpoints.Request(name)
    request = ExportRequest(wanted, folder / name, int8=True, targets=("c", "tflite"))
    with console(verbose=False, quiet=True) as ours:
        pipeline.export(request, ours)
    made = bundle.read(folder / name)
    graph = made.graph()
    windows = stored_windows(made, graph)
    real = reference.dequantize(windows, graph.quant(graph.input))
    logits = reference.run(graph, np.swapaxes(real, 1, 2)).stored
    tflite = (made.folder / made.manifest.artifact("tflite", "int8").file).read_bytes()
    return Mode(name, graph, generate(graph), tflite, windows, logits)


def stored_windows(made: Bundle, graph: QGraph) -> Int8:
    """Extremes, golden windows, then noise, so that the first N_EMULATED have something of each."""
    golden = made.golden()["x_int8"].reshape(-1, *graph[graph.input].shape[-2:])
    rng = np.random.default_rng(0)
    noise = rng.integers(-128, 128, (N_HOST - 16, *golden.shape[1:]), dtype=np.int8)
    extremes = np.stack([np.full(golden.shape[1:], value, np.int8) for value in (-128, 127)])
    return np.concatenate([extremes, golden[:14], noise])


def cells(mode: Mode) -> Iterator[Callable[[], Cell]]:
    """Return everything that a mode is run on."""
    for port, options in PORTS.items():
        if port == "plain":  # which is what this machine runs anyway
            yield lambda: on_host(mode)
        for core in emulator.CORES.values():
            yield lambda core=core, port=port, options=options: in_unicorn(  # type: ignore[misc]
                mode, core, port, options
            )
        yield lambda port=port, options=options: in_qemu(mode, port, options)  # type: ignore[misc]
        for cpu in ("cortex-a72", "cortex-a76"):
            yield lambda cpu=cpu, port=port, options=options: on_linux(  # type: ignore[misc]
                mode, cpu, port, options
            )
    if not mode.allowed_steps:
        yield lambda: in_micro(mode)


def _steps(mode: Mode, got: Int16) -> int:
    return int(np.abs(got.astype(int) - mode.logits[: len(got)]).max())


def on_host(mode: Mode) -> Cell:
    """Run the C compiled for this machine."""
    library = host.build(mode.firmware, mode.logits.shape[1])
    steps = _steps(mode, library.infer(mode.windows))
    return Cell(mode.name, "host", "plain", "", len(mode.windows), mode.allowed_steps, steps)


def in_micro(mode: Mode) -> Cell:
    """Run the .tflite file in TensorFlow Lite Micro, whose arithmetic the reference has."""
    from edge.targets.runtimes import tflm

    steps = _steps(mode, tflm.infer(mode.tflite, with_height(mode.windows)))
    return Cell(mode.name, "tflm", "", "", len(mode.windows), mode.allowed_steps, steps)


def in_unicorn(mode: Mode, core: emulator.Core, port: str, options: Sequence[str]) -> Cell:
    """Run the C on a core that Unicorn has."""
    program = emulator.build(mode.firmware, core, (*emulator.OPTIONS, *options))
    machine = emulator.Machine(program)
    pairs = zip(mode.windows[:N_EMULATED], mode.logits, strict=False)
    runs = [machine.call("infer", window, logits) for window, logits in pairs]
    return Cell(
        *(mode.name, core.name, port, "Unicorn", len(runs), mode.allowed_steps),
        _steps(mode, np.stack([run.output for run in runs])),
        max(run.instructions for run in runs),
    )


def in_qemu(mode: Mode, port: str, options: Sequence[str]) -> Cell:
    """Run the C on a Cortex-M55 with Helium."""
    board = qemu.BOARDS["cortex-m55"]
    windows, n_outputs = mode.windows[:N_EMULATED], mode.logits.shape[1]
    made = qemu.replay(mode.firmware, board, windows, n_outputs, (*emulator.OPTIONS, *options))
    return Cell(
        *(mode.name, board.name, port, "QEMU", len(windows), mode.allowed_steps),
        _steps(mode, made.logits),
        max(made.instructions),
    )


PROCESSORS = {
    "cortex-a72": linux.PROCESSORS["aarch64"],
    "cortex-a76": linux.DOT_PRODUCT,
}


def on_linux(mode: Mode, cpu: str, port: str, options: Sequence[str]) -> Cell:
    """Run a static program for aarch64 Linux in QEMU's user emulation."""
    windows, logits = mode.windows[:N_EMULATED], mode.logits[:N_EMULATED]
    shape = (windows.shape[1], windows.shape[2])
    options = (*emulator.OPTIONS, *options)
    program = linux.build(mode.firmware, shape, logits.shape[1], PROCESSORS[cpu], options)
    counted = linux.count(program, cpu, windows, logits)
    return Cell(
        *(mode.name, f"{cpu} linux", port, "qemu-aarch64", len(windows), mode.allowed_steps),
        counted.max_steps,
        max(counted.instructions),
    )


def table(found: Sequence[Cell], port: str) -> Table:
    """Return modes by cores: thousands of instructions, and what differs."""
    chosen = [cell for cell in found if cell.port in (port, "")]
    cores = list(dict.fromkeys(cell.core for cell in chosen))
    made = Table("mode", *cores, title=f"thousands of instructions a window, {port}")
    for mode in dict.fromkeys(cell.mode for cell in chosen):
        row = {cell.core: cell for cell in chosen if cell.mode == mode}
        made.add_row(mode, *(_shown(row.get(core)) for core in cores))
    return made


def _shown(cell: Cell | None) -> str:
    if cell is None:
        return ""
    count = cell.instructions_per_window
    off = "" if cell.max_steps == 0 else f" ({cell.max_steps} off)"
    return f"{'equal' if count is None else f'{count / 1000:,.0f}'}{off}"


def over_eca(found: Sequence[Cell]) -> dict[str, float]:
    """Return instructions on a Cortex-M4 relative to eca's, by mode."""
    counts = {
        cell.mode: cell.instructions_per_window or 0
        for cell in found
        if (cell.core, cell.port) == ("cortex-m4", "fast")
    }
    return {mode: round(count / counts["eca"], 3) for mode, count in counts.items()}


@dataclass(frozen=True)
class Measured:
    """A mode's cells; what could not run for want of a tool, and what a compiler refused."""

    cells: tuple[Cell, ...]
    skipped: tuple[str, ...]
    failed: tuple[str, ...]


def measure(name: str) -> Measured:
    """Export a mode and run all of its cells."""
    found: list[Cell] = []
    skipped: list[str] = []
    failed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="edge-modes-") as folder:
        for job in cells(prepare(name, Path(folder))):
            try:
                found.append(job())
            except CompilerError as error:
                failed.append(f"{name}: {error}")
            except MissingToolError as error:
                skipped.append(str(error))
    return Measured(tuple(found), tuple(skipped), tuple(failed))


@click.command()
@click.option("--mode", "modes", multiple=True, help="Some of them; all without it.")
@click.option("--jobs", default=1, show_default=True, help="Modes at once.")
@click.option("--save/--no-save", default=False, help=f"Write {RESULTS.name} beside the others.")
def main(modes: tuple[str, ...], jobs: int, save: bool) -> None:
    """Hold every mode on every core to the reference; exit 1 when one differs, 4 over the bar."""
    out, notes = RichConsole(width=200), RichConsole(stderr=True)
    names = modes or registry.names(registry.MODES)
    found: list[Cell] = []
    skipped: dict[str, None] = {}
    failed: list[str] = []
    try:
        emulator.refuse_missing()
        with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
            for name, measured in zip(names, pool.map(measure, names), strict=True):
                found += measured.cells
                skipped |= dict.fromkeys(measured.skipped)
                failed += measured.failed
                notes.print(f"{name}: {len(measured.cells)} cells")
    except EdgeError as error:
        notes.print(f"all_modes: {error}", markup=False)
        sys.exit(error.exit_code)
    for port in PORTS:
        out.print(table(found, port))
    for line in skipped:
        notes.print(f"skipped: {line}", markup=False)
    for line in failed:
        notes.print(line, markup=False)
    ratios = over_eca(found) if any(cell.mode == "eca" for cell in found) else {}
    out.print("instructions on cortex-m4 in those of eca:", ratios)
    if save and not failed:
        packages = ("eeg-edge", "ziglang", "unicorn", "tflite-micro")
        document = {
            "schema_version": 1,
            "cells": [asdict(cell) for cell in found],
            "times_eca_on_cortex_m4": ratios,
            "skipped": list(skipped),
            "versions": {name: installed(name) for name in packages},
        }
        records.save(RESULTS, document)
    if failed or not all(cell.holds for cell in found):
        sys.exit(1)
    sys.exit(4 if any(ratio > TIMES_ECA for ratio in ratios.values()) else 0)


if __name__ == "__main__":
    main()
