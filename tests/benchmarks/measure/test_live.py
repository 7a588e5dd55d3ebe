# SPDX-License-Identifier: BSD-3-Clause
"""``edge bench --stream``: the parts of a latency, in the form that scripts read."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks.measure import bench, live, table
from benchmarks.measure.findings import About, Request
from benchmarks.studies import realtime
from edge.data import sim
from edge.errors import UsageError
from edge.signal import filters
from edge.stream.live.decision import Rule
from edge.terminal.console import console
from tests.conftest import Edge

ABOUT = About("stream-c", "int8", "local")


def test_what_follows_from_the_contract() -> None:
    """Group delay, half a hop, and half of what is averaged, in µs."""
    contract = sim.DEFAULT.contract()
    found = {r.metric: r.value for r in live.known(ABOUT, contract, Rule(smooth=5))}
    assert found["hop_wait_us"] == pytest.approx(30_000)
    assert found["smoothing_delay_us"] == pytest.approx(120_000)
    median, longest = filters.group_delay(contract.filter, 250.0)
    assert found["filter_delay_us"] == pytest.approx(1e6 * median)
    assert found["filter_delay_max_us"] == pytest.approx(1e6 * longest)


def test_percentiles_of_what_was_measured() -> None:
    """Each with the number of decisions behind it."""
    paced = live.Paced([float(i) for i in range(1, 101)], [1.0] * 100, 0.25)
    found = {r.metric: r for r in live.measured(ABOUT, paced)}
    assert found["compute_p50_us"].value == pytest.approx(50.5)
    assert found["compute_p99_us"].value == pytest.approx(99.01)
    assert found["frame_to_decision_p95_us"].value == 1.0
    assert (found["cpu_share"].value, found["cpu_share"].unit) == (0.25, "share")
    assert {r.n for r in found.values()} == {100}


def test_the_command(edge: Edge, eca_bundle: Path, tmp_path: Path) -> None:
    """Real pacing: three seconds at 250 Hz and a hop of 15 give some fifty decisions."""
    samples = tmp_path / "s.jsonl"
    done = edge("bench", eca_bundle, "--stream", "--limit-s", 3, "--samples", samples, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert not any("\n" in note for note in report["notes"])
    found = {r["metric"]: r for r in report["results"]}
    assert {r["device"] for r in report["results"]} == {"local"}
    assert 49 <= found["compute_p99_us"]["n"] <= 51
    assert 0 < found["compute_p50_us"]["value"] <= found["compute_p99_us"]["value"]
    assert found["cpu_share"]["value"] > 0
    parts = ("filter_delay_us", "hop_wait_us", "compute_median_us", "smoothing_delay_us")
    total = sum(found[part]["value"] for part in parts)
    assert found["sample_to_decision_us"]["value"] == pytest.approx(total)
    assert len(json.loads(samples.read_text().splitlines()[1])["us"]) == found["cpu_share"]["n"]


def test_other_devices_are_refused() -> None:
    """It measures here, and counts on emulated cores."""
    request = Request(Path("b"), Path("s"), devices=("cortex-m4", "rpi4"), stream=True)
    with pytest.raises(UsageError) as error:
        live.refuse(request)
    assert str(error.value) == (
        "--stream measures on this machine and counts on cortex-m4, cortex-m7, cortex-m33, "
        "cortex-a72, cortex-a76, but got --device rpi4. Run it there, or leave --stream out."
    )
    live.refuse(Request(Path("b"), Path("s"), devices=("cortex-m4", "local"), stream=True))


def test_pushes_of_an_emulated_core(eca_bundle: Path, tmp_path: Path) -> None:
    """Mean, longest and every push of a hop; spread, the longest is at most twice the mean."""
    for package in ("unicorn", "elftools", "ziglang"):
        pytest.importorskip(package)
    request = Request(eca_bundle, tmp_path / "s", devices=("cortex-m4",), stream=True)
    with console(verbose=False, quiet=True) as ours:
        report = bench.bench(request, ours)
    found = {(r.target, r.metric): r.value for r in report.results}
    plain, spread = (
        [found[target, f"push_{which}_instructions"] for which in ("mean", "worst", "filling")]
        for target in ("stream-c", "stream-spread-c")
    )
    assert plain[1] > 14 * plain[0] > 14 * plain[2]
    assert spread[1] <= 2 * spread[0]
    assert found["stream-c", "decision_delay_samples"] == 0
    assert 0 < found["stream-spread-c", "decision_delay_samples"] < 15
    assert plain[1] * 1.0 <= 88_467  # what was published
    (line,) = [note for note in report.notes if note.startswith("stream-c on cortex-m4")]
    assert re.search(r"pushes of a hop: 14 x \d\d, 8\d,\d\d\d$", line)
    assert [table.title for table in table.tables(report)] == ["emulated, instructions a frame"]
    assert "µV per count unknown" in report.skipped["signal-chain"]


def test_a_session_against_real_time() -> None:
    """A decision that one side lacks differs; the bar is held by the median of what it took."""
    one = {9: np.float32([1, 2]), 12: np.float32([3, 4])}
    assert realtime.differences(one, {n: row.copy() for n, row in one.items()}) == 0
    assert realtime.differences(one, {9: np.float32([1, 2.5])}) == 2
    found = realtime.Finding("eca", 22, 160.0, 1, 100.0, (0.4, 0.5, 9.0), (0.1, 0.1, 0.1), 2, 0)
    assert (found.times_real_time, found.exact) == (200.0, True)
