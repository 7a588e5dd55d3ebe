# SPDX-License-Identifier: BSD-3-Clause
"""Compile and link a model for any core without a C library, and read what it takes."""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firmware_bridge.build import toolchain
from firmware_bridge.build.cores import Core
from firmware_bridge.emit.generate import Firmware
from quantize.errors import MissingToolError

FREESTANDING = Path(__file__).parents[1] / "kernels" / "freestanding"
"""Headers where a compiler brings no C library."""

OPTIONS = ("-O2", "-fomit-frame-pointer")
"""What gcc and clang do at -O2; zig keeps a frame pointer unless told."""

COMPILERS = ("zig", "gcc")


@dataclass(frozen=True)
class Program:
    """A model that is linked for a core.

    Attributes
    ----------
    frames
        Bytes of stack by function, its own frame only, as the compiler reports them.
    """

    core: Core
    name: str
    elf: bytes
    state_bytes: int
    n_steps: int
    frames: tuple[int, ...]

    @property
    def stack_bound_bytes(self) -> int:
        """A bound of a call's stack: nothing recurs, so each frame counts once."""
        return sum(self.frames)


def refuse_missing() -> None:
    """Raise if what reads a linked program is not installed.

    Raises
    ------
    MissingToolError
        With the line that installs what is missing.
    """
    try:
        import elftools  # noqa: F401
    except ImportError as error:
        raise MissingToolError(
            f"Reading a linked program needs {error.name!r}, which is not installed. "
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
        ``zig``, or ``gcc`` for the core's own.

    Raises
    ------
    MissingToolError
        When something is not installed.
    """
    layers = range(len(firmware.steps))
    files, sources, flags = dict(firmware.files), [f"{firmware.name}.c"], list(options)
    if markers:
        files["markers.h"] = "#define EDGE_LAYER(i) edge_layer_##i()\n" + "".join(
            f"void edge_layer_{i}(void);\n" for i in layers
        )
        files["markers.c"] = "".join(
            f'void edge_layer_{i}(void) {{ __asm__ volatile("" ::: "memory"); }}\n' for i in layers
        )
        sources.append("markers.c")
        flags += ["-include", "markers.h"]
    entries = [f"{firmware.name}_{function}" for function in ("infer", "infer_sums")]
    made = image(files, sources, entries, core, flags, compiler)
    size, steps = firmware.state_bytes, len(firmware.steps)
    return Program(core, firmware.name, made.elf, size, steps, made.frames)


@dataclass(frozen=True)
class Image:
    """A linked ELF file, and the bytes of stack by function."""

    elf: bytes
    frames: tuple[int, ...]


def image(
    files: Mapping[str, str],
    sources: Sequence[str],
    entries: Sequence[str],
    core: Core,
    options: Sequence[str] = OPTIONS,
    compiler: str = "zig",
) -> Image:
    """Compile ``sources`` and link what the functions ``entries`` need.

    Raises
    ------
    MissingToolError
        When something is not installed.
    """
    refuse_missing()
    program, target = _compiler(core, compiler)
    arguments: list[str | Path] = [*target, "-std=c99", *options]
    arguments += ["-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections"]
    arguments += [f"-Wl,-e,{entries[0]}", *(f"-Wl,-u,{entry}" for entry in entries[1:])]
    arguments += [*sources, "-o", "program.elf", *(["-lm"] if compiler == "gcc" else [])]
    with tempfile.TemporaryDirectory() as name:
        folder = toolchain.write(files, Path(name))
        toolchain.compile_c(program, arguments, cwd=folder)
        elf = (folder / "program.elf").read_bytes()
        reports = [path.read_text() for path in sorted(folder.glob("*.su"))]
    return Image(elf, tuple(_frames(elf)) + tuple(_reported(reports)))


def _compiler(core: Core, compiler: str) -> tuple[tuple[str, ...], list[str]]:
    """A compiler for a core, and what tells it so."""
    if compiler == "gcc":
        found = shutil.which(core.compiler)
        if found is None:
            raise MissingToolError(toolchain.absent(core.compiler))
        return (found,), [*core.gcc, "-nostartfiles", "-fstack-usage"]
    flags = ["-target", core.triple, f"-mcpu={core.zig_cpu}", "-fno-sanitize=undefined"]
    return toolchain.zig("cc"), [*flags, "-fstack-size-section", "-I", str(FREESTANDING)]


def _frames(elf: bytes) -> Iterator[int]:
    """Frames in clang's section ``.stack_sizes``: an address and a LEB128 number each."""
    file = _file(elf)
    section = file.get_section_by_name(".stack_sizes")
    rest = b"" if section is None else section.data()
    while rest:
        rest = rest[file.elfclass // 8 :]
        n_bytes = next(i for i, byte in enumerate(rest) if byte < 128) + 1
        yield sum((byte & 127) << 7 * i for i, byte in enumerate(rest[:n_bytes]))
        rest = rest[n_bytes:]


def _reported(reports: Sequence[str]) -> Iterator[int]:
    """Frames in gcc's reports: place, bytes and kind a line."""
    for line in "".join(reports).splitlines():
        yield int(line.split("\t")[1])


def _file(elf: bytes) -> Any:
    from elftools.elf.elffile import ELFFile

    return ELFFile(io.BytesIO(elf))


def elf_segments(elf: bytes) -> list[tuple[int, bytes]]:
    """Return (address, bytes) of what a loader puts into memory."""
    file = _file(elf)
    return [
        (segment["p_vaddr"], segment.data().ljust(segment["p_memsz"], b"\0"))
        for segment in file.iter_segments()
        if segment["p_type"] == "PT_LOAD" and segment["p_memsz"]
    ]


def elf_symbols(elf: bytes) -> dict[str, int]:
    """Return the addresses of symbols by name."""
    table = _file(elf).get_section_by_name(".symtab")
    return {symbol.name: symbol["st_value"] for symbol in table.iter_symbols()}


@dataclass(frozen=True)
class Flash:
    """The bytes of read-only memory that a program takes, and its own RAM."""

    code: int
    constants: int
    weights: int
    ram: int


def flash(elf: bytes) -> Flash:
    """Read sizes from the ELF: arrays called ``*_weight`` are weights, other data constants."""
    file = _file(elf)
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
