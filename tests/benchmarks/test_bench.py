"""`edge bench`: what it reports, what it writes, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import entrants, stock
from benchmarks.bench import bench
from benchmarks.findings import Request
from benchmarks.protocol import Protocol
from edge import bundle, console, model
from edge.spec import Precision
from tests.conftest import Edge

SHORT = Protocol(min_rounds=5, limit_s=1.0, processes=1)
LATENCY = {"latency_median_us", "latency_p95_us", "latency_p99_us", "latency_spread"}
OWN = LATENCY | {"load_us", "resident_bytes", "file_bytes"}


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
    ours = OWN | {"planned_bytes", "stock_ratio"}
    assert found == {
        ("executorch", "float"): ours,
        ("executorch", "int8"): ours,
        ("stock-executorch", "float"): OWN | {"planned_bytes"},
        ("stock-executorch", "int8"): OWN | {"planned_bytes"},
        ("stock-onnx", "float"): OWN | {"stock_ratio"},
        ("pytorch", "float"): OWN | {"stock_ratio"},
        ("none", ""): {"resident_bytes"},
    }
    head, *blocks = [json.loads(line) for line in samples.read_text().splitlines()]
    assert head["bundle_sha256"] == report.bundle_sha256
    assert {block["name"] for block in blocks} == {" ".join(key) for key in found if key[1]}
    assert all(block["us"] for block in blocks)


@pytest.fixture(scope="module")
def windows(eca_bundle: Path) -> np.ndarray:
    """Scaled golden windows."""
    opened = bundle.read(eca_bundle)
    return opened.contract().scale(np.asarray(opened.golden()["x"], np.float32))


def test_stock_route_computes_the_same(eca_bundle: Path, windows: np.ndarray) -> None:
    """What is timed beside ours is the same network: float equal, int8 near."""
    module = model.load(eca_bundle).module
    expected = stock.eager(module)(windows)
    golden = bundle.read(eca_bundle).golden()["logits/braindecode"]
    np.testing.assert_allclose(expected, golden, atol=1e-4)
    for name, load in (("executorch_float", "load_executorch"), ("onnx_float", "load_onnx")):
        session = getattr(stock, load)(getattr(stock, name)(module, windows))
        np.testing.assert_allclose(session(windows), expected, atol=1e-4)
    int8 = stock.load_executorch(stock.executorch_int8(module, windows))(windows)
    assert np.abs(int8 - expected).max() < 0.2 * np.abs(expected).max()


def test_command(edge: Edge, eca_bundle: Path, tmp_path: Path) -> None:
    """The JSON of DESIGN.md section 7, and the samples beside."""
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
    assert set(document["devices"]) == {"local"}
    assert [path.name for path in tmp_path.iterdir()] == ["eca.bench.jsonl"]


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
