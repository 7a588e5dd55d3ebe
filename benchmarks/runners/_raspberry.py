"""Emulated Raspberry Pi: instructions of the C engine and of LiteRT under qemu-aarch64, exact."""

from __future__ import annotations

from benchmarks import emulator, engine, linux
from benchmarks.findings import Findings, Request, Result
from benchmarks.linux import Processor
from edge.bundle import Bundle
from edge.console import Console


def run(cpu: str, opened: Bundle, device: str, request: Request, console: Console) -> Findings:
    """Count instructions on a processor; ``partial`` of this is a runner's ``run``."""
    linux.refuse_missing()
    emulator.refuse_missing()
    with console.waiting(f"compiling and emulating {cpu}"):
        results = _engine(cpu, opened, device, request)
    around = {"cpu": cpu, "emulator": "qemu-aarch64", "compiler": "zig"}
    return Findings(results, engine.NOTES, around=around)


def _engine(cpu: str, opened: Bundle, device: str, request: Request) -> tuple[Result, ...]:
    case = engine.case(opened, device, request)
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
        about.exact("instructions_per_window", "instructions", worst, n),
        about.exact("ram_bytes", "bytes", ram, n),
        about.exact("code_bytes", "bytes", flash.code + flash.constants),
        about.exact("weights_bytes", "bytes", flash.weights),
    )
