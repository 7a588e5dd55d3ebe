# SPDX-License-Identifier: BSD-3-Clause
"""What happens when an export is cut off: the old bundle or the new one, never a mixture."""

from __future__ import annotations

import functools
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge.bundle import read as bundle
from edge.spec import ModelSpec
from tests import forked
from tests.conftest import Edge, Once
from tests.networks import SMALL, randomized, windows


@pytest.fixture
def occupied(tmp_path: Path, eca_bundle: Path) -> Path:
    """A folder with a bundle of another mode at the place where a new one is to go."""
    shutil.copytree(eca_bundle, tmp_path / "b")
    return tmp_path


@pytest.fixture
def export(once: Once) -> tuple[str, ...]:
    """The arguments of an export of a small network, over in seconds."""

    def make(folder: Path) -> None:
        spec = ModelSpec("none", 3, 300, 2, SMALL)
        randomized(spec, 0).save_pretrained(folder / "model")
        groups = np.repeat([1, 2], 100)
        np.savez(folder / "x.npz", X=windows(spec, 200), y=np.arange(200) % 2, session=groups)

    small = once("interrupted", make)
    where = ("--checkpoint", str(small / "model"), "--data", str(small / "x.npz"))
    return ("export", *where, "--int8", "--targets", "tflite", "--out", "b")


Start = Callable[[], forked.Process]


@pytest.fixture
def start(server: forked.Server, export: tuple[str, ...], occupied: Path) -> Start:
    """Starts the export, which tells its steps on stderr."""
    return lambda: server.start(export, occupied)


def is_untouched(folder: Path, eca_bundle: Path) -> bool:
    """Whether the old bundle is whole and nothing is beside it."""
    opened = bundle.read(folder / "b")
    same = opened.manifest == bundle.read(eca_bundle).manifest
    return same and [path.name for path in folder.iterdir()] == ["b"]


@pytest.mark.parametrize("step", ["export 1/5", "export 3/5"])
def test_ctrl_c(start: Start, occupied: Path, eca_bundle: Path, step: str) -> None:
    """One line, exit code 130, the old bundle as it was, no temporary folder."""
    process = start()
    assert process.stderr is not None
    seen = []
    for line in process.stderr:
        seen.append(line)
        if line.startswith(step):
            process.send_signal(signal.SIGINT)
            break
    rest = process.stderr.read()
    assert process.wait() == 130, (seen, rest)
    assert rest.splitlines()[-1] == "edge: Interrupted; nothing was written."
    assert is_untouched(occupied, eca_bundle)


def test_folder_that_cannot_be_written(edge: Edge, tmp_path: Path) -> None:
    """Refused before any work is done."""
    folder = tmp_path / "closed"
    folder.mkdir()
    folder.chmod(0o555)
    if os.access(folder, os.W_OK):  # root writes everywhere: a file system that nobody can write
        done = edge("export", "--mode", "none", "--out", "/proc/b", cwd=tmp_path)
        where = "/proc/b"
        reason = "No such file or directory"
    else:
        done = edge("export", "--mode", "none", "--out", "closed/b", cwd=tmp_path)
        where = str(folder / "b")
        reason = "Permission denied"
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"edge: Cannot write beside {where!r}: {reason}.\n"


def test_full_disk(export: tuple[str, ...], occupied: Path, eca_bundle: Path) -> None:
    """A file that cannot grow any more, as ``ulimit -f`` has it: the old bundle stays."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (16_000, 16_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    done = subprocess.run(
        [sys.executable, "-m", "edge", *export],
        cwd=occupied, env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False, preexec_fn=limit,
    )  # fmt: skip
    stderr = done.stderr
    assert done.returncode == 2, stderr
    where = str(occupied / "b")
    last = f"edge: Cannot write {where!r}: File too large. Nothing was changed."
    assert stderr.splitlines()[-1] == last
    assert is_untouched(occupied, eca_bundle)


def test_two_exports_into_one_folder(start: Start, occupied: Path) -> None:
    """Started together, both succeed, and what stays is one of them whole."""
    processes = [start() for _ in range(2)]
    for process in processes:
        assert process.stderr is not None
        stderr = process.stderr.read()
        assert process.wait() == 0, stderr
    assert bundle.read(occupied / "b").manifest.model.mode == "none"
    assert [path.name for path in occupied.iterdir()] == ["b"]


def test_killed_while_somebody_reads(start: Start, occupied: Path) -> None:
    """Killed at any step, the old bundle is whole; a reader never sees a mixture."""
    process = start()
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("export 3/5"):
            process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert bundle.read(occupied / "b").manifest.model.mode == "eca"
    again = start()
    modes = []
    while again.poll() is None:
        modes.append(bundle.read(occupied / "b").manifest.model.mode)
        time.sleep(0.01)
    assert again.wait() == 0
    assert set(modes) <= {"eca", "none"}
    assert bundle.read(occupied / "b").manifest.model.mode == "none"


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [
        (signal.SIGTERM, 143, "Ended by SIGTERM"),
        (signal.SIGHUP, 129, "Ended by SIGHUP"),
    ],
)
def test_ended_from_outside(
    start: Start, occupied: Path, eca_bundle: Path, number: int, code: int, words: str
) -> None:
    """Like Ctrl-C: one line, a code as a shell gives it, nothing left behind."""
    process = start()
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("export 2/5"):
            process.send_signal(number)
            break
    rest = process.stderr.read()
    assert process.wait() == code, rest
    assert rest.splitlines()[-1] == f"edge: {words}; nothing was written."
    assert is_untouched(occupied, eca_bundle)


SWALLOWED = """
import os, signal
from edge.terminal import interrupts
interrupts.install()

class Finalized:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)

def work():
    made = Finalized()
    del made  # Python prints the exception of a finalizer, and goes on
    print("went on")

work()
try:
    interrupts.check()
except interrupts.Interrupted as error:
    print(error, error.exit_code)
"""


def test_a_swallowed_ctrl_c_is_raised_at_the_next_step() -> None:
    """A finalizer swallows it; the command must not end with 0 all the same."""
    default = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    done = subprocess.run(
        [sys.executable, "-c", SWALLOWED],
        capture_output=True, text=True, check=True, preexec_fn=default,
    )  # fmt: skip
    assert "Exception ignored in" in done.stderr
    assert done.stdout == "went on\nInterrupted; nothing was written. 130\n"
