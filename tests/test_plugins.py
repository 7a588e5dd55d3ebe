# SPDX-License-Identifier: BSD-3-Clause
"""Other people's packages: one that adds a target, a runner, a board and a command, one broken."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tests.conftest import ROOT, Edge, Once

TARGET = '''
"""npu: the integer graph as two files, which the reference in numpy runs."""
from edge.spec import Precision
from edge.targets.base import Session
from edge.targets.c import ABILITIES
from quantize.graph import files, reference

SUFFIX = ""
PRECISIONS = (Precision.INT8,)
EXACT = True
WRITES_WITH = RUNS_WITH = ()


def write(sources, precision):
    structure, constants = files.encode(sources.graph(precision))
    return {"graph.json": structure, "graph.npz": constants}


def load(content, others=(), threads=1):
    graph = files.decode(content["graph.json"], content["graph.npz"])
    return Session(
        encode=lambda window: window[None],
        invoke=lambda samples: reference.run(graph, samples),
        decode=lambda logits: logits.real[0],
    )


RUNTIMES = {"npu": load}
'''

RUNTIME = '''
"""npu-sim: what runs an npu artifact."""
from edge.spec import Precision
from edge.targets.runtime import Built
from edge_npu import npu

TARGET = IN_EXPORT = "npu"
RUNS_WITH = ()
ABILITIES = npu.ABILITIES
EXACT = True


def build(sources):
    files = npu.write(sources, Precision.INT8)
    return Built(npu.load(files), sum(map(len, files.values())))
'''

RUNNER = '''
"""bench-board: a board on somebody's desk."""
from benchmarks.measure.findings import Findings
from edge.errors import UsageError

def run(opened, device, request, console):
    raise UsageError(f"The board {device!r} is not plugged in.")
'''

COMMAND = '''
import click

@click.command("hello", epilog="Example: edge hello")
def command():
    """Say hello from another package."""
    click.echo("hello from a package")
