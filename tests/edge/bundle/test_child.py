# SPDX-License-Identifier: BSD-3-Clause
"""The process that models of strangers run in: the same numbers, and one line at worst."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edge.bundle import child, sandbox
from edge.bundle import read as bundle
from edge.bundle.child import Child
from edge.bundle.child_main import LIBRARIES
from edge.errors import IncompatibleError

FORBIDDEN = """
import os, socket, subprocess, threading
from pathlib import Path
import numpy as np
from edge.bundle import sandbox

absent = sandbox.confine(60)

def outcome(name, action):
    try:
        action()
    except (OSError, MemoryError) as error:
        print(name, type(error).__name__)
    else:
        print(name, "allowed")

def thread():
    made = threading.Thread(target=int)
    made.start()
    made.join()

print("absent", ", ".join(absent) or "nothing")
outcome("connect", lambda: socket.socket())
outcome("write", lambda: Path("trace").write_text(""))
outcome("remove", lambda: os.unlink("here"))
outcome("program", lambda: subprocess.run(["true"]))
outcome("fork", os.fork)
outcome("signal", lambda: os.kill(os.getppid(), 0))
outcome("memory", lambda: np.ones(2**33, np.uint8))
outcome("read", lambda: Path("here").read_text())
outcome("thread", thread)
"""


def test_what_the_process_gives_up(tmp_path: Path) -> None:
    """Connections, files, programs, signals and memory; reading and threads stay."""
    (tmp_path / "here").touch()
    command = [sys.executable, "-c", FORBIDDEN]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    said = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    if sys.platform != "linux" or said.pop("absent") != "nothing":
        pytest.skip("no seccomp here; that it is absent was said")
    assert said == {
        **dict.fromkeys(
            ("connect", "write", "remove", "program", "fork", "signal"), "PermissionError"
        ),
        "memory": "MemoryError",
        "read": "allowed",
        "thread": "allowed",
    }
    assert not (tmp_path / "trace").exists()


@pytest.fixture(scope="module")
def opened(eca_bundle: Path) -> bundle.Bundle:
    """The default export."""
    return bundle.read(eca_bundle)


@pytest.mark.parametrize("target", LIBRARIES)
def test_same_numbers_as_here(opened: bundle.Bundle, target: str) -> None:
    """Every native artifact gives through the pipe what it gave when it was exported."""
    golden = opened.golden()
    windows = opened.contract().scale(golden["x"])
    with Child([target]) as process:
        for artifact in (a for a in opened.manifest.artifacts if a.target == target):
            data = (opened.folder / artifact.file).read_bytes()
            session = process.load(target, target, data)
            rung = f"logits/{target} {artifact.precision}"
            np.testing.assert_array_equal(session(windows), golden[rung])
            times = session.block(windows[0], 5)
            assert len(times) == 5
            assert min(times) > 0
        assert process.overhead_us((22, 1000), 5) > 0


@pytest.mark.parametrize("target", LIBRARIES)
def test_what_is_no_model_is_one_line(target: str) -> None:
    """Whatever the library does, the command ends with a line that can be read."""
    rng = np.random.default_rng(0)
    for data in (b"", b"no model", rng.bytes(5000)):
        with Child([target]) as process, pytest.raises(IncompatibleError) as refused:
            process.load(target, target, data)
        assert "\n" not in str(refused.value)


CRASHES = {
    "abort": ("import os; os.abort()", "crashed its process (SIGABRT)"),
    "exit": ("raise SystemExit(7)", "ended its process (exit code 7)"),
    "nonsense": (
        "import sys; sys.stdin.buffer.read(4); sys.stdout.write('x' * 99); sys.stdout.flush()",
        "process",
    ),
    "a flood": (
        "import sys; sys.stdin.buffer.read(4); import json; "
        "h = json.dumps({'arrays': {'us': ['float64', [99999999999]]}}).encode(); "
        "sys.stdout.buffer.write(len(h).to_bytes(4, 'little') + h); sys.stdout.flush()",
        "process",
    ),
}


@pytest.mark.parametrize("name", CRASHES)
def test_a_process_that_dies_or_lies_is_one_line(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash, an end, an answer that is none, one that is too large."""
    code, how = CRASHES[name]
    ready = (
        "import sys; h = b'{\"arrays\": {}}'; "
        "sys.stdout.buffer.write(len(h).to_bytes(4, 'little') + h); sys.stdout.flush(); "
    )
    start = subprocess.Popen

    def instead(command: list[str], **options: object) -> subprocess.Popen[bytes]:
        return start([sys.executable, "-c", ready + code], **options)  # type: ignore[call-overload,no-any-return]

    monkeypatch.setattr(child.subprocess, "Popen", instead)
    with Child(["tflite"]) as process, pytest.raises(IncompatibleError) as refused:
        process.load("tflite", "tflite", b"x")
    assert how in str(refused.value)
    assert "\n" not in str(refused.value)


def test_every_processor_has_its_numbers() -> None:
    """Opening, cloning and seccomp themselves are never forbidden outright."""
    for chosen in sandbox.ARCHITECTURES.values():
        needed = {chosen.clone, chosen.clone3, *(number for number, _ in chosen.openings)}
        assert not needed & set(chosen.forbidden)
