# SPDX-License-Identifier: BSD-3-Clause
"""Measure what the C engine costs on an emulated core while it replays golden windows.

Every window runs twice and must give the golden integers; figures are of the worst window. They are
instructions, not cycles and not time; a core that has a model (:mod:`benchmarks.emulate.cycles`)
has modelled cycles beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.emulate import emulator, qemu
from benchmarks.emulate.cycles import model as cycle_model
from benchmarks.emulate.cycles.model import Cycles
from benchmarks.emulate.cycles.program import Traced
from edge.bundle import read as bundle
from edge.bundle import types as bundle_types
from edge.bundle.content import Note, loadable
from edge.targets import c
from firmware_bridge.emit.generate import Firmware, generate, written
from quantize.graph.qgraph import AveragePool, Conv, QGraph


@dataclass(frozen=True)
class Cost:
    """The figures of one core.

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
    max_steps
        Largest difference to the golden logits.
    cycles
        Modelled cycles of the worst window, zero wait states; None where the core has no model.
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
    max_steps: int = 0
    cycles: Cycles | None = None


@dataclass(frozen=True, eq=False)
class Case:
    """A generated model, windows (n, n_times, n_chans) and what they must give."""

    graph: QGraph
    firmware: Firmware
    windows: NDArray[np.int8]
    logits: NDArray[np.int16]


def macs(graph: QGraph) -> int:
    """Count the multiplications of a window; pools count as additions only."""
    return sum(node.macs(graph) for node in graph.nodes if isinstance(node, Conv))


def n_pooled(graph: QGraph) -> int:
    """Count the values that the pools add up in a window."""
    return sum(node.macs(graph) for node in graph.nodes if isinstance(node, AveragePool))


def in_unicorn(case: Case, core: emulator.Core, compiler: str = "zig") -> Cost:
    """Measure one of the cores that Unicorn has."""
    program = emulator.build(case.firmware, core, compiler=compiler)
    runs = [_unicorn_runs(case, program) for _ in range(2)]
    if [r.instructions for r in runs[0]] != [r.instructions for r in runs[1]]:
        raise RuntimeError(f"{core.name}: two runs took different numbers of instructions")
    marked = emulator.Machine(emulator.build(case.firmware, core, markers=True, compiler=compiler))
    steps = marked.call("infer", case.windows[0], case.logits[0]).by_step
    counts = [run.instructions for run in runs[0]]
    worst = max(counts)
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
        cycles=_cycles(case, program, counts.index(worst)),
    )


def _cycles(case: Case, program: emulator.Program, window: int) -> Cycles | None:
    """The modelled cycles of a window, where the core has a model."""
    model = cycle_model.of(program.core.name)
    if model is None:
        return None
    is_compiled = bool(case.graph.float_nodes())
    traced = Traced(program, model, model.compiled if is_compiled else model.assembly)
    return traced.call("infer", case.windows[window], case.logits[window])


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


def case_of(folder: Path, note: Note = lambda _: None) -> Case:
    """The C of a bundle's graph, generated here, and its golden vectors."""
    opened = bundle.read(folder)
    graph, golden = opened.graph(), opened.golden()
    windows = np.ascontiguousarray(golden["x_int8"].reshape(-1, *graph[graph.input].shape[-2:]))
    shipped = [one for one in opened.manifest.artifacts if one.target == "c"]
    if not shipped:
        return Case(graph, generate(graph), windows, golden[bundle_types.STORED])
    content = loadable(opened, shipped[0], note)
    assert not isinstance(content, bytes)  # a folder of sources
    made = written({name: data.decode() for name, data in content.items()}, c.NAME)
    return Case(graph, made, windows, golden[bundle_types.STORED])