'''


def _package(folder: Path, name: str, files: dict[str, str], points: dict[str, str]) -> Path:
    """Sources of a small package with entry points, group by group."""
    source = folder / name
    (source / name).mkdir(parents=True)
    (source / name / "__init__.py").touch()
    for file, text in files.items():
        (source / name / file).write_text(dedent(text))
    groups = "\n".join(f'[project.entry-points."{g}"]\n{line}' for g, line in points.items())
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        f'[project]\nname = "{name}"\nversion = "1.2"\n{groups}\n'
    )
    return source


@pytest.fixture(scope="session")
def site(once: Once) -> Path:
    """A folder for PYTHONPATH with both packages, built and installed by pip."""
    board = (ROOT / "firmware_bridge/project/devices/nrf52840.toml").read_text()

    def make(folder: Path) -> None:
        good = _package(
            folder,
            "edge_npu",
            {
                "npu.py": TARGET,
                "sim.py": RUNTIME,
                "bench.py": RUNNER,
                "hello.py": COMMAND,
                "npu-board.toml": board,
            },
            {
                "edge.targets": 'npu = "edge_npu.npu"',
                "edge.runtimes": 'npu-sim = "edge_npu.sim"',
                "edge.devices": 'desk = "edge_npu.bench"',
                "edge.boards": 'npu-board = "edge_npu"',
                "edge.commands": 'hello = "edge_npu.hello"',
            },
        )
        broken = _package(
            folder,
            "edge_torn",
            {"torn.py": "raise RuntimeError('no driver')"},
            dict.fromkeys(
                ("edge.targets", "edge.runtimes", "edge.devices", "edge.commands"),
                'torn = "edge_torn.torn"',
            ),
        )
        pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-compile"]
        done = subprocess.run(
            [*pip, "--target", folder / "site", good, broken],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            pytest.skip(f"pip cannot build a package here: {done.stderr.strip()[-200:]}")

    return once("plugins", make) / "site"


@pytest.fixture
def environment(site: Path) -> dict[str, str]:
    """Where both packages are installed beside ours."""
    return {"PYTHONPATH": f"{ROOT}:{site}"}


TORN = (
    "The {noun} 'torn' of the package 'edge_torn' cannot be loaded: RuntimeError: no driver. "
    "Type: pip install --upgrade edge_torn, or pip uninstall edge_torn"
)


def test_a_command_of_another_package(edge: Edge, environment: dict[str, str]) -> None:
    """It is listed and runs like our own, beside one that cannot be loaded."""
    listed = edge("--help", variables=environment)
    assert listed.returncode == 0, listed.stderr
    assert "hello     Say hello from another package." in listed.stdout
    assert "export " in listed.stdout
    done = edge("hello", variables=environment)
    assert (done.returncode, done.stdout) == (0, "hello from a package\n")


def test_a_broken_command_names_its_package(edge: Edge, environment: dict[str, str]) -> None:
    """And fails alone."""
    done = edge("torn", variables=environment)
    assert (done.returncode, done.stderr) == (6, f"edge: {TORN.format(noun='command')}\n")


def test_a_device_of_another_package(
    edge: Edge, eca_bundle: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    """A runner measures, and a board is a budget for firmware."""
    done = edge("bench", eca_bundle, "--device", "desk", cwd=tmp_path, variables=environment)
    assert done.returncode == 2
    assert done.stderr.endswith("edge: The board 'desk' is not plugged in.\n")
    unknown = edge("bench", eca_bundle, "--device", "dsk", cwd=tmp_path, variables=environment)
    assert "Did you mean 'desk'?" in unknown.stderr
    out = tmp_path / "firmware"
    made = edge(
        "firmware", eca_bundle, "--device", "npu-board", "--out", out, variables=environment
    )
    assert made.returncode == 0, made.stderr
    assert json.loads((out / "firmware.json").read_text())["device"]["name"] == "npu-board"


def test_doctor_lists_other_packages(edge: Edge, environment: dict[str, str]) -> None:
    """What they add, and what cannot be loaded and why."""
    done = edge("doctor", "--json", variables=environment)
    assert done.returncode == 0, done.stderr
    plugins = {f["what"]: f for f in json.loads(done.stdout)["findings"] if f["kind"] == "plugin"}
    assert plugins["target npu (package edge_npu)"]["found"] == "1.2"
    torn = plugins["target torn (package edge_torn)"]
    assert torn["found"] == TORN.format(noun="target").partition(" Type: ")[0]
    assert torn["fix"] == "pip install --upgrade edge_torn, or pip uninstall edge_torn"


def test_a_target_of_another_package(
    edge: Edge, environment: dict[str, str], tmp_path: Path
) -> None:
    """It is exported, judged, held to the reference, verified and run like our own."""
    export = (
        *("export", "--mode", "none", "--int8", "--held-out", "96"),
        *("--targets", "npu", "--out", "made", "--json"),
    )
    done = edge(*export, cwd=tmp_path, variables=environment)
    assert done.returncode == 0, done.stderr
    (artifact,) = json.loads(done.stdout)["artifacts"]
    assert (artifact["target"], artifact["verdict"]) == ("npu", "FULL")
    assert sorted(path.name for path in (tmp_path / "made" / "npu").iterdir()) == [
        "graph.json",
        "graph.npz",
    ]
    done = edge("verify", "made", cwd=tmp_path, variables=environment)
    assert done.returncode == 0, done.stderr
    assert "npu int8" in done.stdout
    # without the package the bundle opens, and says what it cannot run
    done = edge("run", "made", "--target", "npu", "--input", "x.npy", "--output", "y.npy",
                cwd=tmp_path)  # fmt: skip
    assert done.returncode != 0
    assert "Traceback" not in done.stderr


def test_a_broken_target_takes_nothing_down(
    edge: Edge, environment: dict[str, str], tmp_path: Path
) -> None:
    """An export of our own targets works; asking for the broken one names its package."""
    done = edge(
        "export", "--mode", "none", "--targets", "torn", cwd=tmp_path, variables=environment
    )
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        6, f"edge: {TORN.format(noun='target')}",
    )  # fmt: skip
    ours = ("export", "--mode", "none", "--targets", "tflite", "--held-out", "96")
    done = edge(*ours, cwd=tmp_path, variables=environment)
    assert done.returncode == 0, done.stderr
