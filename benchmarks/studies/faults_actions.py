# SPDX-License-Identifier: BSD-3-Clause
"""The commands that :mod:`benchmarks.studies.faults` cuts off, and how each result is judged.

Most commands write the same bytes whenever they are repeated, so that the new result is known
beforehand. A signature differs every time and is verified instead; decisions of a stream are a
beginning of the undisturbed ones; a sweep is judged by what the same command makes of it next.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edge.bundle import folder as bundle_folder
from edge.bundle import keys, signature
from edge.bundle.types import SIGNATURE
from edge.errors import EdgeError

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True)
class Fault:
    """What is done to a command.

    Attributes
    ----------
    number, share
        A signal, and when: as a share of the command's undisturbed time. 0: no signal.
    limits
        Of :mod:`resource`, set before the command starts.
    environment
        Variables that are changed; None takes one away.
    stdout
        A file that takes the place of stdout, or ``closed``.
    twice
        Whether the command is started twice at once.
    """

    what: str
    number: int = 0
    share: float = 0.0
    limits: Mapping[int, int] = field(default_factory=dict)
    environment: Mapping[str, str | None] = field(default_factory=dict)
    stdout: str = "/dev/null"
    twice: bool = False


Judge = Callable[[Path, int], list[str]]
"""What is wrong with a result (its path) after an exit code; nothing where all is well."""


@dataclass(frozen=True)
class Action:
    """A command, the file or folder that it replaces, and who judges it.

    Attributes
    ----------
    seconds
        How long an undisturbed run takes.
    """

    name: str
    command: tuple[str, ...]
    out: str
    seconds: float
    judge: Judge


def digest(path: Path, skip: str = "") -> str:
    """sha256 of a file, or of a folder's files and their names; empty where nothing is there."""
    if not path.exists():
        return ""
    found = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file() and file.name != skip:
            found.update(f"{file.relative_to(path.parent)}\0".encode())
            found.update(hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()


def start(command: tuple[str, ...], folder: Path, fault: Fault | None = None) -> Process:
    """The command in a folder, its signals as a shell leaves them."""
    fault = fault or Fault("none")

    def before() -> None:
        for number in SIGNALS[1:]:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        for kind, value in fault.limits.items():
            resource.setrlimit(kind, (value, value))
        if fault.stdout == "closed":
            os.close(1)

    environment: dict[str, str] = os.environ | {"OMP_NUM_THREADS": "1"}
    for name, text in fault.environment.items():
        environment.pop(name, None)
        if text is not None:
            environment[name] = text
    with Path(os.devnull if fault.stdout == "closed" else fault.stdout).open("w") as stdout:
        return subprocess.Popen(
            [sys.executable, "-m", "edge", *command],
            cwd=folder, stdout=stdout, stderr=subprocess.PIPE, text=True,
            env=environment, preexec_fn=before,  # noqa: PLW1509 no threads here
        )  # fmt: skip


Process = subprocess.Popen[str]


def undisturbed(command: tuple[str, ...], folder: Path) -> float:
    """Run a command that has to work; its seconds."""
    began = time.monotonic()
    process = start(command, folder)
    _, stderr = process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"edge {' '.join(command)}: {stderr}")
    return time.monotonic() - began


def old_or_new(old: str, new: str) -> Judge:
    """A judge of results that are known to the byte."""

    def judge(out: Path, code: int) -> list[str]:
        left = digest(out)
        if left not in (old, new):
            return ["neither the old result nor the new one is there"]
        return ["exit code 0 without the new result"] if code == 0 and left != new else []

    return judge


def signed(public: Path, content: str) -> Judge:
    """A judge of bundles whose files stay as they are, and whose signature is version 1 or 2."""

    def judge(out: Path, code: int) -> list[str]:
        if digest(out, skip=SIGNATURE) != content:
            return ["signing changed a file of the bundle"]
        try:
            found = signature.read(out)
            if found is None:
                return ["the old signature is gone"]
            signature.check_key(found, keys.read_public(public), out)
            signature.check_files(found, out)
        except EdgeError as error:
            return [f"the signature is broken: {error}"]
        return ["exit code 0 without the new one"] if code == 0 and found.version != 2 else []

    return judge


def decisions(path: Path) -> list[list[object]]:
    """What was decided when, of a stream's whole lines; times of the machine left out."""
    lines = [json.loads(line) for line in path.read_text().split("\n")[:-1]]
    return [[one["sample"], one["choice"]] for one in lines if one["kind"] == "decision"]


def beginning(old: str, every: list[list[object]]) -> Judge:
    """A judge of streams: the old file, or a beginning of the decisions, each line whole."""

    def judge(out: Path, code: int) -> list[str]:
        if digest(out) == old:
            return ["exit code 0 without the new result"] if code == 0 else []
        try:
            found = decisions(out)
        except (OSError, ValueError, KeyError) as error:
            return [f"the lines cannot be read: {error!r}"]
        if found != every[: len(found)]:
            return ["other decisions than undisturbed"]
        return ["exit code 0 without all of them"] if code == 0 and found != every else []

    return judge


def resumed(command: tuple[str, ...], kept: str, new: str) -> Judge:
    """A judge of sweeps: what was finished is kept, and the same command finishes the rest."""

    def judge(out: Path, code: int) -> list[str]:
        wrong = [] if finished(out, "s0") == kept else ["a finished cell changed"]
        if code == 0 and finished(out, "s*") != new:
            wrong.append("exit code 0 without all cells")
        undisturbed(command, out.parent)
        if finished(out, "s*") != new:
            wrong.append("the same command does not end as it does undisturbed")
        if torn := [str(path.relative_to(out)) for path in out.rglob(".*")]:
            wrong.append(f"left in the sweep: {', '.join(torn)}")
        return wrong

    return judge


