# SPDX-License-Identifier: BSD-3-Clause
"""Load one artifact in a process of its own: time to load, memory resident after one window.

    python -m benchmarks.measure.fresh TARGET FILE SHAPE THREADS

One JSON object is printed. With the target ``none`` nothing is loaded: Python and numpy alone.
A model of a bundle may be anybody's, so the process is confined before it reads one
(:mod:`edge.bundle.sandbox`), whoever signed it; C is generated here, and stock files are, too.
"""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import machine
from edge.bundle import child, sandbox
from edge.bundle.child_main import LIBRARIES, import_libraries
from edge.errors import MissingToolError
from edge.targets import base


def measure(target: str, path: str, shape: tuple[int, int], threads: int) -> dict[str, float]:
    """Import, load and run once; return µs and bytes."""
    window = np.zeros(shape, np.float32)
    if target == "none":
        return {"resident_bytes": machine.resident_bytes()}
    from benchmarks.measure.entrants import open_session

    if target in LIBRARIES:
        base.load(target)
        import_libraries(target)
        sandbox.confine(child.CPU_S)
    session = open_session(target, Path(path), threads)  # imports what is left of the runtime
    start = time.perf_counter()
    if target == "c":
        start += _link(Path(path))
    else:
        session = open_session(target, Path(path), threads)
    loaded = time.perf_counter() - start
    session(window[None])
    return {"load_us": 1e6 * loaded, "resident_bytes": machine.resident_bytes()}


def _link(sources: Path) -> float:
    """Make the C engine part of this process; seconds that went into compiling it before."""
    from firmware_bridge.build import toolchain
    from firmware_bridge.host import windowed as host

    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="edge-fresh-") as folder:
        files = [str(file) for file in sources.resolve().glob("*.c")]
        flags = ["-std=c99", *host.OPTIONS, "-shared", "-fPIC", *files, "-o", "c.so", "-lm"]
        toolchain.compile_c(toolchain.host_compiler(), flags, cwd=Path(folder))
        compiled = time.perf_counter() - start
        ctypes.CDLL(f"{folder}/c.so")
    return compiled


def run(target: str, path: Path, shape: tuple[int, int], threads: int = 1) -> dict[str, float]:
    """Do :func:`measure` in a fresh interpreter.

    Raises
    ------
    MissingToolError
        When the process fails, with its last line.
    """
    command = [
        sys.executable,
        "-m",
        "benchmarks.measure.fresh",
        target,
        str(path),
        "x".join(map(str, shape)),
        str(threads),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        raise MissingToolError(f"A fresh process could not run {target}: {last}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(arguments: list[str]) -> None:
    """Run the process; its entry point."""
    target, path, shape, threads = arguments
    n_chans, n_times = map(int, shape.split("x"))
    found: Any = measure(target, path, (n_chans, n_times), int(threads))
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
