# SPDX-License-Identifier: BSD-3-Clause
"""Whether a command that is cut off, anywhere and however, leaves the old result or the new one.

    python -m benchmarks.studies.faults --count 500 --seed 0 --save

A seeded driver starts a command over an old result, cuts it off after a random part of the time
that it takes undisturbed (SIGKILL, SIGTERM, SIGINT, SIGHUP), or takes something away from it
(address space, the size that files may have), and then asks: is the result the old one or the new
one, byte by byte; is nothing else beside it, once a killed process is swept up after; does the exit
code say what happened; is stderr without a traceback. Commands write the same bytes whenever they
are repeated, so the new result is known beforehand.
"""

from __future__ import annotations

import hashlib
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np

from benchmarks.studies import records
from edge.bundle import folder as bundle_folder

RESULTS = Path(__file__).parent / "results" / "faults.json"
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
MIB = 1 << 20


@dataclass(frozen=True)
class Action:
    """A command and the file or folder that it replaces.

    Attributes
    ----------
    old, new
        What is there before, and what an undisturbed run makes, as digests.
    seconds
        How long an undisturbed run takes.
    """

    name: str
    command: tuple[str, ...]
    out: str
    old: str
    new: str
    seconds: float


@dataclass(frozen=True)
class Fault:
    """What is done to a command; ``signal`` or a limit, and when, as a share of its time."""

    what: str
    number: int = 0
    share: float = 0.0
    limits: Mapping[int, int] | None = None


def digest(path: Path) -> str:
    """sha256 of a file, or of a folder's files and their names; empty where nothing is there."""
    if not path.exists():
        return ""
    found = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            found.update(f"{file.relative_to(path.parent)}\0".encode())
            found.update(hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()


def start(
    command: tuple[str, ...], folder: Path, limits: Mapping[int, int] | None = None
) -> subprocess.Popen[str]:
    """The command in a folder, its signals as a shell leaves them."""

    def before() -> None:
        for number in SIGNALS[1:]:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        for kind, value in (limits or {}).items():
            resource.setrlimit(kind, (value, value))

    return subprocess.Popen(
        [sys.executable, "-m", "edge", *command],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"}, preexec_fn=before,  # noqa: PLW1509 no threads here
    )  # fmt: skip


def prepare(folder: Path, say: Callable[[str], None]) -> list[Action]:
    """Inputs, old results, and what undisturbed commands make of them."""
    rng = np.random.default_rng(0)
    labels = np.arange(160) % 2
    wave = np.sin(2 * np.pi * np.where(labels, 10, 22)[:, None] * np.arange(300) / 250)
    windows = rng.normal(0, 10, (160, 3, 300)) + 8 * wave[:, None]
    groups = np.repeat([1, 2], 80)
    np.savez(folder / "x.npz", X=windows.astype(np.float32), y=labels, session=groups)
    train = ("train", "--mode", "none", "--data", "x.npz", "--arg", "pool_length_inp=30")
    _undisturbed((*train, "--epochs", "3", "--out", "model"), folder)
    export = ("export", "--checkpoint", "model", "--data", "x.npz", "--int8", "--targets")
    _undisturbed((*export, "c", "--out", "source"), folder)
    stages = {
        "train": ((*train, "--epochs", "2", "--out", "m"), "m"),
        "export": ((*export, "tflite,c", "--out", "b"), "b"),
        "firmware": (("firmware", "source", "--device", "nrf52840", "--out", "f"), "f"),
    }
    old = {
        "train": (*train, "--epochs", "1", "--out", "m"),
        "export": (*export, "tflite", "--out", "b"),
        "firmware": ("firmware", "source", "--device", "stm32f407", "--out", "f"),
    }
    actions = []
    for name, (command, out) in stages.items():
        _undisturbed(old[name], folder)
        before = digest(folder / out)
        shutil.copytree(folder / out, folder / f"old-{out}")
        began = time.monotonic()
        _undisturbed(command, folder)
        seconds = time.monotonic() - began
        actions.append(Action(name, command, out, before, digest(folder / out), seconds))
        say(f"{name} takes {seconds:.1f} s undisturbed")
    return actions


def _undisturbed(command: tuple[str, ...], folder: Path) -> None:
    process = start(command, folder)
    _, stderr = process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"edge {' '.join(command)}: {stderr}")


def draw(rng: random.Random) -> Fault:
    """One of the faults."""
    if rng.random() < 0.8:
        number = rng.choice(SIGNALS)
        return Fault(signal.Signals(number).name, number=number, share=rng.uniform(0, 1.1))
    if rng.random() < 0.5:
        size = rng.choice((0, 512, 4_096, 16_384, 65_536))
        return Fault("small files", limits={resource.RLIMIT_FSIZE: size})
    size = rng.randint(200, 3_000) * MIB
    return Fault("little memory", limits={resource.RLIMIT_AS: size})


def inject(action: Action, fault: Fault, folder: Path) -> list[str]:
    """Do it once; what is wrong afterwards, in words."""
    out = folder / action.out
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(folder / f"old-{action.out}", out)
    process = start(action.command, folder, fault.limits)
    if fault.number:
        try:
            process.wait(action.seconds * fault.share)
        except subprocess.TimeoutExpired:
            process.send_signal(fault.number)
    _, stderr = process.communicate()
    return list(_complaints(action, fault, out, process.returncode, stderr))


def _complaints(action: Action, fault: Fault, out: Path, code: int, stderr: str) -> list[str]:
    wrong = []
    left = digest(out)
    if left not in (action.old, action.new):
        wrong.append("neither the old result nor the new one is there")
    if code == 0 and left != action.new:
        wrong.append("exit code 0 without the new result")
    if fault.number == signal.SIGKILL:
        bundle_folder.sweep(out, young_s=0)
    hidden = [path.name for path in out.parent.glob(f".{out.name}.*")]
    if hidden:
        wrong.append(f"left beside it: {', '.join(hidden)}")
    if fault.number and code not in (0, -fault.number, 128 + fault.number):
        wrong.append(f"exit code {code}")
    if fault.limits is None and ("Traceback" in stderr or "bug in edge" in stderr):
        wrong.append(f"traceback: {stderr.strip().splitlines()[-1]}")
    return wrong


@click.command()
@click.option("--count", default=500, show_default=True, help="Faults.")
@click.option("--seed", default=0, show_default=True)
@click.option("--save/--no-save", default=False, help=f"Write {RESULTS.name}.")
def main(count: int, seed: int, save: bool) -> None:
    """Inject faults; exit 1 where one left something that is neither old nor new."""
    rng = random.Random(seed)
    done: Counter[str] = Counter()
    wrong: list[dict[str, str]] = []
    with TemporaryDirectory(prefix="edge-faults-") as name:
        folder = Path(name)
        actions = prepare(folder, click.echo)
        for number in range(count):
            action, fault = rng.choice(actions), draw(rng)
            complaints = inject(action, fault, folder)
            done[f"{action.name}, {fault.what}"] += 1
            for complaint in complaints:
                where = f"{action.name}, {fault.what} at {fault.share:.2f} {fault.limits or ''}"
                click.echo(f"{number}: {where}: {complaint}")
                wrong.append({"fault": where, "wrong": complaint})
    click.echo(f"{count} faults, {len(wrong)} complaints (seed {seed})")
    if save:
        document = {"schema_version": 1, "seed": seed, "faults": dict(done), "wrong": wrong}
        records.save(RESULTS, document)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
