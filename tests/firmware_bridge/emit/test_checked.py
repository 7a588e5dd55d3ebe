# SPDX-License-Identifier: BSD-3-Clause
"""A model finds out whether its constants are what was generated."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge.build import toolchain
from firmware_bridge.emit.generate import Firmware, generate
from firmware_bridge.stream.generate import generate_stream
from quantize.graph.qgraph import QGraph
from tests.firmware_bridge.models import mode_graph

FORMS: Mapping[str, Callable[[QGraph], Firmware]] = {
    "windowed": generate,
    "streaming": lambda graph: generate_stream(graph, 15),
}


def is_intact(files: Mapping[str, str], name: str, folder: Path) -> int:
    """Compile for this machine and ask."""
    toolchain.write(files, folder)
    flags = ["-std=c99", "-O1", "-shared", "-fPIC", f"{name}.c", "-o", "lib.so", "-lm"]
    toolchain.compile_c(toolchain.host_compiler(), flags, cwd=folder)
    return int(getattr(ctypes.CDLL(str(folder / "lib.so")), f"{name}_is_intact")())


@pytest.mark.parametrize("form", FORMS)
def test_one_bit_of_any_constant(form: str, tmp_path: Path) -> None:
    """True as generated; false with one bit of one value of any array turned, also in float."""
    made = FORMS[form](mode_graph("cat"))
    assert is_intact(made.files, made.name, tmp_path / "whole") == 1
    source = made.files[f"{made.name}.c"]
    arrays = re.findall(r"static const (\w+) (\w+)\[\d+\] EDGE_ALIGNED", source)
    assert {kind for kind, _ in arrays} >= {"int8_t", "int32_t", "float"}
    for i in (0, len(arrays) // 2, -1):
        damaged = made.files | {f"{made.name}.c": with_a_bit_turned(source, arrays[i][1])}
        assert is_intact(damaged, made.name, tmp_path / str(i)) == 0, arrays[i]


def with_a_bit_turned(source: str, name: str) -> str:
    """The last value of an array's every definition, changed in its lowest bit."""

    def turned(found: re.Match[str]) -> str:
        value = float.fromhex(found[2].rstrip("f")) if "x" in found[2] else int(found[2])
        if isinstance(value, float):
            bits = np.float32(value).view(np.uint32) ^ np.uint32(1)
            return f"{found[1]}{float(bits.view(np.float32)).hex()}f,\n}};"
        return f"{found[1]}{value ^ 1},\n}};"

    changed, count = re.subn(
        rf"(static const \w+ {name}\[[^;]*?)([^\s,]+),\n\}};", turned, source, flags=re.S
    )
    assert count
    return changed


@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m33", "cortex-a72", "cortex-a76"])
def test_each_port_has_its_own(core: str) -> None:
    """Layouts differ by the port, so checksums do."""
    for package in ("unicorn", "elftools", "ziglang"):
        pytest.importorskip(package)
    from benchmarks.emulate import emulator

    for form, make in FORMS.items():
        firmware = make(mode_graph("eca"))
        asked = asking(firmware)
        machine = emulator.Machine(emulator.build(asked, emulator.CORES[core]))
        run = machine.call("infer", np.zeros(1, np.int8), np.zeros(1, np.int16))
        assert run.output[0] == 1, form


def asking(firmware: Firmware) -> Firmware:
    """A program whose inference is the question."""
    name = firmware.name
    driver = f"""#include "{name}.c"
int asked_infer(void *m, const int8_t *window, int16_t *logits);
int asked_infer(void *m, const int8_t *window, int16_t *logits)
{{
    (void)m;
    (void)window;
    logits[0] = (int16_t){name}_is_intact();
    return 1;
}}
int asked_infer_sums(void *m, const int8_t *window, int32_t *sums);
int asked_infer_sums(void *m, const int8_t *window, int32_t *sums)
{{
    (void)m;
    (void)window;
    sums[0] = 0;
    return 1;
}}
"""
    return replace(firmware, name="asked", files={**firmware.files, "asked.c": driver})
