# SPDX-License-Identifier: BSD-3-Clause
"""Export everything that takes part once, and keep it in ``.cache/peers/work/MODE``.

Ours is made anew when our code has changed, the others when what makes them has. Every export is a
process of its own, so that one that fails, or crashes, costs its own row and is named there. Its
time is the whole process's, imports included, which is what a user waits for.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import stock, tool
from benchmarks.measure.entrants import PYTORCH, Entrant, ours
from benchmarks.measure.machine import ROOT
from edge.bundle import read as bundle
from edge.bundle.read import Bundle
from edge.checkpoint import find as checkpoints
from edge.data import dataset
from edge.errors import MissingToolError
from edge.patches.versions import versions
from edge.terminal.console import Console

CACHE = ROOT / ".cache" / "peers"
PYTHON = CACHE / "bin" / "python"
"""Of the environment that ``make peers`` installs."""
LITERT = "stock-litert"
COMPILED = "torch-compile"
LIMIT_S = 900
OURS = "edge"
MAKERS = (
    "benchmarks/measure/stock.py",
    "benchmarks/studies/peers/make.py",
    "benchmarks/studies/peers/litert.py",
    "benchmarks/studies/peers/exports.py",
    "edge/data",
)
"""What makes the others, and the windows that they are calibrated on."""


@dataclass(frozen=True)
class Made:
    """One export: how long it took, and why it failed; empty where it did not."""

    seconds: float
    error: str = ""


@dataclass(frozen=True, eq=False)
class Work:
    """A mode's exports.

    Attributes
    ----------
    held_out
        Scaled windows (n, n_chans, n_times) that neither training nor calibration has seen.
    entrants
        What was made.
    made
        By the name of an entrant; ``OURS`` is the bundle.
    """

    opened: Bundle
    held_out: NDArray[np.float32]
    entrants: tuple[Entrant, ...]
    made: dict[str, Made]


def work(mode: str, console: Console, again: bool) -> Work:
    """Export what is not there yet; ours anew when ``again``.

    Raises
    ------
    MissingToolError
        When our own export fails.
    """
    folder = CACHE / "work" / mode
    checkpoint = checkpoints.ZOO / mode
    _forget(folder, checkpoint, again)
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder / "inductor")
    held_out = _windows(mode, folder)
    jobs = _jobs(mode, folder)
    made = {}
    with console.progress(f"{mode}: exports", len(jobs)) as advance:
        for name, command in jobs.items():
            made[name] = _kept(folder / f"{name}.json", command)
            advance(name)
    if made[OURS].error:
        raise MissingToolError(f"edge export --mode {mode} --int8 failed: {made[OURS].error}")
    opened = bundle.read(folder / OURS)
    peers = [Entrant(PYTORCH, "float", checkpoint), Entrant(COMPILED, "float", checkpoint)]
    peers += [Entrant(*pair, folder / _file(*pair)) for pair in _stock()]
    there = [e for e in peers if e.name not in made or not made[e.name].error]
    return Work(opened, held_out, (*ours(opened, ()), *there), made)


def _forget(folder: Path, checkpoint: Path, again: bool) -> None:
    """Remove exports of other weights or windows, or by other versions or code."""
    weights = (checkpoint / "model.safetensors").read_bytes()
    others = f"{tool.sha256(*MAKERS)} {json.dumps(versions())}".encode()
    keys = {"key": hashlib.sha256(weights + others).hexdigest(), f"{OURS}.key": tool.key()}
    stale = {name for name, key in keys.items() if not _says(folder / name, key)}
    if "key" in stale:
        shutil.rmtree(folder, ignore_errors=True)
    elif stale or again:
        shutil.rmtree(folder / OURS, ignore_errors=True)
        (folder / f"{OURS}.json").unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    for name, key in keys.items():
        (folder / name).write_text(key)


def _says(stamp: Path, key: str) -> bool:
    return stamp.is_file() and stamp.read_text() == key


def _windows(mode: str, folder: Path) -> NDArray[np.float32]:
    """Held-out windows; what calibrates, and the module, are left in the folder for the peers."""
    files = [folder / name for name in ("calibration.npy", "held_out.npy", "module.pt2")]
    if not all(file.is_file() for file in files):
        import torch

        resolved = checkpoints.resolve(checkpoints.Request(mode=mode), lambda _: None)
        scale, split = resolved.contract.scale, resolved.split
        calibration = scale(dataset.calibration_windows(split.train))
        np.save(files[0], calibration)
        np.save(files[1], scale(split.test.windows))
        example = (torch.from_numpy(calibration[:1]),)
        torch.export.save(torch.export.export(resolved.model.module, example), files[2])
    held_out: NDArray[np.float32] = np.load(files[1])
    return held_out


def _stock() -> list[tuple[str, str]]:
    return [*stock.EXPORTS, (LITERT, "float"), (LITERT, "int8")]


def _file(target: str, precision: str) -> str:
    return f"{target}.{precision}.file"


def _jobs(mode: str, folder: Path) -> dict[str, list[str]]:
    """Command of every export, by the entrant's name."""
    ours_ = [sys.executable, "-m", "edge", "export", "--mode", mode, "--int8"]
    jobs = {OURS: [*ours_, "--out", str(folder / OURS)]}
    windows = str(folder / "calibration.npy")
    for target, precision in (*_stock(), (COMPILED, "float")):
        out = str(folder / _file(target, precision))
        command = [sys.executable, "-m", "benchmarks.studies.peers.make", target, precision]
        command += [str(checkpoints.ZOO / mode), windows, out]
        if target == LITERT:
            script = str(Path(__file__).with_name("litert.py"))
            command = [str(PYTHON), script, str(folder / "module.pt2"), windows, precision, out]
        jobs[f"{target} {precision}"] = command
    return jobs


def _kept(record: Path, command: Sequence[str]) -> Made:
    """The result of a command, from its record where it has run and not failed."""
    if record.is_file():
        found = Made(**json.loads(record.read_text()))
        if not found.error:
            return found
    made = run(command)
    record.write_text(json.dumps(asdict(made)))
    return made


def run(command: Sequence[str]) -> Made:
    """Run a command; what it said last where it fails."""
    if not Path(command[0]).exists():
        return Made(0.0, "not installed; type: make peers")
    start = time.perf_counter()
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=LIMIT_S, cwd=ROOT
        )
    except subprocess.TimeoutExpired:
        return Made(LIMIT_S, f"not done after {LIMIT_S} s")
    seconds = time.perf_counter() - start
    if done.returncode == 0:
        return Made(seconds)
    said = done.stderr.strip().splitlines()
    return Made(seconds, _complaint(said) or f"it ended with {done.returncode}")


def _complaint(said: Sequence[str]) -> str:
    """What a traceback ends with, from the line that names the error on; else the last line."""
    named = [i for i, line in enumerate(said) if line[:1].isalpha() and "Error:" in line]
    last = " ".join(" ".join(said[named[-1] if named else -1 :]).split())
    return last if len(last) <= 200 else f"{last[:200]}…"
