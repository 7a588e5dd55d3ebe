# SPDX-License-Identifier: BSD-3-Clause
"""Make the files of an emulated Raspberry Pi once: a Python for AArch64 with LiteRT.

They are packages of Debian and PyPI, unpacked but never installed, so that no root rights and no
emulator are needed to make them. A finished folder appears by renaming, after its Python has
imported what is needed; the next process takes away what a killed one left behind.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from benchmarks.devices import linux
from benchmarks.sweep import claim
from edge.errors import MissingToolError, UsageError
from edge.terminal.console import Console

SUITE = "bookworm"
"""Of Debian; Raspberry Pi OS is built on it."""
PACKAGES = ("python3.11-minimal", "libpython3.11-stdlib", "libc6", "libstdc++6")
WHEELS = ("ai-edge-litert==2.3.0", "numpy==2.4.6")
"""Pinned: a figure must not change from day to day."""
PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux2014_aarch64")

WHEELS_AT = "opt/wheels"
PYTHON = "usr/bin/python3.11"
IMPORTS = "import ctypes, numpy, ai_edge_litert.interpreter"
WITHOUT = "or leave LiteRT out with --target c"


def cache() -> Path:
    """Return the folder where the tool keeps what it can make again."""
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(home).expanduser().absolute() / "eeg-edge"


def location() -> Path:
    """Return the finished folder; its name changes with what it is made of."""
    recipe = "\n".join((SUITE, *PACKAGES, *WHEELS))
    return cache() / f"raspberry-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"


def refuse_missing() -> None:
    """Raise, before anything is measured, if the folder can be neither found nor made.

    Raises
    ------
    MissingToolError
        With the line that installs what is missing.
    """
    linux.refuse_missing()
    if location().exists():
        return
    why = "LiteRT on a Raspberry Pi is emulated in a folder of Debian's packages"
    if shutil.which("mmdebstrap") is None:
        raise MissingToolError(
            f"{why}, which mmdebstrap makes, which is not installed. "
            f"Type: apt-get install mmdebstrap, {WITHOUT}"
        )
    if importlib.util.find_spec("pip") is None:
        raise MissingToolError(
            f"{why} and wheels, which pip gets, which {sys.executable} does not have. "
            f"Type: {sys.executable} -m ensurepip, {WITHOUT}"
        )


def ready(console: Console) -> Path:
    """Return the folder, made now if it is not there; two processes make it once.

    Raises
    ------
    MissingToolError
        When a tool is missing, or packages cannot be had.
    UsageError
        When the cache cannot be written.
    """
    refuse_missing()
    done = location()
    lock = done.with_suffix(".lock")
    try:
        done.parent.mkdir(parents=True, exist_ok=True)
        with console.waiting("once: a root folder of some 200 MB, from Debian and PyPI"):
            claim.once(done, lock, partial(_make, done))
    except OSError as error:
        raise UsageError(
            f"Cannot write the cache {str(done.parent)!r}: {error.strerror}. "
            f"Set XDG_CACHE_HOME to a folder that can be written."
        ) from None
    return done


def _make(done: Path) -> None:
    """Build beside it, try it, and rename."""
    for left in done.parent.glob(f"{done.name}.part-*"):
        shutil.rmtree(left, ignore_errors=True)
    prefix = f"{done.name}.part-"
    with tempfile.TemporaryDirectory(
        prefix=prefix, dir=done.parent, ignore_cleanup_errors=True
    ) as name:
        folder = Path(name) / "root"
        _debian(folder)
        _wheels(folder / WHEELS_AT)
        _call("qemu-aarch64", emulated(folder, folder, "max", ("-c", IMPORTS)), environment(folder))
        folder.rename(done)


def _debian(folder: Path) -> None:
    options = ("--mode=chrootless", "--variant=extract", "--arch=arm64")
    include = f"--include={','.join(PACKAGES)}"
    _call("mmdebstrap", ("mmdebstrap", *options, include, SUITE, str(folder)))


def _wheels(folder: Path) -> None:
    platforms = (word for name in PLATFORMS for word in ("--platform", name))
    quiet = ("--quiet", "--disable-pip-version-check", "--no-compile", "--retries", "1")
    only = ("--no-deps", "--only-binary=:all:", "--implementation", "cp", "--python-version")
    install = (sys.executable, "-m", "pip", "install", *quiet, *only, "3.11", *platforms)
    _call("pip", (*install, "--target", str(folder), *WHEELS))


def _call(name: str, command: Sequence[str], env: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(
        command, env=env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        lines = done.stderr.splitlines() or [f"it ended with {done.returncode}"]
        errors = (line for line in lines if line.startswith(("E:", "ERROR:")))
        raise MissingToolError(
            f"LiteRT on a Raspberry Pi needs packages of Debian and PyPI once, and {name} "
            f"failed: {' '.join(next(errors, lines[-1]).split())}. "
            f"Connect to the network, {WITHOUT}"
        )


def emulated(root: Path, prefix: Path, cpu: str, arguments: Sequence[str]) -> tuple[str, ...]:
    """Return a command line of the folder's Python.

    Parameters
    ----------
    prefix
        Where the emulated process finds absolute paths first.
    """
    qemu = linux.refuse_missing()
    return (qemu, "-cpu", cpu, "-L", str(prefix), str(root / PYTHON), "-s", *arguments)


def environment(root: Path) -> dict[str, str]:
    """Return an environment with nothing of the user's and nothing that changes."""
    wheels = str(root / WHEELS_AT)
    return {"PATH": os.defpath, "PYTHONPATH": wheels, "PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"}