def finished(out: Path, seed: str) -> str:
    """Digests of the models, bundles and refusals of the cells of a seed."""
    parts = []
    for path in sorted((out / "results").glob(f"*-{seed}-*.json")):
        result = json.loads(path.read_text())
        parts.append(f"{path.name} {result['refused']}")
        parts.append(digest(out / "bundles" / path.stem))
        parts.append(digest(out / "models" / path.stem.rpartition("-")[0]))
    return "\n".join(parts)


def prepare(folder: Path, say: Callable[[str], None]) -> list[Action]:
    """Inputs, old results, and what undisturbed commands make of them."""
    rng = np.random.default_rng(0)
    labels = np.arange(160) % 2
    wave = np.sin(2 * np.pi * np.where(labels, 10, 22)[:, None] * np.arange(300) / 250)
    windows = rng.normal(0, 10, (160, 3, 300)) + 8 * wave[:, None]
    groups = np.repeat([1, 2], 80)
    np.savez(folder / "x.npz", X=windows.astype(np.float32), y=labels, session=groups)
    train = ("train", "--mode", "none", "--data", "x.npz", "--arg", "pool_length_inp=30")
    undisturbed((*train, "--epochs", "3", "--out", "model"), folder)
    export = ("export", "--checkpoint", "model", "--data", "x.npz", "--int8", "--targets")
    undisturbed((*export, "c", "--out", "source"), folder)
    stages = {
        "train": ((*train, "--epochs", "1", "--out", "m"), (*train, "--epochs", "2", "--out", "m")),
        "export": ((*export, "tflite", "--out", "b"), (*export, "tflite,c", "--out", "b")),
        "firmware": tuple(
            ("firmware", "source", "--device", device, "--out", "f")
            for device in ("stm32f407", "nrf52840")
        ),
    }
    actions = []
    for name, (before, after) in stages.items():
        old = _kept(before, folder)
        seconds = undisturbed(after, folder)
        actions.append(
            Action(name, after, after[-1], seconds, old_or_new(old, digest(folder / after[-1])))
        )
    actions += [_sign(folder), _stream(folder), _sweep(folder)]
    for action in actions:
        say(f"{action.name} takes {action.seconds:.1f} s undisturbed")
    return actions


def _kept(command: tuple[str, ...], folder: Path) -> str:
    """Make an old result, keep a copy of it, and return its digest."""
    undisturbed(command, folder)
    keep(folder / command[-1])
    return digest(folder / command[-1])


def keep(out: Path) -> None:
    """Copy a result to where :func:`restore` finds it."""
    copy = out.with_name(f"old-{out.name}")
    shutil.copytree(out, copy) if out.is_dir() else shutil.copy(out, copy)


def restore(out: Path) -> None:
    """Bring the old result back."""
    copy = out.with_name(f"old-{out.name}")
    if copy.is_dir():
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(copy, out)
    else:
        shutil.copy(copy, out)


def _sign(folder: Path) -> Action:
    undisturbed(("keygen", "--out", "k"), folder)
    shutil.copytree(folder / "source", folder / "signed")
    command = ("sign", "signed", "--key", "k.key", "--name", "model", "--version")
    undisturbed((*command, "1"), folder)
    keep(folder / "signed")
    seconds = undisturbed((*command, "2"), folder)
    content = digest(folder / "signed", skip=SIGNATURE)
    return Action("sign", (*command, "2"), "signed", seconds, signed(folder / "k.pub", content))


def _stream(folder: Path) -> Action:
    """A replay as fast as it goes, over an older file of decisions."""
    undisturbed(
        ("export", "--mode", "none", "--int8", "--targets", "c", "--out", "shipped"), folder
    )
    _write_recording(folder / "x.edf")
    command = ("stream", "shipped", "--source", "file:x.edf", "--speed", "inf")
    old = _kept((*command, "--limit-s", "5", "--output", "d.jsonl"), folder)
    new = (*command, "--output", "d.jsonl")
    seconds = undisturbed(new, folder)
    return Action("stream", new, "d.jsonl", seconds, beginning(old, decisions(folder / "d.jsonl")))


def _write_recording(path: Path) -> None:
    """Half a minute of noise on the electrodes of the shipped checkpoints."""
    import mne

    from edge.data import sim

    noise = np.random.default_rng(0).standard_normal((len(sim.CHANNELS_2A), 30 * 250))
    info = mne.create_info(list(sim.CHANNELS_2A), 250.0, "eeg")
    raw = mne.io.RawArray(1.5e-6 * np.cumsum(noise, axis=1), info, verbose="error")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mne.export.export_raw(path, raw, physical_range=(-5000, 5000), verbose="error")


def _sweep(folder: Path) -> Action:
    command = ("sweep", "--modes", "none", "--data", "x.npz", "--targets", "c", "--epochs", "1")
    undisturbed((*command, "--seeds", "0", "--out", "s"), folder)
    keep(folder / "s")
    kept = finished(folder / "s", "s0")
    new = (*command, "--seeds", "0,1", "--out", "s")
    seconds = undisturbed(new, folder)
    judge = resumed(new, kept, finished(folder / "s", "s*"))
    return Action("sweep", new, "s", seconds, judge)


def swept(out: Path) -> None:
    """Remove what a killed process left, as the next start of a command does."""
    bundle_folder.sweep(out, young_s=0)
