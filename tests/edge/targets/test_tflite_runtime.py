# SPDX-License-Identifier: BSD-3-Clause
"""tflite-runtime 2.14, what older Raspberry Pi images have: numpy 1, Python 3.11 at most."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest

from edge.bundle import read as bundle
from tests.conftest import ROOT

RUN = """
import sys
import numpy as np
from edge.targets.tflite import target as tflite
from tflite_runtime import interpreter
assert tflite._interpreter_module() is interpreter
x = np.load(sys.argv[1])["x"]
for name in sys.argv[2:]:
    for suffix, load in tflite.RUNTIMES.items():
        np.save(f"{name}.{suffix}.npy", load(open(name, "rb").read())(x))
"""


@pytest.fixture(scope="session")
def old_python() -> Path:
    """A Python 3.11 with tflite-runtime 2.14 and numpy below 2, made once and kept."""
    found = sys.executable if sys.version_info[:2] == (3, 11) else shutil.which("python3.11")
    if found is None:
        pytest.skip("tflite-runtime 2.14 needs Python 3.11, which is not installed")
    folder = ROOT / ".cache" / "tflite-runtime-2.14"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        if found == sys.executable:
            venv.create(folder, clear=True, with_pip=True)
        else:
            subprocess.run([found, "-m", "venv", "--clear", folder], check=True)
        packages = ["tflite-runtime==2.14.0", "numpy<2"]
        done = subprocess.run(
            [python, "-m", "pip", "install", "--quiet", *packages],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            pytest.skip(f"tflite-runtime cannot be installed: {done.stderr.splitlines()[-1]}")
        (folder / "ready").touch()
    return python


def test_files_run_in_tflite_runtime(eca_bundle: Path, old_python: Path, tmp_path: Path) -> None:
    """Float and int8 files give the reference's logits within a step, by our own loader."""
    opened = bundle.read(eca_bundle)
    golden = opened.golden()
    np.savez(tmp_path / "x.npz", x=opened.contract().scale(golden["x"]))
    for precision in ("float", "int8"):
        name = f"model.tflite.{precision}.tflite"
        shutil.copy(eca_bundle / name, tmp_path / f"{precision}.tflite")
    files = ["float.tflite", "int8.tflite"]
    done = subprocess.run(
        [old_python, "-c", RUN, "x.npz", *files],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    step = opened.graph().quant("logits").step
    for runtime in ("tflite", "tflite without delegate"):
        int8 = np.load(tmp_path / f"int8.tflite.{runtime}.npy")
        off = np.abs(np.rint(int8 / step) - np.rint(golden["logits/reference"] / step))
        assert off.max() <= 2
        assert (off <= 1).mean() >= 0.97  # 80 logits
        exact = np.load(tmp_path / f"float.tflite.{runtime}.npy")
        np.testing.assert_allclose(exact, golden["logits/braindecode"], atol=1e-3)
