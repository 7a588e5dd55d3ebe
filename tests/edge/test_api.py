# SPDX-License-Identifier: BSD-3-Clause
"""The Python API: light to import, typed, and the same work as the command line's."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import edge
from edge.bundle import read as bundle
from edge.checkpoint import files
from edge.checkpoint.model import FloatModel
from edge.errors import AccuracyError, IncompatibleError, UsageError
from edge.spec import ModelSpec
from tests.conftest import ROOT
from tests.networks import SMALL, randomized, windows

SPEC = ModelSpec("eca", 3, 200, 2, SMALL)


def arrays(count: int = 200) -> dict[str, np.ndarray]:
    """Windows that a small network can be trained on."""
    x = windows(SPEC, count)
    y = np.arange(count) % 2
    x[y == 1, 0] *= 3
    return {"X": x, "y": y, "session": np.repeat([1, 2], count // 2)}


def test_importing_is_light() -> None:
    """Neither torch nor numpy; and the names are offered all the same."""
    code = (
        "import sys, edge; print(sorted({'torch', 'numpy', 'click'} & set(sys.modules)), dir(edge))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("[] ")
    assert all(f"'{name}'" in done.stdout for name in edge.__all__)


def test_types() -> None:
    """mypy --strict accepts what is right and refuses what is wrong, by error code."""
    command = [sys.executable, "-m", "mypy", "--strict", "tests/typed_api.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_unknown_name() -> None:
    """As Python says it."""
    with pytest.raises(AttributeError, match="module 'edge' has no attribute 'exprot'"):
        edge.exprot  # type: ignore[attr-defined]  # noqa: B018


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint trained on arrays."""
    out = tmp_path_factory.mktemp("api") / "model"
    made = edge.train("eca", arrays(), out=out, epochs=30, arguments=SMALL, quiet=True)
    assert made.accuracy.n == 100
    assert made.accuracy.share > 0.8
    return out


@pytest.fixture(scope="module")
def made(trained: Path) -> bundle.Bundle:
    """A bundle of it."""
    out = trained.with_name("bundle")
    return edge.export(trained, data=arrays(), targets=["tflite"], out=out, quiet=True)


def test_export_and_run(made: bundle.Bundle) -> None:
    """Logits of arrays, on every runnable of the bundle."""
    golden = made.golden()
    for target, rung in (("tflite", "tflite int8"), ("reference", "reference")):
        logits = edge.run(made, golden["x"], target=target)
        np.testing.assert_array_equal(logits, golden[f"logits/{rung}"])
    floats = edge.run(made.folder, golden["x"], target="tflite", precision="float")
    np.testing.assert_array_equal(floats, golden["logits/tflite float"])
    assert all(not check.problem for check in edge.verify(made))
    assert edge.load(made.folder) == made


def test_live_module(tmp_path: Path) -> None:
    """A module from memory is exported with data, and refused without."""
    module = randomized(SPEC, 0)
    data = arrays()
    made = edge.export(module, data=data, targets=["tflite"], out=tmp_path / "b", quiet=True)
    assert made.manifest.source == "a live model"
    assert made.manifest.data.scaling == "unknown"
    logits = edge.run(made, data["X"][:5], target="float")
    import torch

    with torch.no_grad():
        expected = module(torch.from_numpy(data["X"][:5])).numpy()
    np.testing.assert_allclose(logits, expected, atol=1e-5)
    with pytest.raises(UsageError) as error:
        edge.export(module, out=tmp_path / "c", quiet=True)
    assert str(error.value) == (
        "A live model needs data to be calibrated on: give data=RECORDINGS."
    )


def test_refusals(made: bundle.Bundle, tmp_path: Path) -> None:
    """The command line's errors, as exceptions."""
    with pytest.raises(IncompatibleError) as error:
        edge.run(made, np.zeros((2, 3, 199)))
    assert str(error.value) == "windows has shape (2, 3, 199); expected (n, 3, 200)."
    with pytest.raises(UsageError) as usage:
        edge.train("eca", {"X": np.zeros((4, 3, 200))}, out=tmp_path / "m")
    assert str(usage.value) == "arrays has no array y; it has X."


def test_verify_raises(made: bundle.Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """An artifact that does not hold is an exception, with its name."""
    from edge.bundle import run as runner

    failed = runner.Check("tflite int8", 20, 9, 0.5, False, "", "tflite int8: 9 steps")
    monkeypatch.setattr(runner, "verify", lambda _: (failed,))
    with pytest.raises(AccuracyError, match="tflite int8: 9 steps"):
        edge.verify(made)


def test_the_readme_example(tmp_path: Path) -> None:
    """The ten lines in the README run as they stand."""
    text = (ROOT / "README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.S)
    assert len(code.strip().splitlines()) <= 10
    data = arrays(240)
    program = tmp_path / "example.py"
    program.write_text("from setup import my_model, x, y\n" + code)
    files.save(FloatModel(randomized(SPEC, 0), SPEC), tmp_path)
    np.savez(tmp_path / "d.npz", x=data["X"], y=data["y"])
    (tmp_path / "setup.py").write_text(
        "import numpy as np\n"
        "import edge\n"
        "from braindecode.models import AttentionBaseNet\n"
        "d = np.load('d.npz')\n"
        "x, y = d['x'], d['y']\n"
        "my_model = AttentionBaseNet.from_pretrained('.')\n"
    )
    done = subprocess.run(
        [sys.executable, program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
