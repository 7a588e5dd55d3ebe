# SPDX-License-Identifier: BSD-3-Clause
"""Find C compilers, call them, and say how to get one that is missing."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from quantize.errors import MissingToolError

WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")
"""The generated code compiles with these; also as C++17."""


class CompilerError(MissingToolError):
    """Raised when a compiler is there and fails."""


def host_compiler() -> tuple[str, ...]:
    """Return a C compiler for this machine: ``cc``, ``gcc``, ``clang``, else pip's zig.

    Raises
    ------
    MissingToolError
        When there is none.
    """
    for name in ("gcc", "cc", "clang"):
        if found := shutil.which(name):
            return (found,)
    return zig("cc")


PACKAGES: Mapping[str, str] = {
    "aarch64-linux-gnu-gcc": "apt-get install gcc-aarch64-linux-gnu",
    "arm-none-eabi-gcc": "apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi",
    "riscv32-esp-elf-gcc": "https://github.com/espressif/crosstool-NG/releases",
    "xc32-gcc": "https://www.microchip.com/xc32",
}
"""Compilers for devices: the line, or the page, that one gets them by."""


def absent(compiler: str) -> str:
    """Say how to get a compiler for a device that is not installed."""
    line = PACKAGES[compiler]
    verb = "See" if line.startswith("https:") else "Type:"
    return f"{compiler} is not installed. {verb} {line}"


def has_zig() -> bool:
    """Return whether pip's ziglang is installed."""
    return importlib.util.find_spec("ziglang") is not None


def zig(command: str) -> tuple[str, ...]:
    """Return ``zig cc`` or ``zig c++`` from pip, which is clang for every target.

    Raises
    ------
    MissingToolError
        When it is not installed.
    """
    if not has_zig():
        raise MissingToolError(
            "Compiling C needs a compiler, and neither gcc nor clang nor pip's zig is installed. "
            "Type: pip install ziglang"
        )
    return (sys.executable, "-m", "ziglang", command)


def compile_c(
    compiler: Sequence[str], arguments: Sequence[str | Path], cwd: Path | None = None
) -> None:
    """Run a compiler.

    Raises
    ------
    CompilerError
        When it fails; the message has the first line that it said.
    """
    command = [*compiler, *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        said = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr)
        raise CompilerError(f"{command[0]!r} could not compile the firmware: {said.strip()}")


def write(files: Mapping[str, str], folder: Path) -> Path:
    """Write sources into a folder and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder
