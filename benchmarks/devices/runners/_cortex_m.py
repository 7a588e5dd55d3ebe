# SPDX-License-Identifier: BSD-3-Clause
"""Count what the bundle's C takes on emulated microcontrollers: instructions, cycles, bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from benchmarks.emulate import cost, emulator, engine, qemu
from benchmarks.emulate.cost import Case, Cost
from benchmarks.emulate.cycles import model
from benchmarks.measure.findings import Findings, Request
from edge.bundle.read import Bundle
from edge.terminal.console import Console


def run(core: str, opened: Bundle, device: str, request: Request, console: Console) -> Findings:
    """Count what the C engine takes on a core; ``partial`` of this is a runner's ``run``."""
    case = engine.case(opened, device, request)
    emulator.refuse_missing()
    with console.waiting(f"compiling and emulating {core}"):
        measured = MEASURES[core](case)
    engine.refuse_steps(case, measured.max_steps, device)
    about, n = engine.about(device), measured.n_windows
    modelled = measured.cycles
    found = () if modelled is None else (about.modelled("cycles_per_window", modelled, n),)
    return Findings(
        (
            about.exact(
                "instructions_per_window", "instructions", measured.instructions_per_window, n
            ),
            about.exact("ram_bytes", "bytes", measured.ram_bytes, n),
            about.exact("code_bytes", "bytes", measured.code_bytes),
            about.exact("weights_bytes", "bytes", measured.weights_bytes),
            *found,
        ),
        (*engine.NOTES, engine.CYCLES) if found else engine.NOTES,
        {} if found else {"cycles_per_window": model.missing(core)},
        around={"cpu": core, "emulator": measured.emulator, "compiler": measured.compiler},
    )


MEASURES: Mapping[str, Callable[[Case], Cost]] = {
    **{
        name: partial(cost.in_unicorn, core=core)
        for name, core in emulator.CORES.items()
        if core.is_thumb
    },
    emulator.M55.name: partial(cost.in_qemu, board=qemu.BOARDS[emulator.M55.name]),
}
