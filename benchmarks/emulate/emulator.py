# SPDX-License-Identifier: BSD-3-Clause
"""Run generated C on emulated cores and count instructions, with pip's ziglang and unicorn.

Counts are exact and repeatable. They are instructions, not cycles and not time: a load of two words
is one instruction and takes a Cortex-M4 three cycles.
"""

from __future__ import annotations

import ctypes
import functools
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import MissingToolError
from firmware_bridge.build import cores, toolchain
from firmware_bridge.build.cores import Core
from firmware_bridge.build.link import OPTIONS, Program, build, elf_segments, elf_symbols, flash

__all__ = ["CORES", "M55", "OPTIONS", "Core", "Machine", "Program", "Run", "build", "flash"]
"""What is run here is built by :mod:`firmware_bridge.build.link`."""

FOLDER = Path(__file__).parent / "programs"
DATA, STACK, STOP = 0x2000_0000, 0x2008_0000, 0x2010_0000
"""Addresses of the caller's memory, the stack (downwards from STOP) and where calls return to."""
SIZE = 0x0020_0000
STACK_BYTES = STOP - STACK
PAINT = 0xA5
N_LAYERS = 64

CORES: Mapping[str, Core] = {name: core for name, core in cores.CORES.items() if core.emulated}
"""What Unicorn emulates."""
M55 = cores.CORES["cortex-m55"]
"""Linked to read its size; Unicorn has no such core, :mod:`benchmarks.emulate.qemu` runs it."""


@dataclass(frozen=True, eq=False)
class Run:
    """What one call did.

    Attributes
    ----------
    output
        The values it wrote.
    instructions
        Executed.
    by_step
        The same by operation, where the program was built with markers; the last one is outside.
    stack_bytes
        High-water mark, found by painting.
    """

    output: NDArray[Any]
    instructions: int
    by_step: tuple[int, ...]
    stack_bytes: int


def refuse_missing() -> None:
    """Raise if emulation is not possible here.

    Raises
    ------
    MissingToolError
        With the line that installs what is missing.
    """
    try:
        import elftools  # noqa: F401
        import unicorn  # noqa: F401
        import ziglang  # noqa: F401
    except ImportError as error:
        raise MissingToolError(
            f"Emulation needs {error.name!r}, which is not installed. "
            f"Type: pip install 'eeg-edge[firmware]'"
        ) from None


