# SPDX-License-Identifier: BSD-3-Clause
"""Build the C engine as a static Linux program, without a library, for a device's processor."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.emulate.emulator import FOLDER, OPTIONS
from benchmarks.emulate.qemu import CALL, plugin
from edge.errors import MissingToolError
from firmware_bridge.build import toolchain
from firmware_bridge.emit.generate import Firmware


@dataclass(frozen=True)
class Processor:
    """What zig compiles a model for; the program is static, and its C library is musl."""

    triple: str
    cpu: str = "baseline"


PROCESSORS: Mapping[str, Processor] = {
    "aarch64": Processor("aarch64-linux-musl", "generic"),
    "arm64": Processor("aarch64-linux-musl", "generic"),
    "armv7l": Processor("arm-linux-musleabihf"),
    "riscv64": Processor("riscv64-linux-musl"),
    "x86_64": Processor("x86_64-linux-musl"),
}
"""By what ``uname -m`` says."""

DOT_PRODUCT = Processor("aarch64-linux-musl", "generic+dotprod")
"""An aarch64 whose /proc/cpuinfo lists ``asimddp``: Raspberry Pi 5, not 4."""


@dataclass(frozen=True)
class Counted:
    """What an emulated processor made of some windows.

    Attributes
    ----------
    max_steps
        Largest difference to the logits that were expected.
    instructions
        Of each ``NAME_infer``.
    stack_bytes
        High-water mark over all windows, by painting.
    """

    n_windows: int
    max_steps: int
    instructions: tuple[int, ...]
    stack_bytes: int


def build(
    firmware: Firmware,
    window_shape: tuple[int, int],
    n_outputs: int,
    processor: Processor,
    options: Sequence[str] = OPTIONS,
) -> bytes:
    """Compile ``linux.c`` with a model whose windows are (n_times, n_chans).

    Raises
    ------
    MissingToolError
        When ziglang is not installed.
    """
    zig = toolchain.zig("cc")
    n_times, n_chans = window_shape
    defines = {"NAME": firmware.name, "N_TIMES": n_times, "N_CHANS": n_chans}
    defines["N_OUTPUTS"] = n_outputs
    target = ["-target", processor.triple, "-std=c99", "-fno-sanitize=undefined", *options]
    with tempfile.TemporaryDirectory() as name:
        folder = toolchain.write(firmware.files, Path(name))
        model = [*target, f"-mcpu={processor.cpu}", "-c", f"{firmware.name}.c", "-o", "model.o"]
        toolchain.compile_c(zig, model, cwd=folder)
        # Without -mcpu: zig compiles its C library once for every processor of a family.
        program = [
            *target,
            "-static",
            "-s",
            *(f"-D{key}={value}" for key, value in defines.items()),
        ]
        program += ["-include", f"{firmware.name}.h", str(FOLDER / "linux.c"), "model.o"]
        toolchain.compile_c(zig, [*program, "-o", "program"], cwd=folder)
        return (folder / "program").read_bytes()


def refuse_missing() -> str:
    """Return the path of QEMU's user emulation, or raise if it is missing.

    Raises
    ------
    MissingToolError
        When it is not installed; the static one of qemu-user-static loads no plugin.
    """
    found = shutil.which("qemu-aarch64")
    if found is None:
        raise MissingToolError(
            "A Raspberry Pi is emulated by qemu-aarch64, which is not installed (the one of "
            "qemu-user-static cannot count). Type: apt-get install qemu-user"
        )
    return found


def count(
    program: bytes, cpu: str, windows: NDArray[np.int8], logits: NDArray[np.int16]
) -> Counted:
    """Run the program of :func:`build` for AArch64 on an emulated processor.

    Parameters
    ----------
    cpu
        ``cortex-a72``, ``cortex-a76``.
    windows, logits
        (n, n_times, n_chans) and what they must give, (n, n_outputs).
    """
    qemu = refuse_missing()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "program").write_bytes(program)
        (folder / "program").chmod(0o700)
        (folder / "windows").write_bytes(windows.tobytes())
        (folder / "logits").write_bytes(logits.tobytes())
        command = (qemu, "-cpu", cpu, "./program", "windows", "logits")
        said, counts = counted(command, folder, {"PATH": os.defpath})
        n_windows, max_steps, stack, _ = map(int, said.split())
    if n_windows != len(windows):
        raise RuntimeError(f"QEMU answered {n_windows} of {len(windows)} windows")
    return Counted(n_windows, max_steps, tuple(c - CALL for c in counts), stack)


def counted(
    command: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> tuple[str, tuple[int, ...]]:
    """Return what a program said, and the instructions between its markers.

    Parameters
    ----------
    command
        QEMU, its options, the program and its arguments.
    folder
        Where it runs.
    """
    counts = folder / "counts.txt"
    counts.unlink(missing_ok=True)
    qemu, *rest = command
    done = subprocess.run(
        [qemu, "-plugin", f"{plugin()},out={counts.name}", *rest],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        env=environment,
    )
    if done.returncode:
        raise RuntimeError(f"QEMU ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout, tuple(int(count) for count in counts.read_text().split())
