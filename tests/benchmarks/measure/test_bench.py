# SPDX-License-Identifier: BSD-3-Clause
"""`edge bench`: what it reports, what it writes, and what it refuses."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.devices import parcel
from benchmarks.emulate.cost import case_of
from benchmarks.measure import entrants, fresh, planned, stock
from benchmarks.measure.bench import bench
from benchmarks.measure.findings import Request
from benchmarks.measure.protocol import Protocol
from edge.bundle import child
from edge.bundle import read as bundle
from edge.checkpoint import files
from edge.errors import UsageError
from edge.spec import Precision
from edge.terminal import console
from tests.conftest import ROOT, Edge

SHORT = Protocol(min_rounds=5, limit_s=1.0, processes=1)
LATENCY = {"latency_median_us", "latency_p95_us", "latency_p99_us", "latency_spread"}
OWN = LATENCY | {"load_us", "resident_bytes", "file_bytes"}
PLANNED = OWN | {"planned_bytes"}


def test_report(eca_bundle: Path, tmp_path: Path) -> None:
    """Ours, the stock route's and PyTorch's figures, each with its unit, and every sample."""
    samples = tmp_path / "samples.jsonl"
    with console.console(verbose=False) as quiet:
        report = bench(Request(eca_bundle, samples, ("executorch",), protocol=SHORT), quiet)
    found: dict[tuple[str, str], set[str]] = {}
    for result in report.results:
        assert result.value > 0
        assert result.low is None or result.low <= result.value <= (result.high or 0)
        found.setdefault((result.target, result.precision), set()).add(result.metric)
    ours = PLANNED | {"stock_ratio"}
    assert found == {
        ("executorch", "float"): ours,
        ("executorch", "int8"): ours,
        ("stock-executorch", "float"): PLANNED,
        ("stock-executorch", "int8"): PLANNED,
        ("stock-onnx", "float"): ours,
        ("stock-onnx", "int8"): ours,
        ("pytorch", "float"): OWN | {"stock_ratio"},
        ("none", ""): {"resident_bytes"},
    }
    head, *blocks = [json.loads(line) for line in samples.read_text().splitlines()]
    assert head["bundle_sha256"] == report.bundle_sha256
    assert {block["name"] for block in blocks} == {" ".join(key) for key in found if key[1]}
    assert all(block["us"] for block in blocks)


def test_load_of_the_engine(eca_bundle: Path) -> None:
    """Linked, not compiled, which takes a hundred times as long, nor found in a cache."""
    found = fresh.run("c", eca_bundle / "c", (22, 1000))
    assert 20 < found["load_us"] < 100_000


def test_a_fresh_process_is_confined(tmp_path: Path) -> None:
    """Once it has read a model, it cannot write, start a program or open a connection."""
    code = (
        "import os, socket, sys\n"
        "from benchmarks.measure import fresh\n"
        "assert fresh.measure('tflite', sys.argv[1], (3, 256), 1)['load_us'] > 0\n"
        "for act in (lambda: open('x', 'w'), os.fork, socket.socket):\n"
        "    try:\n"
        "        act()\n"
        "    except PermissionError:\n"
        "        print('refused')\n"
    )
    model = ROOT / "tests" / "golden" / "bundle-v2" / "model.tflite.int8.tflite"
    done = subprocess.run(
        [sys.executable, "-c", code, str(model)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["refused"] * 3
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def windows(eca_bundle: Path) -> np.ndarray:
    """Scaled golden windows."""
    opened = bundle.read(eca_bundle)
    return opened.contract().scale(np.asarray(opened.golden()["x"], np.float32))


def test_stock_route_computes_the_same(eca_bundle: Path, windows: np.ndarray) -> None:
    """What is timed beside ours is the same network: float equal, int8 near."""
    module = files.load(eca_bundle).module
    expected = stock.eager(module)(windows)
    golden = bundle.read(eca_bundle).golden()["logits/braindecode"]
    np.testing.assert_allclose(expected, golden, atol=1e-4)
    for name, load in (("executorch_float", "load_executorch"), ("onnx_float", "load_onnx")):
        session = getattr(stock, load)(getattr(stock, name)(module, windows))
        np.testing.assert_allclose(session(windows), expected, atol=1e-4)
    for name, load in (("executorch_int8", "load_executorch"), ("onnx_int8", "load_onnx")):
        int8 = getattr(stock, load)(getattr(stock, name)(module, windows))(windows)
        assert np.abs(int8 - expected).max() < 0.3 * np.abs(expected).max(), name


def test_command(edge: Edge, eca_bundle: Path, tmp_path: Path) -> None:
    """The JSON that scripts are written against, and the samples beside."""
    done = edge(
        "bench", eca_bundle, "--target", "tflite", "--no-stock", "--limit-s", "1", "--json",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert {result["device"] for result in document["results"]} == {"local"}
    names = ["target", "device", "metric", "unit", "value", "low", "high", "n"]
    assert all(set(names) <= set(result) for result in document["results"])
    assert document["machine"]["cpu"]
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", document["machine"]["revision"])
    assert set(document["devices"]) == {"local"}
    assert [path.name for path in tmp_path.iterdir()] == ["edge-eca-int8.bench.jsonl"]


def test_table(edge: Edge, eca_bundle: Path, tmp_path: Path) -> None:
    """A row for each artifact, and what the figures mean."""
    done = edge(
        "bench", eca_bundle, "--target", "onnx", "--no-stock", "--limit-s", "1", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    for text in ("one window, µs", "load and memory", "Python alone", "latency: the runtime's own"):
        assert text in done.stdout


def test_a_runtime_that_is_not_here(
    eca_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named with the line that installs it, and the others are measured."""
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('not here')")  # for the child
    path = {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    monkeypatch.setattr(child, "_environment", lambda: {**os.environ, **path})
    request = Request(
        eca_bundle, tmp_path / "s.jsonl", ("onnx", "tflite"), stock=False, protocol=SHORT
    )
    with console.console(verbose=False) as quiet:
        report = bench(request, quiet)
    why = (
        "Running an .onnx file needs ONNX Runtime, which is not installed. "
        "Type: pip install onnxruntime"
    )
    assert report.skipped == {"onnx float": why, "onnx int8": why}
    assert {result.target for result in report.results} == {"tflite", "none"}


def test_own_artifacts(eca_bundle: Path) -> None:
    """Every artifact of the bundle takes part, or those asked for."""
    opened = bundle.read(eca_bundle)
    every = entrants.ours(opened, ())
    assert len(every) == len(opened.manifest.artifacts)
    assert [e.precision for e in entrants.ours(opened, ("onnx",))] == list(Precision)


def test_planned_memory(eca_bundle: Path) -> None:
    """Every runtime of ours has a figure; an arena holds at least the largest tensors at once."""
    opened = bundle.read(eca_bundle)
    found = {e.name: planned.planned_bytes(e.target, e.path) for e in entrants.ours(opened, ())}
    state = case_of(eca_bundle).firmware.state_bytes
    assert found.pop("c int8") == state
    graph = opened.graph()
    n_values = max(
        np.prod(graph[name].shape) + np.prod(graph[node.output].shape)
        for node in graph.nodes
        for name in node.inputs
    )
    assert found["tflite int8"] is not None
    assert n_values <= found["tflite int8"] < 1.5 * n_values
    assert found["tflite float"] is not None
    assert 3.5 < found["tflite float"] / found["tflite int8"] < 4.5
    assert all(value is not None and value > 80_000 for value in found.values())


THREADS = """
import os, sys
from pathlib import Path
from benchmarks.measure import entrants
import numpy as np
window = np.zeros((1, 22, 1000), np.float32)
kept = []
for target, path in zip(sys.argv[1::2], sys.argv[2::2]):
    before = []
    for threads in (1, 3):
        kept.append(entrants.open_session(target, Path(path), threads))
        kept[-1](window)
        before.append(len(os.listdir("/proc/self/task")))
    print("threads", target, before[1] - before[0])
"""


def test_threads_reach_the_runtimes(eca_bundle: Path) -> None:
    """A process has as many threads more as are asked for."""
    opened = bundle.read(eca_bundle)
    found = [entrants.ours(opened, (name,))[0] for name in ("executorch", "onnx", "tflite")]
    arguments = [str(part) for entrant in found for part in (entrant.target, entrant.path)]
    command = [sys.executable, "-c", THREADS, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("threads ")]
    assert lines == ["threads executorch 2", "threads onnx 2", "threads tflite 2"]


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (
            {"devices": ("rpi4",)},
            "--threads 2 with --device rpi4, whose instructions are those of one thread. Leave "
            "--threads out, or measure on a device: --device ssh://…",
        ),
        (
            {"stream": True},
            "--stream decodes on one thread, but got --threads 2. Leave it out.",
        ),
    ],
)
def test_threads_where_there_is_one(
    eca_bundle: Path, tmp_path: Path, request_: dict[str, Any], why: str
) -> None:
    """Refused, not ignored."""
    request = Request(eca_bundle, tmp_path / "s.jsonl", threads=2, **request_)
    with console.console(verbose=False) as quiet, pytest.raises(UsageError) as caught:
        bench(request, quiet)
    assert str(caught.value) == why


def test_threads_are_sent_to_a_device(eca_bundle: Path, tmp_path: Path) -> None:
    """With the plan that its runner follows."""
    request = Request(eca_bundle, tmp_path / "s.jsonl", ("onnx",), threads=2)
    packed = parcel.pack(bundle.read(eca_bundle), request, None)
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        plan = archive.extractfile("plan.json")
        assert plan is not None
        assert json.load(plan)["threads"] == 2
