# SPDX-License-Identifier: BSD-3-Clause
"""The streaming engine's integers on emulated cores, fast path or plain C."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmarks.emulate import emulator, stream_emulator
from firmware_bridge.build import toolchain
from firmware_bridge.stream.generate import generate_stream
from quantize.graph.qgraph import QGraph
from quantize.graph.streaming import pool_stride
from tests.firmware_bridge.stream.test_stream import SHAPES, signal
from tests.synthetic import network, windowed

for package in ("unicorn", "elftools", "ziglang"):
    pytest.importorskip(package, reason=f"{package} is not installed: pip install '.[firmware]'")


def held_to_reference(
    graph: QGraph,
    core: str,
    count: int,
    options: tuple[str, ...] = (),
    factor: int = 1,
    compiler: str = "zig",
) -> list[emulator.Run]:
    """Every decision's logits; the first ones too, before which there was nothing."""
    hop, n_times = factor * pool_stride(graph), graph[graph.input].shape[2]
    x = signal(graph, n_times + (count - 1) * hop)
    expected = windowed(graph, hop, x)
    built = stream_emulator.build(
        generate_stream(graph, hop),
        emulator.CORES[core],
        (*emulator.OPTIONS, *options),
        compiler=compiler,
    )
    runs = list(stream_emulator.replay(built, x, n_times, expected.stored.shape[1]))
    np.testing.assert_array_equal([run.output for run in runs], expected.stored)
    return runs


def test_500_decisions() -> None:
    """The default network on a Cortex-M4, and what the issue allows it."""
    graph = network(SHAPES["default"])
    runs = held_to_reference(graph, "cortex-m4", 500)
    ram = generate_stream(graph, 15).state_bytes + max(run.stack_bytes for run in runs)
    assert ram <= 10 * 1024


@pytest.mark.parametrize(("hop", "bar"), [(15, 2.0), (45, 2.5)])
def test_spread_work_is_even(hop: int, bar: float) -> None:
    """The dearest push takes at most twice the mean, and no decision changes; without, 15 times.

    At a hop of three beats only the third one decides, so its pushes do more than the others'.
    """
    graph, n = network(SHAPES["default"]), 4
    x = signal(graph, 1000 + n * hop)
    expected = windowed(graph, hop, x).stored
    share = {}
    for spread in (False, True):
        firmware = generate_stream(graph, hop, spread=spread)
        core = emulator.CORES["cortex-m4"]
        runs = list(stream_emulator.pushes(firmware, core, x, expected.shape[1]))
        given = [(i, run.logits) for i, run in enumerate(runs) if run.logits is not None]
        for (i, logits), stored, k in zip(given, expected, range(n), strict=False):
            assert i == 999 + k * hop + firmware.delay
            np.testing.assert_array_equal(logits, stored)
        assert len(given) >= n
        steady = [run.instructions for run in runs[1000 + hop : 1000 + 2 * hop]]
        share[spread] = max(steady) / np.mean(steady)
        before = [run.instructions for run in runs[:985]]
        assert np.mean(before) < 0.95 * np.mean(steady)
    assert share[True] <= bar < 10 < share[False]


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes(shape: str) -> None:
    """Parities and sizes that the fast path has to tell apart, hops of one beat and of three."""
    for factor in (1, 3):
        held_to_reference(network(SHAPES[shape]), "cortex-m4", 6, factor=factor)


@pytest.mark.parametrize("core", ["cortex-m7", "cortex-a72", "cortex-a76"])
@pytest.mark.parametrize("shape", ["blocks of five", "coprime", "long filter"])
def test_other_cores(shape: str, core: str) -> None:
    """The same bits; channels that fill no vector, a window that begins before its beat's rows."""
    held_to_reference(network(SHAPES[shape]), core, 6)


@pytest.mark.parametrize("options", [("-O0",), ("-O3",), ("-DEDGE_PORTABLE",)])
def test_optimization_changes_nothing(options: tuple[str, ...]) -> None:
    """The written-out loops compile without an optimizer, too."""
    held_to_reference(network(SHAPES["blocks of five"]), "cortex-m4", 6, options)


@pytest.mark.parametrize("shape", ["default", "long filter"])
def test_gcc(shape: str, tmp_path: Path) -> None:
    """What Arm's toolchain makes of them; a long filter's loop is longer than it believes."""
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("arm-none-eabi-gcc is not installed: apt install gcc-arm-none-eabi")
    graph = network(SHAPES[shape])
    held_to_reference(graph, "cortex-m4", 4, compiler="gcc")
    folder = toolchain.write(generate_stream(graph, 15).files, tmp_path)
    core = emulator.CORES["cortex-m4"]
    for standard, language in (("-std=c99", "c"), ("-std=c++17", "c++")):
        flags = [*core.gcc, standard, *toolchain.WARNINGS, "-O2", "-x", language, "-c"]
        toolchain.compile_c((core.compiler,), [*flags, "edge_stream.c"], cwd=folder)
