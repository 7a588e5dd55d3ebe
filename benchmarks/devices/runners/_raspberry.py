# SPDX-License-Identifier: BSD-3-Clause
"""Count the instructions of the C engine and of LiteRT on an emulated Raspberry Pi."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from benchmarks.devices import linux, raspberry, raspberry_root
from benchmarks.devices.linux import Processor
from benchmarks.emulate import emulator, engine
from benchmarks.measure import entrants
from benchmarks.measure.findings import About, Findings, Request, Result
from edge.bundle.read import Bundle
from edge.errors import UsageError, listing
from edge.spec import Precision
from edge.terminal.console import Console

RUNS = (raspberry.TARGET, engine.TARGET)
COUNT = "instructions_per_window"
NOTES = (
    engine.INSTRUCTIONS,
    (
        "LiteRT: one thread of XNNPACK, its interpreter's invoke alone, the window in its tensor "
        "already; of the first golden window"
    ),
    "litert_ratio: instructions of LiteRT in int8 over this one's",
    engine.SIZES,
)


def run(cpu: str, opened: Bundle, device: str, request: Request, console: Console) -> Findings:
    """Count instructions on a processor; ``partial`` of this is a runner's ``run``."""
    _refuse(opened, device, request)
    with_litert = bool(entrants.ours(opened, (raspberry.TARGET,))) and _asks(
        request, raspberry.TARGET
    )
    linux.refuse_missing()
    emulator.refuse_missing()
    if with_litert:
        raspberry_root.refuse_missing()
    results: list[Result] = []
    if with_litert:
        root = raspberry_root.ready(console)
        with console.waiting(f"emulating LiteRT on {cpu}"):
            results += _litert(raspberry.count(opened, root, cpu, device, request), device)
    if engine.targets(opened) and _asks(request, engine.TARGET):
        with console.waiting(f"compiling and emulating {cpu}"):
            results += _engine(cpu, opened, device, request)
    around = {"cpu": cpu, "emulator": "qemu-aarch64", "compiler": "zig"}
    return Findings((*results, *_ratios(results)), NOTES, around=around)


def _asks(request: Request, target: str) -> bool:
    return not request.targets or target in request.targets


def _refuse(opened: Bundle, device: str, request: Request) -> None:
    """What is not counted here, by name, with the line that would do."""
    others = [name for name in request.targets if name not in RUNS]
    if others:
        raise UsageError(
            f"{device} counts {listing(RUNS)}, not {others[0]!r}; a real Raspberry Pi is reached "
            f"by ssh://. Type: edge bench {opened.folder} --device {device} "
            f"--target {','.join(RUNS)}"
        )


def _litert(counted: Sequence[raspberry.Counted], device: str) -> list[Result]:
    results = []
    for one in counted:
        target, precision = one.name.split()
        about = About(target, precision, device)
        results.append(about.exact(COUNT, "instructions", one.instructions))
        units = {"max_steps": "steps", "max_relative_error": "relative"}
        results += [
            about.exact(f"golden_{key}", units[key], value)
            for key, value in one.check.items()
            if key in units
        ]
    return results


def _engine(cpu: str, opened: Bundle, device: str, request: Request) -> tuple[Result, ...]:
    case = engine.case(opened, device, replace(request, targets=(engine.TARGET,)))
    processor = Processor("aarch64-linux-musl", cpu.replace("-", "_"))
    n_outputs = case.logits.shape[1]
    n_times, n_chans = case.windows.shape[1:]
    program = linux.build(case.firmware, (n_times, n_chans), n_outputs, processor)
    counted, again = (linux.count(program, cpu, case.windows, case.logits) for _ in range(2))
    if counted != again:
        raise RuntimeError(f"{device}: two runs differ, {counted} and {again}")
    engine.refuse_steps(case, counted.max_steps, device)
    flash = emulator.flash(emulator.build(case.firmware, emulator.CORES[cpu]).elf)
    about, n = engine.about(device), counted.n_windows
    ram = case.firmware.state_bytes + counted.stack_bytes
    worst = max(counted.instructions)
    return (
        about.exact(COUNT, "instructions", worst, n),
        about.exact("ram_bytes", "bytes", ram, n),
        about.exact("code_bytes", "bytes", flash.code + flash.constants),
        about.exact("weights_bytes", "bytes", flash.weights),
    )


def _ratios(results: Sequence[Result]) -> list[Result]:
    """How many of each one's inferences fit into one of LiteRT in int8."""
    counts = [result for result in results if result.metric == COUNT]
    return [
        About(ours.target, ours.precision, ours.device).exact(
            "litert_ratio", "times", theirs.value / ours.value
        )
        for theirs in counts
        if (theirs.target, theirs.precision) == (raspberry.TARGET, Precision.INT8)
        for ours in counts
    ]
