# SPDX-License-Identifier: BSD-3-Clause
"""Where the output leads to: a full disk, a reader that has had enough, or nowhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = (["doctor"], ["doctor", "--json"], ["--help"], ["--version"], ["export", "--help"])

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")


def shell(line: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a line of the shell in which ``EDGE`` is the command."""
    command = " ".join([sys.executable, "-m", "edge", *arguments])
    return subprocess.run(
        ["bash", "-c", line.replace("EDGE", command)],
        capture_output=True, text=True, check=False, env=dict(os.environ),
    )  # fmt: skip


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_full_disk(arguments: list[str]) -> None:
    """One line, exit 2."""
    done = shell("EDGE >/dev/full", *arguments)
    assert done.returncode == 2
    assert done.stderr in (
        "edge: Cannot write the result to stdout: No space left on device.\n",
        "edge: Cannot write the output: No space left on device.\n",
    )


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_reader_that_has_had_enough(arguments: list[str]) -> None:
    """No word, and no failure."""
    done = shell("EDGE | head -n 1; exit ${PIPESTATUS[0]}", *arguments)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_descriptors(closed: str) -> None:
    """They lead nowhere; the work is done."""
    done = shell(f"EDGE {closed}", "doctor")
    assert (done.returncode, done.stderr) == (0, "")


def test_an_error_that_nobody_can_read() -> None:
    """The exit code says it all the same."""
    assert shell("EDGE 2>/dev/full", "nope").returncode == 2
    assert shell("EDGE 2>&-", "nope").returncode == 2


def test_no_home_and_no_temporary_folder(tmp_path: Path) -> None:
    """Neither is needed to say what is installed."""
    nowhere = {"HOME": str(tmp_path / "no"), "TMPDIR": str(tmp_path / "no")}
    environment = {"PYTHONPATH": os.environ.get("PYTHONPATH", ""), **nowhere}
    done = subprocess.run(
        [sys.executable, "-m", "edge", "doctor"],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
