# SPDX-License-Identifier: BSD-3-Clause
"""Engines of `edge firmware` that bring a runtime: their files hold what that runtime is told."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from executorch.extension.pybindings import _portable_lib

from benchmarks.studies import tflm as micro
from edge import registry
from edge.bundle import read as bundle
from edge.errors import IncompatibleError, MissingToolError
from edge.firmware.engines import _cortex_m
from edge.firmware.engines import tflm as engine
from edge.targets.executorch import cortex_m
from edge.targets.runtimes import tflm
from edge.targets.tflite import operations as tflite
from tests.conftest import ROOT, Edge
from tests.edge.firmware.test_project import write
from tests.firmware_bridge.models import expected, random_graph, stored_windows

RUNS_ON_CORTEX_M = ("cbam", "eca", "fca", "ge", "gsop", "none", "se")
"""Modes that ExecuTorch's Cortex-M operators compute."""

pytest.importorskip("tflite_micro", reason="tflite-micro has wheels for Linux x86-64 only")


def test_tflm_model_is_the_artifact(eca_bundle: Path, tmp_path: Path) -> None:
    """The array's bytes are the file's, the resolver has its operators and no others."""
    document = write(eca_bundle, tmp_path / "f", "stm32f407", engine="tflm", name="mine")
    data = (eca_bundle / "model.tflite.int8.tflite").read_bytes()
    text = (tmp_path / "f" / "mine_model.cc").read_text()
    assert f"alignas(16) const unsigned char mine_model[{len(data)}] = {{" in text
    numbers = text.partition("= {")[2].partition("}")[0]
    assert bytes(int(word) for word in re.findall(r"\d+", numbers)) == data
    assert document["ops"] == [
        *("CAST", "CONV_2D", "DEPTHWISE_CONV_2D", "ELU", "LOGISTIC", "MEAN", "MUL", "RESHAPE"),
    ]
    header = (tmp_path / "f" / "mine_ops.h").read_text()
    assert "MicroMutableOpResolver<8>" in header
    assert sorted(re.findall(r"resolver\.(\w+)\(", header)) == sorted(
        engine.RESOLVER[op] for op in document["ops"]
    )


def test_tflm_arena_holds(eca_bundle: Path, tmp_path: Path) -> None:
    """The interpreter runs in what was measured, and the header has a tenth more."""
    data = (eca_bundle / "model.tflite.int8.tflite").read_bytes()
    measured = tflm.arena_bytes(data)
    write(eca_bundle, tmp_path / "f", "nrf52840", engine="tflm")
    header = (tmp_path / "f" / "edge_model.h").read_text()
    (arena,) = map(int, re.findall(r"ARENA_BYTES (\d+)", header))
    assert measured * 1.1 <= arena < measured * 1.1 + 1024


def test_tflm_computes_the_golden_logits(eca_bundle: Path) -> None:
    """What main.cc compares is what its interpreter gives here."""
    golden = bundle.read(eca_bundle).golden()
    data = (eca_bundle / "model.tflite.int8.tflite").read_bytes()
    assert (tflm.infer(data, golden["x_int8"][:, None]) == golden["logits_int16"]).all()


def test_tflm_program_runs(eca_bundle: Path, tmp_path: Path) -> None:
    """Built by its own CMakeLists.txt with TensorFlow Lite Micro in C++, it says PASS."""
    try:
        tree = micro.fetch()
    except MissingToolError as error:
        pytest.skip(str(error))
    write(eca_bundle, tmp_path / "f", "stm32f407", engine="tflm", uv_per_count=0.02235)
    done = subprocess.run(
        [micro.build(tmp_path / "f", tmp_path / "b")], capture_output=True, text=True, check=False
    )
    assert re.fullmatch(r"PASS 1?\d windows\n", done.stdout), done.stdout
    assert done.returncode == 0
    header = tree / micro.HEADERS / "tensorflow/lite/micro/micro_mutable_op_resolver.h"
    methods = set(re.findall(r"TfLiteStatus (Add\w+)\(", header.read_text()))
    assert set(engine.RESOLVER.values()) <= methods


def test_stored_tflm_results_hold() -> None:
    """Every mode's program builds; all but those with EXP replay their golden windows."""
    replays = json.loads(micro.RESULTS.read_text())["replays"]
    assert [one["mode"] for one in replays] == sorted(registry.names(registry.MODES))
    for one in replays:
        assert one["passed"] is (None if "EXP" in one["ops"] else True)


