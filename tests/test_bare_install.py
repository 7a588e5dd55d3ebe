# SPDX-License-Identifier: BSD-3-Clause
"""The wheel in an empty environment: four packages, no torch, and a bundle can be read."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel, built as pip builds it."""
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", out, ROOT]
    subprocess.run(command, check=True, capture_output=True)
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``bin`` of an environment with the bare set and nothing else."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=True)
    subprocess.run(
        [folder / "bin" / "pip", "install", "--quiet", wheel], check=True, capture_output=True
    )
    return folder / "bin"


def run(*command: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A command of the bare environment, far from the source tree."""
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd or "/",
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_wheel_holds_the_four_packages(wheel: Path) -> None:
    """And the shipped checkpoints and the example contract, and no tests."""
    names = zipfile.ZipFile(wheel).namelist()
    roots = {name.partition("/")[0] for name in names if ".dist-info" not in name}
    assert roots == {"edge", "quantize", "firmware_bridge", "benchmarks"}
    assert "edge/zoo/eca/model.safetensors" in names
    assert "edge/signal/eegmmidb.toml" in names
    assert {f"{root}/py.typed" for root in roots} <= set(names)


def test_help_without_torch(bare: Path) -> None:
    """``edge --help`` works and torch is absent."""
    done = run(bare / "edge", "--help")
    assert done.returncode == 0, done.stderr
    assert "export" in done.stdout
    done = run(bare / "python", "-c", "import torch")
    assert "No module named 'torch'" in done.stderr


def test_export_names_what_is_missing(bare: Path) -> None:
    """One line, exit code 6, and what to type."""
    done = run(bare / "edge", "export", "--mode", "eca")
    assert done.returncode == 6
    assert done.stderr.splitlines()[-1].startswith("edge: This needs '")
    assert done.stderr.rstrip().endswith("Type: pip install 'eeg-edge[export]'")


def test_reference_runs(bare: Path, eca_bundle: Path, tmp_path: Path) -> None:
    """The integer reference needs numpy only; what needs more is skipped with the line to type."""
    done = run(bare / "edge", "verify", eca_bundle)
    assert done.returncode == 0, done.stderr
    rows = {line.split("│")[1].strip(): line for line in done.stdout.splitlines() if "│" in line}
    assert "ok" in rows["reference"]
    assert "skipped" in rows["tflite int8"]
    assert "eeg-edge[run]" in done.stdout


def test_the_wheel_exports(
    wheel: Path, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    """Installed from the wheel, far from the source tree, the default export works.

    The other packages are lent by this environment; its own editable eeg-edge is not, because
    ``.pth`` files of a folder named in a ``.pth`` file are not read.
    """
    folder = tmp_path_factory.mktemp("exporting")
    venv.create(folder, with_pip=True)
    pip = [folder / "bin" / "pip", "install", "--quiet", "--no-deps", wheel]
    subprocess.run(pip, check=True, capture_output=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "lent.pth").write_text(sysconfig.get_path("purelib"))
    where = run(folder / "bin" / "python", "-c", "import edge; print(edge.__file__)")
    assert where.stdout.startswith(str(site)), where
    export = ("export", "--mode", "eca", "--int8", "--held-out", "96")
    done = run(folder / "bin" / "edge", *export, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith("bundle: edge-eca-int8")


def test_firmware_bridge_and_quantize_import(bare: Path) -> None:
    """What a device needs starts without torch."""
    code = (
        "import firmware_bridge, quantize.graph.reference, edge.bundle.read, "
        "edge.targets.tflite.target"
    )
    assert run(bare / "python", "-c", code).returncode == 0
