# SPDX-License-Identifier: BSD-3-Clause
"""Build and run in C++ what ``edge firmware --engine tflm`` writes.

    python -m benchmarks.studies.tflm BUNDLE... --save

PyPI has TensorFlow Lite Micro as a Python module only. XMOS's tools, though, bring its headers and,
as a shared library, its interpreter and reference kernels, in a namespace of their own; of them the
project's ``CMakeLists.txt`` builds ``main.cc``, which replays the golden windows.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from rich.console import Console as RichConsole
from rich.table import Table

from benchmarks.studies import records
from edge.bundle import read as bundle
from edge.errors import EdgeError, MissingToolError
from edge.firmware import project as firmware
from edge.terminal.console import console

RESULTS = Path(__file__).parent / "results" / "tflm.json"
PACKAGE = "xmos-ai-tools==1.4.2"
CACHE = Path(__file__).resolve().parents[2] / ".cache" / "tflm"
HEADERS = "xmos_ai_tools/runtime/include"
LIBRARY = "xmos_ai_tools/xinterpreters/libs/linux/xtflm_python.so"
GEMMLOWP = Path("/usr/include/gemmlowp")
"""Of Debian's libgemmlowp-dev; the headers include it."""
FLAGS = ("-Dtflite=tflite_micro", "-UTF_LITE_STATIC_MEMORY", f"-isystem {GEMMLOWP}")
"""The library's namespace, and the larger of two layouts of a tensor, which it was built with."""
CRASHES = frozenset({"EXP"})
"""Operators that this library cannot prepare: it takes one layout of a tensor for the other."""
DEVICE = "stm32f407"


@dataclass(frozen=True)
class Replay:
    """A bundle's program: what it said, and whether it passed; None where it only builds."""

    mode: str
    ops: tuple[str, ...]
    said: str
    passed: bool | None


def fetch() -> Path:
    """Headers and library of TensorFlow Lite Micro, downloaded once.

    Raises
    ------
    MissingToolError
        When something cannot be had.
    """
    if not GEMMLOWP.is_dir():
        raise MissingToolError(
            "Headers of gemmlowp are missing. Type: apt-get install libgemmlowp-dev"
        )
    if shutil.which("cmake") is None:
        raise MissingToolError("cmake is not installed. Type: apt-get install cmake")
    folder = CACHE / PACKAGE
    if folder.is_dir():
        return folder
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        own = Path(name)
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
        options = ["--disable-pip-version-check", "--quiet", "--retries", "1", "--dest", name]
        done = subprocess.run(
            [*pip, *options, PACKAGE], capture_output=True, text=True, check=False
        )
        wheels = list(own.glob("*.whl"))
        if done.returncode or not wheels:
            raise MissingToolError(f"{PACKAGE} cannot be downloaded from PyPI for this machine.")
        with zipfile.ZipFile(wheels[0]) as wheel:
            wanted = [n for n in wheel.namelist() if n.startswith((HEADERS, LIBRARY))]
            wheel.extractall(own / "made", wanted)
        (own / "made").rename(folder)
    return folder


def build(project: Path, folder: Path) -> Path:
    """Configure and build a project in ``folder``, every warning an error; the program.

    Raises
    ------
    MissingToolError
        When a compiler says anything; with its first line.
    """
    tree = fetch()
    flags = " ".join(("-Wall", "-Wextra", "-Werror", *FLAGS))
    variables = {
        "TFLM": tree / HEADERS,
        "TFLM_LIBRARY": tree / LIBRARY,
        "CMAKE_CXX_FLAGS": flags,
        "CMAKE_C_FLAGS": "-Wall -Wextra -Werror",
    }
    defined = [f"-D{name}={value}" for name, value in variables.items()]
    for command in (
        ["cmake", "-S", str(project), "-B", str(folder), *defined],
        ["cmake", "--build", str(folder)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            said = done.stdout + done.stderr
            line = next((line for line in said.splitlines() if "error" in line.lower()), said)
            raise MissingToolError(f"The program for TensorFlow Lite Micro does not build: {line}")
    return folder / "replay"


def replay(folder: Path) -> Replay:
    """Take a bundle through ``edge firmware`` and a compiler, and run its program.

    Raises
    ------
    EdgeError
        Whatever stands in the way.
    """
    mode = bundle.read(folder).manifest.model.mode
    with tempfile.TemporaryDirectory() as name:
        out = Path(name) / "project"
        request = firmware.Request(folder, DEVICE, out, "tflm", "decoder")
        with console(verbose=False, quiet=True) as ours:
            made, _ = firmware.write(request, ours)
        program, ops = build(out, Path(name) / "build"), tuple(made["ops"])
        if broken := CRASHES.intersection(ops):
            return Replay(mode, ops, f"builds; {PACKAGE} crashes in {', '.join(broken)}", None)
        done = subprocess.run([program], capture_output=True, text=True, check=False)
    return Replay(mode, ops, done.stdout.strip(), done.returncode == 0)


@click.command()
@click.argument("bundles", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--save/--no-save", default=False, help=f"Write {RESULTS.name} beside the others.")
def main(bundles: tuple[Path, ...], save: bool) -> None:
    """Build and replay; exit 1 when a program does not pass."""
    out, notes = RichConsole(width=120), RichConsole(stderr=True)
    try:
        found = [replay(folder) for folder in bundles]
    except EdgeError as error:
        notes.print(f"tflm: {error}", markup=False)
        sys.exit(error.exit_code)
    table = Table("mode", "operators", "its program says")
    for one in found:
        table.add_row(one.mode, ", ".join(one.ops), one.said)
    out.print(table)
    if save:
        document = {"schema_version": 1, "tflm": PACKAGE, "replays": [asdict(one) for one in found]}
        records.save(RESULTS, document)
    sys.exit(1 if any(one.passed is False for one in found) else 0)


if __name__ == "__main__":
    main()
