# SPDX-License-Identifier: BSD-3-Clause
"""Cortex-M55 with Helium, and QEMU's counts beside Unicorn's."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from benchmarks.emulate import emulator, qemu
from edge import registry
from firmware_bridge.emit.generate import generate
from quantize.graph.qgraph import FINER, QGraph
from tests.firmware_bridge.models import (
    SHAPES,
    expected,
    mode_graph,
    random_graph,
    shipped_graph,
    stored_windows,
)

for package in ("unicorn", "elftools", "ziglang"):
    pytest.importorskip(package, reason=f"{package} is not installed: pip install '.[firmware]'")
if shutil.which("qemu-system-arm") is None:
    pytest.skip("apt-get install qemu-system-arm", allow_module_level=True)

M55 = qemu.BOARDS["cortex-m55"]


def held_to_reference(graph: QGraph, count: int, options: tuple[str, ...] = ()) -> None:
    """Every logit and every sum of ``count`` windows is the reference's."""
    stored = stored_windows(graph, count)
    reference = expected(graph, stored)
    n_outputs = graph[graph.output].shape[-1]
    made = qemu.replay(generate(graph), M55, stored, n_outputs, (*emulator.OPTIONS, *options))
    np.testing.assert_array_equal(made.logits, reference.stored)
    assert reference.accumulator is not None
    np.testing.assert_array_equal(made.sums, reference.accumulator)


@pytest.mark.parametrize("options", [(), ("-DEDGE_PORTABLE",)], ids=["fast", "plain"])
@pytest.mark.parametrize("mode", ["eca", "none"])
def test_shipped_models(mode: str, options: tuple[str, ...]) -> None:
    """20 windows of each shipped checkpoint on Cortex-M55."""
    held_to_reference(shipped_graph(mode), 20, options)


@pytest.mark.parametrize("mode", registry.names(registry.MODES))
def test_modes(mode: str) -> None:
    """20 windows of every mode with Helium; gates in float may differ by a step."""
    graph = mode_graph(mode)
    stored = stored_windows(graph, 20)
    made = qemu.replay(generate(graph), M55, stored, 4)
    difference = made.logits.astype(int) - expected(graph, stored).stored
    assert np.abs(difference).max() <= (FINER if graph.float_nodes() else 0)


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes(shape: str) -> None:
    """Kernels, pools and channel counts that Helium's path has to round up or refuse."""
    held_to_reference(random_graph(shape), 5)


@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m7"])
def test_both_emulators_count_the_same(core: str) -> None:
    """QEMU's markers enclose the call alone; Unicorn counts what the call executes."""
    graph = random_graph("odd")
    firmware, stored = generate(graph), stored_windows(graph, 3)
    n_outputs = graph[graph.output].shape[-1]
    there = qemu.replay(firmware, qemu.BOARDS[core], stored, n_outputs).instructions
    machine = emulator.Machine(emulator.build(firmware, emulator.CORES[core]))
    out = np.zeros(n_outputs, np.int16)
    assert there == tuple(machine.call("infer", w, out).instructions for w in stored)