class Machine:
    """A core with a program in its memory."""

    def __init__(self, program: Program) -> None:
        import unicorn

        self.program = program
        self.thumb = program.core.is_thumb
        self.uc = self._core(unicorn)
        self.symbols = self._load()
        self.uc.mem_map(DATA, SIZE)
        self._registers(unicorn)
        self._hook(unicorn)

    def _core(self, unicorn: Any) -> Any:
        kind = f"UC_CPU_{self.program.core.emulated}"
        if self.thumb:
            uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
            uc.ctl_set_cpu_model(getattr(unicorn.arm_const, kind))
        else:
            uc = unicorn.Uc(unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM)
            uc.ctl_set_cpu_model(getattr(unicorn.arm64_const, kind))
        return uc

    def _load(self) -> dict[str, int]:
        """Put the segments into memory."""
        segments = elf_segments(self.program.elf)
        self.base = min(address for address, _ in segments) & ~0xFFFF
        end = max(address + len(data) for address, data in segments)
        size = (end - self.base + 0xFFFF) & ~0xFFFF
        self.uc.mem_map(self.base, size)
        for address, data in segments:
            self.uc.mem_write(address, data)
        self.image = ctypes.create_string_buffer(bytes(self.uc.mem_read(self.base, size)), size)
        return elf_symbols(self.program.elf)

    def _registers(self, unicorn: Any) -> None:
        if self.thumb:
            c = unicorn.arm_const
            self.arguments = [c.UC_ARM_REG_R0, c.UC_ARM_REG_R1, c.UC_ARM_REG_R2]
            self.sp, self.lr, self.result = c.UC_ARM_REG_SP, c.UC_ARM_REG_LR, c.UC_ARM_REG_R0
        else:
            c = unicorn.arm64_const
            self.arguments = [c.UC_ARM64_REG_X0, c.UC_ARM64_REG_X1, c.UC_ARM64_REG_X2]
            self.sp, self.lr, self.result = c.UC_ARM64_REG_SP, c.UC_ARM64_REG_LR, c.UC_ARM64_REG_X0
            self.uc.reg_write(c.UC_ARM64_REG_CPACR_EL1, 3 << 20)  # SIMD and floating point on

    def _hook(self, unicorn: Any) -> None:
        from unicorn.unicorn_py3.unicorn import uclib

        self.counter = _counter()
        handle = ctypes.c_size_t()
        error = uclib.uc_hook_add(
            self.uc._uch,
            ctypes.byref(handle),
            unicorn.UC_HOOK_BLOCK,
            ctypes.cast(self.counter.on_block, ctypes.c_void_p),
            None,
            ctypes.c_uint64(1),
            ctypes.c_uint64(0),
        )
        if error:
            raise RuntimeError(f"Unicorn refused the hook: error {error}")

    def call(self, function: str, window: NDArray[np.int8], out: NDArray[Any]) -> Run:
        """Call ``NAME_<function>(state, window, out)``.

        Parameters
        ----------
        window
            (n_times, n_chans) int8.
        out
            An array of the shape and type of the output.
        """
        window_at = DATA + (self.program.state_bytes + 0xFF & ~0xFF)
        out_at = window_at + (window.size + 0xFF & ~0xFF)
        self.uc.mem_write(STACK, bytes([PAINT]) * STACK_BYTES)
        self.uc.mem_write(window_at, window.tobytes())
        for register, value in zip(self.arguments, (DATA, window_at, out_at), strict=True):
            self.uc.reg_write(register, value)
        self.uc.reg_write(self.sp, STOP)
        self.uc.reg_write(self.lr, STOP | self.thumb)
        self._begin()
        entry = self.symbols[f"{self.program.name}_{function}"] & ~1
        self.uc.emu_start(entry | self.thumb, STOP)
        if self.uc.reg_read(self.result) != 1:
            raise RuntimeError(f"{function} did not return 1")
        counts = list((ctypes.c_uint64 * (N_LAYERS + 1)).in_dll(self.counter, "counts"))
        stack = np.frombuffer(bytes(self.uc.mem_read(STACK, STACK_BYTES)), np.uint8)
        used = np.flatnonzero(stack != PAINT)
        raw = bytes(self.uc.mem_read(out_at, out.nbytes))
        return Run(
            np.frombuffer(raw, out.dtype).reshape(out.shape),
            sum(counts),
            (*counts[: self.program.n_steps], counts[-1]),
            STACK_BYTES - int(used[0]) if len(used) else 0,
        )

    def _begin(self) -> None:
        names = [f"edge_layer_{i}" for i in range(self.program.n_steps)]
        marked = [self.symbols[n] & ~1 for n in names if n in self.symbols]
        self.counter.begin(
            ctypes.cast(self.image, ctypes.c_void_p),
            ctypes.c_uint64(self.base),
            ctypes.c_uint64(len(self.image)),
            ctypes.c_int(self.thumb),
            (ctypes.c_uint64 * max(len(marked), 1))(*marked),
            ctypes.c_uint(len(marked)),
        )


@functools.cache
def _counter() -> Any:
    """The block hook, compiled for this machine."""
    folder = Path(tempfile.mkdtemp(prefix="edge-count-"))
    library = folder / "count.so"
    arguments: list[str | Path] = ["-O2", "-shared", "-fPIC", FOLDER / "count.c", "-o", library]
    toolchain.compile_c(toolchain.host_compiler(), arguments)
    return ctypes.CDLL(str(library))