def test_over_budget(edge: Edge, eca_bundle: Path, tmp_path: Path) -> None:
    """The table of who uses what, then one line; exit code 4, and nothing is written."""
    done = edge(
        "firmware", eca_bundle, "--device", "pic32mx250", "--engine", "tflm", "--out", "f",
        cwd=tmp_path,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (4, "")
    *table, line = done.stderr.splitlines()
    used = {row[0]: row[1:3] for row in map(cells, table) if len(row) > 2}
    assert used["stack of a call"] == ["2,048", ""]
    assert used["the device has"] == ["32,768", "122,880"]
    ram, flash = used["windowed, together"]
    assert used["left beside windowed"][0] == f"{32_768 - int(ram.replace(',', '')):,}"
    assert line == (
        f"edge: The windowed program needs {ram} bytes of RAM where there are 32,768 and {flash} "
        f"bytes of flash where there are 122,880 on Microchip PIC32MX250F128B (OpenBCI Cyton). "
        f"Nothing was written. Name another --device, or train on shorter windows or fewer "
        f"channels."
    )
    assert list(tmp_path.iterdir()) == []


def cells(line: str) -> list[str]:
    """A row of a table, stripped."""
    return [cell.strip() for cell in line.strip("│ ").split("│")]


def test_operator_that_micro_lacks() -> None:
    """Its name, and what computes it."""
    with pytest.raises(IncompatibleError) as caught:
        engine.refuse(("CONV_2D", "GELU"))
    assert str(caught.value) == (
        "TensorFlow Lite Micro has no GELU. Type --engine c, which computes it, or train with "
        "another activation."
    )
    assert {*tflite.VERSIONS, *tflite.WIDE_VERSIONS} - set(engine.RESOLVER) == {"GELU"}


@pytest.mark.parametrize("mode", registry.names(registry.MODES))
def test_cortex_m_operators(mode: str) -> None:
    """The reference's integers from ExecuTorch's own operators, or the node that they lack."""
    graph = cortex_m.narrowed(random_graph("even filter", mode=mode))
    if mode not in RUNS_ON_CORTEX_M:
        with pytest.raises(IncompatibleError, match=r"^Node 'gate.*Type --engine c, which"):
            _cortex_m.network(graph, _cortex_m.operators())
        return
    stored = stored_windows(graph, 6)
    net = _cortex_m.network(graph, _cortex_m.operators())
    got = [net(torch.from_numpy(x)[None, None].permute(0, 3, 1, 2)).numpy() for x in stored]
    np.testing.assert_array_equal(np.concatenate(got), expected(graph, stored).stored)


def test_executorch_program(eca_bundle: Path, tmp_path: Path) -> None:
    """A program with the listed operators and planned memory, and the same bytes as an array."""
    document = write(eca_bundle, tmp_path / "f", "nrf52840", engine="executorch", name="mine")
    ops = [
        "aten::view_copy.out",
        "cortex_m::quantized_activation.out",
        "cortex_m::quantized_conv2d.out",
        "cortex_m::quantized_depthwise_conv2d.out",
        "cortex_m::quantized_mul.out",
    ]
    assert document["ops"] == ops
    data = (tmp_path / "f" / "mine.pte").read_bytes()
    numbers = (tmp_path / "f" / "mine_program.cc").read_text().partition("= {")[2]
    assert bytes(int(word) for word in re.findall(r"\d+", numbers.partition("}")[0])) == data
    header = (tmp_path / "f" / "mine_program.h").read_text()
    (planned,) = map(int, re.findall(r"PLANNED_BYTES_0 (\d+)", header))
    assert document["ram_bytes"] == planned < 90_000
    meta = _portable_lib._load_program_from_buffer(data).method_meta("forward")
    assert meta.input_tensor_meta(0).sizes() == (1, 22, 1, 1000)  # the runtime's own reader
    assert meta.output_tensor_meta(0).sizes() == (1, 4)
    listed = (tmp_path / "f" / "ops.cmake").read_text()
    assert f'EXECUTORCH_SELECT_OPS_LIST "{",".join(ops)}"' in listed


def test_executorch_is_for_cortex_m(eca_bundle: Path, tmp_path: Path) -> None:
    """A RISC-V core has no such backend."""
    with pytest.raises(IncompatibleError) as caught:
        write(eca_bundle, tmp_path / "f", "esp32c3", engine="executorch")
    assert str(caught.value) == (
        "ExecuTorch's Cortex-M backend does not run on Espressif ESP32-C3 (4 MB module), which has "
        "a riscv32-imc. Type --engine c."
    )
    assert not (tmp_path / "f").exists()


def test_every_engine_is_in_the_help(edge: Edge) -> None:
    """A name is a file."""
    engines = registry.names(registry.ENGINES)
    assert f"What runs the model: {', '.join(engines)}." in " ".join(
        edge("firmware", "--help").stdout.split()
    )
    assert all((ROOT / "edge" / "firmware" / "engines" / f"{name}.py").exists() for name in engines)
