# SPDX-License-Identifier: BSD-3-Clause
"""The same bits on every core, fast path or plain C, emulated."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.emulate import emulator
from edge import registry
from firmware_bridge.build import cores, footprint
from firmware_bridge.emit.generate import generate
from firmware_bridge.stream.generate import generate_stream
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

CORES = emulator.CORES
PORTS = {"fast": (), "plain": ("-DEDGE_PORTABLE",)}


def held_to_reference(
    graph: QGraph, core: str, count: int, options: tuple[str, ...] = ()
) -> list[emulator.Run]:
    """Run ``count`` windows on a core; every logit and every sum is the reference's."""
    program = emulator.build(generate(graph), CORES[core], (*emulator.OPTIONS, *options))
    machine = emulator.Machine(program)
    stored = stored_windows(graph, count)
    reference = expected(graph, stored)
    runs = []
    for i, window in enumerate(stored):
        run = machine.call("infer", window, reference.stored[i])
        np.testing.assert_array_equal(run.output, reference.stored[i])
        sums = machine.call("infer_sums", window, reference.accumulator[i])
        np.testing.assert_array_equal(sums.output, reference.accumulator[i])
        runs.append(run)
    return runs


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("port", PORTS)
@pytest.mark.parametrize("mode", ["eca", "none"])
def test_shipped_models(mode: str, port: str, core: str) -> None:
    """20 windows of each shipped checkpoint, logits and sums."""
    held_to_reference(shipped_graph(mode), core, 20, PORTS[port])


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("mode", registry.names(registry.MODES))
def test_modes(mode: str, core: str) -> None:
    """20 windows of every mode on every core; gates in float may differ by a step."""
    graph = mode_graph(mode)
    machine = emulator.Machine(emulator.build(generate(graph), CORES[core]))
    stored = stored_windows(graph, 20)
    reference = expected(graph, stored)
    allowed = FINER if graph.float_nodes() else 0
    for window, logits in zip(stored, reference.stored, strict=True):
        run = machine.call("infer", window, logits)
        assert np.abs(run.output.astype(int) - logits).max() <= allowed


@pytest.mark.parametrize("core", ["cortex-m4", "cortex-a72", "cortex-a76"])
@pytest.mark.parametrize("shape", SHAPES)
def test_shapes(shape: str, core: str) -> None:
    """Kernels, pools and channel counts that the fast paths have to round up or refuse."""
    held_to_reference(random_graph(shape), core, 5)


@pytest.mark.parametrize("core", ["cortex-m4", "cortex-a72", "cortex-a76"])
@pytest.mark.parametrize("n_chans", [1, 2, 3, 4, 16, 33])
def test_electrodes(n_chans: int, core: str) -> None:
    """Rows of any length."""
    held_to_reference(random_graph("odd", n_chans=n_chans), core, 5)


@pytest.mark.parametrize("options", [("-O0",), ("-O1",), ("-O3",)])
def test_optimization_changes_nothing(options: tuple[str, ...]) -> None:
    """The written-out loops compile without an optimizer, too."""
    held_to_reference(random_graph("odd"), "cortex-m4", 3, options)


def test_counts_are_repeatable() -> None:
    """The same window on the same core takes the same instructions and the same stack, always."""
    graph = random_graph("odd")
    first, again = (held_to_reference(graph, "cortex-m4", 3) for _ in range(2))
    assert [r.instructions for r in first] == [r.instructions for r in again]
    assert [r.stack_bytes for r in first] == [r.stack_bytes for r in again]
    assert all(0 < run.stack_bytes < 2000 for run in first)


def test_counts_by_step_add_up() -> None:
    """Marked steps together make the whole, less what marking costs."""
    graph = random_graph("odd")
    firmware, core = generate(graph), CORES["cortex-m4"]
    window = stored_windows(graph, 4)[0]
    out = np.zeros(3, np.int16)
    whole = emulator.Machine(emulator.build(firmware, core)).call("infer", window, out)
    marked = emulator.Machine(emulator.build(firmware, core, markers=True))
    steps = marked.call("infer", window, out).by_step
    assert len(steps) == len(firmware.steps) + 1
    assert all(count > 0 for count in steps)
    assert abs(sum(steps) - whole.instructions) < 0.03 * whole.instructions


def test_no_memory_of_its_own() -> None:
    """The linked program has neither data nor bss: all RAM is the caller's."""
    program = emulator.build(generate(shipped_graph("eca")), CORES["cortex-m4"])
    flash = emulator.flash(program.elf)
    assert flash.ram == 0
    assert flash.weights > 3000
    assert flash.code + flash.constants <= 16 * 1024


@pytest.mark.parametrize(("mode", "core"), [("eca", "cortex-a72"), ("cat", "cortex-m4")])
def test_estimates_hold(mode: str, core: str) -> None:
    """What is said where there is no compiler lies above the largest that one made."""
    graph = mode_graph(mode)
    sources = footprint.streaming(generate_stream(graph, 15), graph)
    takes = footprint.of(sources, cores.CORES[core])
    assert takes.code + takes.constants <= sources.code_estimate
    assert takes.weights <= footprint.WIDEST_WEIGHT_BYTES * sources.n_weights
    assert takes.stack <= footprint.STACK_ESTIMATE_BYTES
