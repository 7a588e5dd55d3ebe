# SPDX-License-Identifier: BSD-3-Clause
"""Emulated devices: exact counts of the bundle's C, beside each other in one table."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from benchmarks.emulate import engine
from benchmarks.emulate.cycles import model
from benchmarks.measure import table
from benchmarks.measure.bench import bench
from benchmarks.measure.findings import Report, Request
from benchmarks.studies import firmware
from edge.errors import AccuracyError, MissingToolError, UsageError
from edge.terminal import console
from firmware_bridge.project.power import Beside
from tests.conftest import ROOT, Edge

for package in ("unicorn", "elftools", "ziglang"):
    pytest.importorskip(package, reason=f"{package} is not installed: pip install '.[firmware]'")

NEEDS = {"cortex-m55": "qemu-system-arm", "rpi4": "qemu-aarch64", "rpi5": "qemu-aarch64"}
INSTALL = {"qemu-system-arm": "qemu-system-arm", "qemu-aarch64": "qemu-user"}
METRICS = ["instructions_per_window", "ram_bytes", "code_bytes", "weights_bytes"]
CYCLES = "cycles_per_window"
LITERT_INT8 = 1_341_000
"""Instructions a window on a Cortex-A76, measured by hand before, of an older lowering."""
ROWS = (("tflite", "float"), ("tflite", "int8"), ("c", "int8"))


def measured(folder: Path, samples: Path, targets: tuple[str, ...], device: str) -> Report:
    """A report of some of a bundle's targets on a device."""
    with console.console(verbose=False) as quiet:
        return bench(Request(folder, samples, targets, (device,)), quiet)


@pytest.mark.parametrize("device", ["cortex-m4", "cortex-m55", "rpi4"])
def test_engine(device: str, eca_bundle: Path, tmp_path: Path) -> None:
    """Four figures, exact (each runner runs twice), below the bars of the firmware study."""
    tool = NEEDS.get(device)
    if tool is not None and shutil.which(tool) is None:
        pytest.skip(f"apt-get install {INSTALL[tool]}")
    report = measured(eca_bundle, tmp_path / "s.jsonl", ("c",), device)
    exact = [r for r in report.results if r.metric != CYCLES]
    assert [r.metric for r in exact] == METRICS
    assert {(r.target, r.precision, r.device, r.low) for r in exact} == {
        ("c", "int8", device, None)
    }
    instructions = report.results[0].value
    core = report.devices[device]["cpu"]
    assert firmware.BARS[core] / 3 < instructions <= firmware.BARS[core]


def test_modelled_cycles(eca_bundle: Path, tmp_path: Path) -> None:
    """A Cortex-M4 has cycles with an interval; a Cortex-M33 has the sentence what is missing."""
    report = measured(eca_bundle, tmp_path / "s.jsonl", ("c",), "cortex-m4")
    (cycles,) = (r for r in report.results if r.metric == CYCLES)
    assert cycles.low == pytest.approx(0.97 * cycles.value)
    assert cycles.high == pytest.approx(1.08 * cycles.value)
    assert 1.4 < cycles.value / report.results[0].value < 1.6
    (counted,) = (made for made in table.tables(report) if made.title == "emulated")
    (column,) = (c for c in counted.columns if c.header == "cycles a window")
    assert [*column.cells] == [f"{cycles.value / 1e6:.2f} M (modelled, -3 to +8 %)"]
    report = measured(eca_bundle, tmp_path / "s.jsonl", ("c",), "cortex-m33")
    assert [r.metric for r in report.results] == METRICS
    assert report.skipped == {CYCLES: model.missing("cortex-m33")}


BOARD = """title = "A board"
core = "cortex-m4"
ram_bytes = 262144
ram_block_bytes = 262144
flash_bytes = 1048576
[sources]
core = "x"
ram_bytes = "x"
flash_bytes = "x"
[power]
clock_hz = 64_000_000
supply_v = 3
run_ua_per_mhz = 50
sleep_ua = 3
[power.sources]
clock_hz = "x"
supply_v = "x"
run_ua_per_mhz = "x"
sleep_ua = "x"
"""


