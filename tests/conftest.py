# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures that several test files share; what trains or exports is made once for a code."""

from __future__ import annotations

import fcntl
import hashlib
import inspect
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from benchmarks.measure import tool
from tests import bytecode, durations, forked

if sys.dont_write_bytecode and not bytecode.is_compiled("torch"):
    bytecode.keep(Path(__file__).parents[1] / ".cache" / "bytecode")
if "PYTEST_XDIST_WORKER" in os.environ:  # a process per core: threads beyond it fight for them
    os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"

Edge = Callable[..., "subprocess.CompletedProcess[str]"]

Once = Callable[[str, Callable[[Path], None]], Path]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what trains or exports, and what was measured to take long: ``make check`` skips it.

    One test of the default bundle comes first, which makes it, and the others last, so that no
    worker waits for another that makes it.
    """
    slow = durations.slow_functions()
    for item in items:
        name = durations.function_of(item.nodeid)
        file = name.partition("::")[0]
        if "once" in getattr(item, "fixturenames", ()) or {name, file} & slow:
            item.add_marker(pytest.mark.slow)
    of_bundle = [item for item in items if "eca_bundle" in getattr(item, "fixturenames", ())]
    others = [item for item in items if "eca_bundle" not in getattr(item, "fixturenames", ())]
    items[:] = [*of_bundle[:1], *others, *of_bundle[1:]]


CACHE = ROOT / ".cache" / "tests"
RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID", uuid.uuid4().hex)
"""The same in every worker of a run."""


@pytest.fixture(scope="session")
def once() -> Once:
    """Make a folder once for a code, whichever worker asks first: ``once(name, make)``.

    The others wait for it, and a later run takes it over as long as neither our packages, nor what
    is installed, nor the file that defines ``make``, nor a byte of the folder has changed. What
    ``make`` leaves there is for reading only.
    """

    def get(name: str, make: Callable[[Path], None]) -> Path:
        source = Path(str(inspect.getsourcefile(make))).relative_to(ROOT)
        folder = CACHE / f"{name}-{tool.key(str(source), 'tests/conftest.py')[:16]}"
        CACHE.mkdir(parents=True, exist_ok=True)
        with (CACHE / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            seal, failed = folder.with_suffix(".sha256"), folder.with_suffix(".failed")
            if failed.exists() and failed.read_text() == RUN:
                pytest.fail(f"{name} could not be made, see the first test that needed it")
            if not (seal.exists() and seal.read_text() == _digest(folder)):
                failed.write_text(RUN)
                for old in CACHE.glob(f"{name}-*"):
                    if old != failed:
                        shutil.rmtree(old) if old.is_dir() else old.unlink()
                folder.mkdir()
                try:
                    make(folder)
                except pytest.skip.Exception:
                    failed.unlink()
                    raise
                seal.write_text(_digest(folder))
                failed.unlink()
        return folder

    return get


def _digest(folder: Path) -> str:
    """sha256 of a folder's files and their names."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(folder)}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


@pytest.fixture(scope="session")
def server() -> Iterator[forked.Server]:
    """The process that runs commands."""
    one = forked.Server()
    yield one
    one.close()


@pytest.fixture(scope="session")
def edge(server: forked.Server) -> Edge:
    """Run the real command: ``edge("export", "--int8", cwd=folder)``.

    It is a process of its own, forked from one that has imported the libraries
    (:mod:`tests.forked`), with ``variables`` added to the environment. With ``env``, which is added
    too, Python starts afresh.
    """

    def run(
        *arguments: object,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        if env is None:
            return server.run([*map(str, arguments)], cwd, variables or {})
        command = [sys.executable, "-m", "edge", *map(str, arguments)]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHONWARN")}
        environment |= env
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
    """The embedded default, exported by the command a user types; what it said is beside it."""

    def make(folder: Path) -> None:
        done = edge(*EXPORT.split()[1:], cwd=folder)
        assert done.returncode == 0, done.stderr
        (folder / SAID).write_text(done.stdout)

    return once("eca", make) / "edge-eca-int8"


EXPORT = "edge export --mode eca --int8"
SAID = "said.txt"
