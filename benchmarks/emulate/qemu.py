# SPDX-License-Identifier: BSD-3-Clause
"""Run generated C in QEMU: Cortex-M55 with Helium, and cores that Unicorn also has, to compare.

Debian's qemu-system-arm is needed; its plugin interface counts instructions between markers.
"""

from __future__ import annotations

import functools
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.emulate.emulator import FOLDER, OPTIONS
from edge.errors import MissingToolError
from firmware_bridge.build import toolchain
from firmware_bridge.build.link import FREESTANDING
from firmware_bridge.emit.generate import Firmware

CALL = 1
"""Instructions between the markers that are not the function's own: the call."""


@dataclass(frozen=True)
class Board:
    """A machine of QEMU, and what zig and arm-none-eabi-gcc compile for it."""

    name: str
    machine: str
    zig_cpu: str
    gcc: tuple[str, ...]


BOARDS: Mapping[str, Board] = {
    board.name: board
    for board in (
        Board("cortex-m4", "mps2-an386", "cortex_m4+vfp4d16sp", ("-mcpu=cortex-m4",)),
        Board("cortex-m7", "mps2-an500", "cortex_m7+fp_armv8d16sp", ("-mcpu=cortex-m7",)),
        Board("cortex-m55", "mps3-an547", "cortex_m55+mve_fp+fp_armv8d16", ("-mcpu=cortex-m55",)),
    )
}


@dataclass(frozen=True, eq=False)
class Replay:
    """What a board made of some windows.

    Attributes
    ----------
    logits, sums
        (n_windows, n_outputs) int16 and int32.
    instructions
        Of each ``NAME_infer``.
    stack_bytes
        High-water mark over all windows, by painting.
    elf
        The program.
    """

    logits: NDArray[np.int16]
    sums: NDArray[np.int32]
    instructions: tuple[int, ...]
    stack_bytes: int
    elf: bytes


def refuse_missing() -> str:
    """Return the path of QEMU, or raise if it is missing.

    Raises
    ------
    MissingToolError
        When it is not installed.
    """
    found = shutil.which("qemu-system-arm")
    if found is None:
        raise MissingToolError(
            "Cortex-M55 is emulated by qemu-system-arm, which is not installed. "
            "Type: apt-get install qemu-system-arm"
        )
    return found


def replay(
    firmware: Firmware,
    board: Board,
    windows: NDArray[np.int8],
    n_outputs: int,
    options: Sequence[str] = OPTIONS,
    compiler: str = "zig",
) -> Replay:
    """Infer windows (n, n_times, n_chans) int8 on a board.

    Raises
    ------
    MissingToolError
        When QEMU or a compiler is not installed.
    """
    qemu = refuse_missing()
    with tempfile.TemporaryDirectory() as name:
        folder = toolchain.write(firmware.files, Path(name))
        (folder / "windows.bin").write_bytes(windows.tobytes())
        shape = {"N_TIMES": windows.shape[1], "N_CHANS": windows.shape[2], "N_OUTPUTS": n_outputs}
        defines = [f"-D{key}={value}" for key, value in shape.items()]
        _compile(firmware.name, board, folder, [*options, *defines], compiler)
        command = [
            *(qemu, "-M", board.machine, "-display", "none", "-monitor", "none", "-serial", "null"),
            *("-semihosting-config", "enable=on,target=native"),
            *("-plugin", f"{plugin()},out=counts.txt", "-kernel", "program.elf"),
        ]
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=300
        )
        if done.returncode:
            raise RuntimeError(f"QEMU ended with {done.returncode}: {done.stderr.strip()}")
        return _read(folder, len(windows), n_outputs)


def _compile(name: str, board: Board, folder: Path, options: Sequence[str], compiler: str) -> None:
    """Link the model with ``replay.c``."""
    program: tuple[str, ...]
    if compiler == "gcc":
        program = ("arm-none-eabi-gcc",)
        target = [*board.gcc, "-mthumb", "-mfloat-abi=hard", "-nostartfiles"]
        target += ["-mfpu=auto"] if board.name == "cortex-m55" else []
    else:
        program = toolchain.zig("cc")
        target = ["-target", "thumb-freestanding-eabihf", f"-mcpu={board.zig_cpu}"]
        target += ["-fno-sanitize=undefined", "-I", str(FREESTANDING), "-Wl,-e,reset"]
    arguments: list[str | Path] = [*target, "-std=gnu99", *options, f"-DNAME={name}"]
    arguments += ["-include", f"{name}.h", "-ffunction-sections", "-fdata-sections"]
    arguments += ["-Wl,--gc-sections", "-T", FOLDER / "cortex_m.ld"]
    arguments += [FOLDER / "replay.c", f"{name}.c", "-o", "program.elf"]
    toolchain.compile_c(program, arguments, cwd=folder)


def _read(folder: Path, n_windows: int, n_outputs: int) -> Replay:
    kind = np.dtype(
        [
            ("logits", np.int16, (-(-n_outputs // 2) * 2,)),
            ("sums", np.int32, (n_outputs,)),
            ("stack", np.int32),
        ]
    )
    results = np.frombuffer((folder / "results.bin").read_bytes(), kind)
    if len(results) != n_windows:
        raise RuntimeError(f"QEMU answered {len(results)} of {n_windows} windows")
    counts = (folder / "counts.txt").read_text().split()
    return Replay(
        results["logits"][:, :n_outputs].copy(),
        results["sums"].copy(),
        tuple(int(count) - CALL for count in counts),
        int(results["stack"].max()),
        (folder / "program.elf").read_bytes(),
    )


@functools.cache
def plugin() -> Path:
    """Compile the counting plugin for this machine's QEMU."""
    library = Path(tempfile.mkdtemp(prefix="edge-qemu-")) / "count.so"
    arguments: list[str | Path] = ["-O2", "-shared", "-fPIC", FOLDER / "qemu_count.c"]
    toolchain.compile_c(toolchain.host_compiler(), [*arguments, "-o", library])
    return library