def test_time_and_energy(eca_bundle: Path, tmp_path: Path) -> None:
    """A device of the user's: a decision of chain and network in ms, µJ, mA and hours."""
    board = tmp_path / "board.toml"
    board.write_text(BOARD)
    request = Request(
        eca_bundle, tmp_path / "s", ("c",), (str(board),), beside=Beside(1.5, 2.0, 100.0)
    )
    with console.console(verbose=False) as quiet:
        report = bench(request, quiet)
    found = {r.metric: r for r in report.results}
    cycles, chain = found["cycles_per_decision"], found["chain_cycles_per_decision"]
    assert 130_000 < cycles.value - chain.value < 150_000
    assert 20_000 < chain.value < 90_000
    assert found["decision_ms"].value == pytest.approx(cycles.value / 64e3)
    assert found["duty"].value == pytest.approx(cycles.value / 64e6 / 0.06)
    assert found["decision_uj"].value == pytest.approx(cycles.value * 150e-6)
    average_ma = 3.5 + found["duty"].value * 3.2 + (1 - found["duty"].value) * 0.003
    assert found["average_ma"].value == pytest.approx(average_ma)
    assert found["battery_h"].value == pytest.approx(100 / average_ma)
    for metric in ("decision_ms", "decision_uj", "average_ma", "battery_h"):
        low, high = found[metric].low, found[metric].high
        assert low is not None
        assert high is not None
        assert low < found[metric].value < high
    (line,) = (line for line in table.lines(report) if line.startswith(f"{board}: "))
    assert line.startswith(f"{board}: radio takes 5")
    (shown,) = (made for made in table.tables(report) if made.title == "a decision, modelled")
    assert [c.header for c in shown.columns][3:] == [*table.DECISION.values()]


def test_litert_beside_the_engine(
    eca_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LiteRT's own golden logits on an emulated Raspberry Pi 5, float and int8, beside the C's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(ROOT / ".cache"))
    try:
        report = measured(eca_bundle, tmp_path / "s.jsonl", (), "rpi5")
    except MissingToolError as error:
        pytest.skip(str(error))
    found = {(r.target, r.precision, r.metric): r.value for r in report.results}
    counts = {key: found[*key, METRICS[0]] for key in ROWS}
    assert counts["c", "int8"] <= firmware.BARS["cortex-a76"]
    assert counts["tflite", "int8"] == pytest.approx(LITERT_INT8, rel=0.25)
    assert counts["tflite", "int8"] < counts["tflite", "float"]
    assert found["tflite", "int8", "golden_max_steps"] <= 2
    for key in ROWS:
        ratio = counts["tflite", "int8"] / counts[key]
        assert found[*key, "litert_ratio"] == ratio
    assert found["c", "int8", "litert_ratio"] > 2
    (counted,) = (made for made in table.tables(report) if made.title == "emulated")
    assert [column.header for column in counted.columns][-1] == "LiteRT int8 / this"
    assert counted.row_count == len(ROWS)


def test_what_an_emulated_raspberry_cannot_run(eca_bundle: Path, tmp_path: Path) -> None:
    """Refused by name, with the line to type."""
    with pytest.raises(UsageError) as caught:
        measured(eca_bundle, tmp_path / "s.jsonl", ("onnx",), "rpi4")
    assert str(caught.value) == (
        "rpi4 counts 'tflite' and 'c', not 'onnx'; a real Raspberry Pi is reached by ssh://. "
        f"Type: edge bench {eca_bundle} --device rpi4 --target tflite,c"
    )


def test_several_in_one_table(edge: Edge, eca_bundle: Path, tmp_path: Path) -> None:
    """A row for each device, and the same figures as JSON."""
    asked = ("bench", eca_bundle, "--device", "cortex-m4,cortex-m7")
    shown = edge(*asked, cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    found = json.loads(edge(*asked, "--json", cwd=tmp_path).stdout)["results"]
    assert {r["device"] for r in found} == {"cortex-m4", "cortex-m7"}
    for row in (r for r in found if r["metric"] == "instructions_per_window"):
        (line,) = (line for line in shown.stdout.splitlines() if f"│ {row['device']} " in line)
        assert f" {row['value']:,.0f} " in line


def test_one_that_fails_leaves_the_others(edge: Edge, eca_bundle: Path, tmp_path: Path) -> None:
    """Figures are shown, the exit code is that of the device that failed, with the line to type."""
    (tmp_path / "bin").mkdir()
    for tool in ("gcc", "cc1", "as", "ld"):
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool) or "/usr/bin/false")
    done = edge(
        "bench", eca_bundle, "--device", "cortex-m4", "--device", "rpi4", "--json",
        cwd=tmp_path, env={"PATH": str(tmp_path / "bin")},
    )  # fmt: skip
    why = (
        "A Raspberry Pi is emulated by qemu-aarch64, which is not installed (the one of "
        "qemu-user-static cannot count). Type: apt-get install qemu-user"
    )
    assert done.returncode == 6
    assert done.stderr.splitlines()[-1] == f"edge: rpi4: {why}"
    document = json.loads(done.stdout)
    assert {r["device"] for r in document["results"]} == {"cortex-m4"}
    assert document["failures"] == [{"device": "rpi4", "why": why, "exit_code": 6}]


def test_wrong_integers_are_refused(eca_bundle: Path) -> None:
    """An engine that does not give the golden logits gives no figures either."""
    case = firmware.case_of(eca_bundle)
    engine.refuse_steps(case, 0, "cortex-m4")
    with pytest.raises(AccuracyError) as caught:
        engine.refuse_steps(case, 2, "cortex-m4")
    assert str(caught.value) == (
        "The C engine's logits on cortex-m4 lie up to 2 quantization steps from the golden "
        "vectors; 0 are allowed."
    )
