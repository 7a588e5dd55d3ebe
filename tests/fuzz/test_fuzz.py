# SPDX-License-Identifier: BSD-3-Clause
"""Two minutes of fuzzing over all surfaces, and every input that once showed a fault.

``make fuzz SECONDS=1800`` goes on from there. The order of inputs is given by a seed, and no more
are tried here than passed before: what is new shows in ``make fuzz``, not in somebody's change.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.errors import UsageError
from tests.fuzz import judge as judging
from tests.fuzz import mutations, native
from tests.fuzz.__main__ import PYTHON
from tests.fuzz.judge import ROOT, Surface

CORPUS = ROOT / "tests" / "fuzz" / "corpus"
COUNTS = {
    "bundle": 40,
    "graph": 60,
    "contract": 370,
    "windows": 1000,
    "checkpoint": 140,
    "recordings": 490,
    "replay": 600,
    "device": 1100,
    "signature": 3600,
    "sweep": 4000,
    "c-graph": 200,
}
"""How many inputs are tried at most, so that a slow and a fast machine try the same ones; longer
runs are ``make fuzz``."""
C_COUNTS = {"c-engine": 6000, "c-stream": 1500, "c-signal": 2000}
PYTHON_SECONDS, C_SECONDS = 8, 16
"""Of each Python surface and each in C."""


def fuzzed(name: str, seconds: float, count: int) -> dict[str, object]:
    """Fuzz a surface in a process of its own; its summary."""
    arguments = ["--seconds", str(seconds), "--surface", name, "--plain"]
    arguments += ["--count", str(count)]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.fuzz", *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-4000:]
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", COUNTS)
def test_damaged_files(name: str) -> None:
    """A value or one line, whatever is in the file."""
    found = fuzzed(name, PYTHON_SECONDS, COUNTS[name])
    assert found["faults"] == []
    assert isinstance(found["runs"], int)
    assert found["runs"] >= 5


@pytest.mark.slow
@pytest.mark.parametrize("name", C_COUNTS)
def test_generated_c(name: str) -> None:
    """No sanitizer complains, and the engines agree with each other."""
    if shutil.which("clang") is None:
        pytest.skip(f"clang is not installed: {native.INSTALL}")
    found = fuzzed(name, C_SECONDS, C_COUNTS[name])
    assert found["faults"] == []
    assert isinstance(found["runs"], int)
    assert found["runs"] >= 20


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(p.name for p in CORPUS.iterdir() if p.name in PYTHON))
def test_what_was_found_is_mended(name: str) -> None:
    """Every damaged file that once gave a traceback."""
    from tests.fuzz.surfaces import SURFACES

    surface = SURFACES[name]()
    with judging.opened(surface) as folder:
        for path in sorted((CORPUS / name).iterdir()):
            assert judging.judge(surface, folder, judging.kept_input(surface, path)) == "", path


def _raises(error: BaseException) -> Callable[[Path, str], None]:
    def read(folder: Path, name: str) -> None:
        raise error

    return read


def _hangs(folder: Path, name: str) -> None:
    while True:
        try:
            time.sleep(30)
        except Exception:  # as a careless reader does
            continue


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (lambda folder, name: (folder / name).read_bytes(), ""),
        (_raises(UsageError("no such thing.")), ""),
        (_raises(UsageError("two\nlines")), "not one line"),
        (_raises(UsageError("a bell \a")), "not one line"),
        (_raises(UsageError("")), "not one line"),
        (_raises(KeyError("unit")), "KeyError: 'unit'"),
        (_raises(KeyboardInterrupt()), "KeyboardInterrupt"),
        (_raises(SystemExit(3)), "SystemExit: 3"),
        (_hangs, "no answer within 1 s"),
    ],
)
def test_faults_are_seen(
    read: Callable[[Path, str], object], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What passes and what does not; the good file is put back."""
    monkeypatch.setattr(judging, "SECONDS", 1)
    surface = Surface("x", {"a.json": b"{}", "b.json": b"[]"}, read)
    with judging.opened(surface) as folder:
        found = judging.judge(surface, folder, b"\x01damage")
        assert found.startswith(expected)
        assert bool(found) == bool(expected)
        assert (folder / "b.json").read_bytes() == b"[]"


def test_memory_is_limited() -> None:
    """A reader that takes a gigabyte is seen, and the machine is not harmed."""
    script = (
        "from tests.fuzz import judge\n"
        "with judge.limits():\n"
        "    print(judge.verdict(lambda: bytearray(2**30)).split(':')[0])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "MemoryError"


@pytest.mark.parametrize("name", ["a.json", "a.toml", "a.npz", "a.npy", "a.safetensors", "a.edf"])
def test_damage_repeats_and_differs(name: str) -> None:
    """The same for a seed; other bytes than the good file's in nearly all cases."""
    good = b'{"a": [1, 2.5, "x"], "b": {"c": null}}\nsecond = 1, 2\n' * 3
    mutate = mutations.mutation(name)
    made = [mutate(good, mutations.Rng(seed)) for seed in range(100)]
    assert made == [mutate(good, mutations.Rng(seed)) for seed in range(100)]
    assert sum(one != good for one in made) > 90
    assert len(set(made)) > 60


def test_damage_to_json_leaves_nothing_behind() -> None:
    """A value that is damaged further later holds neither itself nor a list of odd values."""
    odd, good = repr(mutations.ODD), b'{"a": [[], {}], "b": {"c": [0]}}'
    for seed in range(3000):
        rng = mutations.Rng(seed)
        damaged = good
        for _ in range(6):
            damaged = mutations.document(damaged, rng)[:2000]
    assert repr(mutations.ODD) == odd
