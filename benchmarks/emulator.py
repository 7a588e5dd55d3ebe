"""Run generated C on emulated cores and count instructions: pip's ziglang and unicorn.

Counts are exact and repeatable. They are instructions, not cycles and not time: a load of two words
is one instruction and takes a Cortex-M4 three cycles.
"""

from __future__ import annotations

import ctypes
import functools
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import MissingToolError
from firmware_bridge import toolchain
from firmware_bridge.generate import Firmware

FOLDER = Path(__file__).parent / "emulated"
DATA, STACK, STOP = 0x2000_0000, 0x2008_0000, 0x2010_0000
"""Addresses of the caller's memory, the stack (downwards from STOP) and where calls return to."""
SIZE = 0x0020_0000
STACK_BYTES = STOP - STACK
PAINT = 0xA5
N_LAYERS = 64
OPTIONS = ("-O2", "-fomit-frame-pointer")
"""What gcc and clang do at -O2; zig keeps a frame pointer unless told."""


@dataclass(frozen=True)
class Core:
    """A processor: what zig compiles for and what Unicorn emulates.

    ``gcc`` is what arm-none-eabi-gcc is told. ``emulated`` differs from ``zig_cpu`` where Unicorn
    lacks the core and has one with the same instructions.
    """

    name: str
    triple: str
    zig_cpu: str
    emulated: str
    gcc: tuple[str, ...] = ()

    @property
    def is_thumb(self) -> bool:
        """Whether it is a Cortex-M."""
        return self.triple.startswith("thumb")


CORES: Mapping[str, Core] = {
    core.name: core
    for core in (
        Core(
            "cortex-m4",
            "thumb-freestanding-eabihf",
            "cortex_m4+vfp4d16sp",
            "ARM_CORTEX_M4",
            ("-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16"),
        ),
        Core(
            "cortex-m7",
            "thumb-freestanding-eabihf",
            "cortex_m7+fp_armv8d16sp",
            "ARM_CORTEX_M7",
            ("-mcpu=cortex-m7", "-mfpu=fpv5-sp-d16"),
        ),
        Core(
            "cortex-m33",
            "thumb-freestanding-eabihf",
            "cortex_m33+dsp+fp_armv8d16sp",
            "ARM_CORTEX_M33",
        ),
        Core("cortex-a72", "aarch64-freestanding", "cortex_a72", "ARM64_A72"),
        Core("cortex-a76", "aarch64-freestanding", "cortex_a76", "ARM64_MAX"),
    )
}

M55 = Core(
    "cortex-m55",
    "thumb-freestanding-eabihf",
    "cortex_m55+mve_fp+fp_armv8d16",
    "",
    ("-mcpu=cortex-m55",),
)
"""Linked to read its size; Unicorn has no such core, :mod:`benchmarks.qemu` runs it."""


@dataclass(frozen=True)
class Program:
    """A model linked for a core."""

    core: Core
    name: str
    elf: bytes
    state_bytes: int
    n_steps: int


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
    """Raise where emulation is not possible.

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


def build(
    firmware: Firmware,
    core: Core,
    options: Sequence[str] = OPTIONS,
    markers: bool = False,
    compiler: str = "zig",
) -> Program:
    """Compile and link a model without a C library.

    Parameters
    ----------
    markers
        Mark every operation, for counts by step; costs a call each.
    compiler
        ``zig``, or ``gcc`` for arm-none-eabi-gcc.

    Raises
    ------
    MissingToolError
        When something is not installed.
    """
    refuse_missing()
    layers = range(len(firmware.steps))
    with tempfile.TemporaryDirectory() as name:
        folder = toolchain.write(firmware.files, Path(name))
        sources, flags = [f"{firmware.name}.c"], list(options)
        if markers:
            (folder / "markers.h").write_text(
                "#define EDGE_LAYER(i) edge_layer_##i()\n"
                + "".join(f"void edge_layer_{i}(void);\n" for i in layers)
            )
            text = "".join(
                f'void edge_layer_{i}(void) {{ __asm__ volatile("" ::: "memory"); }}\n'
                for i in layers
            )
            (folder / "markers.c").write_text(text)
            sources.append("markers.c")
            flags += ["-include", "markers.h"]
        program, target = _compiler(core, compiler)
        arguments: list[str | Path] = [*target, "-std=c99", *flags]
        arguments += ["-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections"]
        entries = [f"{firmware.name}_{function}" for function in ("infer", "infer_sums")]
        arguments += [f"-Wl,-e,{entries[0]}", f"-Wl,-u,{entries[1]}"]
        arguments += [*sources, "-o", "program.elf"]
        toolchain.compile_c(program, arguments, cwd=folder)
        elf = (folder / "program.elf").read_bytes()
    return Program(core, firmware.name, elf, firmware.state_bytes, len(firmware.steps))


def _compiler(core: Core, compiler: str) -> tuple[tuple[str, ...], list[str]]:
    """A compiler for a core, and what tells it so."""
    if compiler == "gcc":
        found = shutil.which("arm-none-eabi-gcc")
        if found is None:
            raise MissingToolError(
                "arm-none-eabi-gcc is not installed. "
                "Type: apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi"
            )
        return (found,), [*core.gcc, "-mthumb", "-mfloat-abi=hard", "-nostartfiles"]
    flags = ["-target", core.triple, f"-mcpu={core.zig_cpu}", "-fno-sanitize=undefined"]
    return toolchain.zig("cc"), [*flags, "-I", str(FOLDER)]


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


def elf_segments(elf: bytes) -> list[tuple[int, bytes]]:
    """(address, bytes) of what a loader puts into memory."""
    import io

    from elftools.elf.elffile import ELFFile

    file = ELFFile(io.BytesIO(elf))
    return [
        (segment["p_vaddr"], segment.data().ljust(segment["p_memsz"], b"\0"))
        for segment in file.iter_segments()
        if segment["p_type"] == "PT_LOAD" and segment["p_memsz"]
    ]


def elf_symbols(elf: bytes) -> dict[str, int]:
    """Addresses of symbols by name."""
    import io

    from elftools.elf.elffile import ELFFile

    table = ELFFile(io.BytesIO(elf)).get_section_by_name(".symtab")
    return {symbol.name: symbol["st_value"] for symbol in table.iter_symbols()}


@dataclass(frozen=True)
class Flash:
    """What a program takes of read-only memory, in bytes, and what it takes of RAM by itself."""

    code: int
    constants: int
    weights: int
    ram: int


def flash(elf: bytes) -> Flash:
    """Read from the ELF: weights are the arrays called ``*_weight``, constants all other data."""
    import io

    from elftools.elf.elffile import ELFFile

    file = ELFFile(io.BytesIO(elf))
    code = constants = ram = 0
    for section in file.iter_sections():
        flags, size = section["sh_flags"], section["sh_size"]
        if not flags & 2:  # SHF_ALLOC
            continue
        if flags & 1:  # SHF_WRITE
            ram += size
        elif flags & 4:  # SHF_EXECINSTR
            code += size
        elif section["sh_type"] == "SHT_PROGBITS":
            constants += size
    table = file.get_section_by_name(".symtab")
    weights = sum(s["st_size"] for s in table.iter_symbols() if s.name.endswith("_weight"))
    return Flash(code, constants - weights, weights, ram)
