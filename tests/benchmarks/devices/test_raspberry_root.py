# SPDX-License-Identifier: BSD-3-Clause
"""The root folder of an emulated Raspberry Pi: whole or not there at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from rich.console import Console as RichConsole

from benchmarks.devices import raspberry_root
from edge.errors import MissingToolError, UsageError
from edge.terminal import console

READY = "from edge.terminal import console; from benchmarks.devices import raspberry_root\n"
READY += "with console.console(verbose=False) as quiet: raspberry_root.ready(quiet)"


@pytest.fixture(autouse=True)
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a PATH with a QEMU that does nothing and whatever a test adds."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    program(tmp_path / "bin" / "qemu-aarch64", "")
    return tmp_path / "bin"


def program(path: Path, text: str) -> None:
    """A shell script; the folder to be made is its last argument."""
    path.write_text(f"#!/bin/sh\nfor folder; do :; done\n{text}\n")
    path.chmod(0o700)


def ready() -> Path:
    """The root folder."""
    return raspberry_root.ready(console.Console(RichConsole(), RichConsole(stderr=True)))


def cached() -> list[str]:
    """What the cache holds."""
    return sorted(path.name for path in raspberry_root.cache().glob("*"))


def test_without_mmdebstrap() -> None:
    """The line to type, and the one that does without."""
    with pytest.raises(MissingToolError) as caught:
        ready()
    assert str(caught.value) == (
        "LiteRT on a Raspberry Pi is emulated in a folder of Debian's packages, which mmdebstrap "
        "makes, which is not installed. Type: apt-get install mmdebstrap, or leave LiteRT out "
        "with --target c"
    )
    assert caught.value.exit_code == 6
    assert cached() == []


def test_without_a_network(programs: Path) -> None:
    """One line with the cause; nothing is left."""
    said = "E: Failed to fetch http://deb.debian.org/InRelease  Temporary failure resolving it"
    lines = f'/bin/mkdir -p "$folder/usr"; echo "I: running"; echo "{said}" >&2; echo "E: no" >&2'
    program(programs / "mmdebstrap", f"{lines}; exit 25")
    with pytest.raises(MissingToolError) as caught:
        ready()
    assert str(caught.value) == (
        "LiteRT on a Raspberry Pi needs packages of Debian and PyPI once, and mmdebstrap failed: "
        "E: Failed to fetch http://deb.debian.org/InRelease Temporary failure resolving it. "
        "Connect to the network, or leave LiteRT out with --target c"
    )
    assert cached() == [f"{raspberry_root.location().name}.lock"]


def test_a_cache_that_cannot_be_written(tmp_path: Path, programs: Path) -> None:
    """The folder, the cause, and how to name another."""
    program(programs / "mmdebstrap", "")
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(UsageError) as caught:
        ready()
    assert str(caught.value) == (
        f"Cannot write the cache {str(tmp_path / 'cache' / 'eeg-edge')!r}: Not a directory. "
        "Set XDG_CACHE_HOME to a folder that can be written."
    )


def test_two_make_it_once(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second waits for the first and makes nothing."""
    program(programs / "mmdebstrap", '/bin/sleep 0.3; /bin/mkdir "$folder"; echo >>"$0.calls"')
    monkeypatch.setattr(raspberry_root, "_wheels", lambda folder: folder.mkdir(parents=True))
    with ThreadPoolExecutor(2) as pool:
        found = set(pool.map(lambda _: ready(), range(2)))
    assert found == {raspberry_root.location()}
    assert (programs / "mmdebstrap.calls").read_text() == "\n"
    assert cached() == [raspberry_root.location().name, f"{raspberry_root.location().name}.lock"]


def test_killed_half_way(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a killed process leaves is not taken for the folder, and the next takes it away."""
    program(programs / "mmdebstrap", '/bin/mkdir -p "$folder/usr"; exec /bin/sleep 60')
    with subprocess.Popen([sys.executable, "-c", READY], start_new_session=True) as first:
        half: list[Path] = []
        for _ in range(200):
            half = list(raspberry_root.cache().glob("*.part-*/root/usr"))
            if half:
                break
            time.sleep(0.05)
        os.killpg(first.pid, signal.SIGKILL)
    assert half
    assert half[0].exists()
    assert not raspberry_root.location().exists()
    program(programs / "mmdebstrap", '/bin/mkdir "$folder"')
    monkeypatch.setattr(raspberry_root, "_wheels", lambda folder: folder.mkdir(parents=True))
    assert ready() == raspberry_root.location()
    assert cached() == [raspberry_root.location().name, f"{raspberry_root.location().name}.lock"]
