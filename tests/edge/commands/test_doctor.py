# SPDX-License-Identifier: BSD-3-Clause
"""`edge doctor`: every target, tool and foreign module, and what to do about it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edge import registry
from edge.commands import _examine as doctor
from edge.patches import shadow
from tests.conftest import ROOT, Edge


def findings(edge: Edge) -> list[dict[str, str]]:
    """The JSON document's lines."""
    done = edge("doctor", "--json")
    assert done.returncode == 0, done.stderr
    document: dict[str, list[dict[str, str]]] = json.loads(done.stdout)
    return document["findings"]


def test_every_target_is_listed(edge: Edge) -> None:
    """A target file brings its own line, and here all can be written and run."""
    lines = {f["what"]: f for f in findings(edge) if f["kind"] == "target"}
    assert sorted(lines) == sorted(registry.names(registry.TARGETS))
    for line in lines.values():
        assert line["found"].startswith("writes and runs (")
        assert line["fix"] == ""


def test_tools_are_found_or_named_with_their_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A compiler on the path is found; one that is not comes with the line that installs it."""
    program = tmp_path / "arm-none-eabi-gcc"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    lines = {f.what: f for f in doctor.examine()}
    assert lines["arm-none-eabi-gcc (C for Cortex-M)"].found == str(program)
    assert lines["gcc (C for this machine)"] == doctor.Finding(
        "compiler", "gcc (C for this machine)", "not installed", "apt-get install gcc"
    )
    qemu = lines["qemu-system-arm (Cortex-M55)"]
    assert (qemu.found, qemu.fix) == ("not installed", "apt-get install qemu-system-arm")


def test_a_missing_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    """A target whose runtime is absent can be written and not run."""
    installed = doctor.installed
    monkeypatch.setattr(doctor, "installed", lambda p: None if p == "onnxruntime" else installed(p))
    line = next(f for f in doctor.examine() if f.what == "onnx")
    assert line.found.startswith("writes (onnx ")
    assert line.fix == "pip install 'eeg-edge[export]'"


def test_cuda_build(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CUDA build of torch works, and the line that saves the gigabytes is given."""
    versions: dict[str, Any] = {"torch": "2.13.0", "nvidia-cuda-runtime": "13.0"}
    monkeypatch.setattr(doctor, "installed", versions.get)
    line = next(f for f in doctor.examine() if f.what == "torch build")
    assert line.fix == f"pip install 'torch==2.13.0+cpu' --index-url {doctor.CPU_INDEX}"


@pytest.fixture(params=["quantize.py", "quantize/__init__.py", "benchmarks.py"])
def foreign(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Somebody else's module, first on Python's path."""
    path = tmp_path / str(request.param)
    path.parent.mkdir(exist_ok=True)
    path.write_text("x = 1\n")
    return path


def shadowed(foreign: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line where a foreign module comes first."""
    first = foreign.parent if foreign.name != "__init__.py" else foreign.parent.parent
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(first), str(ROOT)])}
    command = [sys.executable, "-c", "from edge.cli import main; main()", *arguments]
    return subprocess.run(
        command, cwd="/", env=environment, capture_output=True, text=True, check=False
    )


def test_foreign_module_is_named(foreign: Path) -> None:
    """`edge doctor` still works, and names its path."""
    name = foreign.relative_to(foreign.parents[0 if foreign.name != "__init__.py" else 1]).parts[0]
    done = shadowed(foreign, "doctor", "--json")
    assert done.returncode == 0, done.stderr
    lines = {f["what"]: f for f in json.loads(done.stdout)["findings"]}
    line = lines[f"package {name.removesuffix('.py')}"]
    assert line["found"] == f"shadowed by {foreign}"
    assert line["fix"] == shadow.advice(str(foreign))


def test_foreign_module_breaks_a_command_in_one_line(foreign: Path, tmp_path: Path) -> None:
    """Instead of an ImportError."""
    name = "benchmarks" if foreign.name == "benchmarks.py" else "quantize"
    done = shadowed(foreign, "bench", str(tmp_path))
    assert (done.returncode, done.stderr) == (
        3,
        f"edge: Python finds {str(foreign)!r} where our package {name!r} should be: "
        f"{shadow.advice(str(foreign))}.\n",
    )
