"""Fixtures that several test files share; what trains or exports is made once a session."""

from __future__ import annotations

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
def eca_bundle(edge: Edge, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded default with its sensitivity, exported by the command a user types."""
    out = tmp_path_factory.mktemp("export") / "eca"
    done = edge("export", "--mode", "eca", "--int8", "--sensitivity", "--out", out)
    assert done.returncode == 0, done.stderr
    return out
