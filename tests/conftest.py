# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures that several test files share; what trains or exports is made once a session."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # a process per core: threads beyond it fight for them
    os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"

Edge = Callable[..., "subprocess.CompletedProcess[str]"]

Once = Callable[[str, Callable[[Path], None]], Path]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Make a folder once a run, whichever worker asks first: ``once(name, make)``.

    The others wait for it. What ``make`` leaves there is for reading only.
    """
    base = tmp_path_factory.getbasetemp()
    root = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def get(name: str, make: Callable[[Path], None]) -> Path:
        folder = root / f"once-{name}"
        with (root / f"once-{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / "made").exists():
                folder.mkdir()  # fails where an earlier try did: its error is the one to read
                make(folder)
                (folder / "made").touch()
        return folder

    return get


@pytest.fixture(scope="session")
def edge() -> Edge:
    """Run the real command: ``edge("export", "--int8", cwd=folder)``.

    ``env`` is added to the environment.
    """

    def run(
        *arguments: object,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "edge", *map(str, arguments)]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHONWARN")}
        environment |= env or {}
        return subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
        )

    return run


@pytest.fixture(scope="session")
def eegmmidb() -> Path:
    """Subject 1 of PhysioNet's motor movement recordings."""
    return _shared("eegmmidb/S001")


@pytest.fixture(scope="session")
def b04() -> Path:
    """Subject 4 of BCI Competition IV 2b, as epochs."""
    return _shared("bnci2014-004-epochs/B04.npz")


def _shared(name: str) -> Path:
    path = SHARED_DATA / name
    if not path.exists():
        pytest.skip(f"real recordings are not here: {path}")
    return path


@pytest.fixture(scope="session")
def eca_bundle(edge: Edge, once: Once) -> Path:
    """The embedded default with its sensitivity, exported by the command a user types."""

    def make(folder: Path) -> None:
        out = folder / "eca"
        done = edge("export", "--mode", "eca", "--int8", "--sensitivity", "--out", out)
        assert done.returncode == 0, done.stderr

    return once("eca", make) / "eca"
