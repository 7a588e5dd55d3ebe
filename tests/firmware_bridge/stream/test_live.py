# SPDX-License-Identifier: BSD-3-Clause
"""Frames go from an interrupt to a thread: none is torn, mixed up or lost in silence."""

from __future__ import annotations

import ctypes
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firmware_bridge.build import toolchain
from firmware_bridge.stream.generate import StreamFirmware, generate_stream
from firmware_bridge.stream.live import generate_live
from tests.firmware_bridge.stream.test_stream import signal
from tests.synthetic import Shape, network, windowed

SHAPE = Shape(n_chans=5, n_times=60, stride=5, pool=10, length=9)
HOP, N_OUTPUTS = 10, 3
ERROR, OVERRUN, NOTHING_YET, DECIDED = -1, -2, 0, 1


def made() -> tuple[StreamFirmware, dict[str, str]]:
    """A small network and all files of its live form."""
    firmware = generate_stream(network(SHAPE), HOP)
    return firmware, {**firmware.files, **generate_live(firmware, SHAPE.n_chans, N_OUTPUTS)}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The live form, compiled for this machine with warnings as errors."""
    folder = toolchain.write(made()[1], tmp_path_factory.mktemp("live"))
    flags = ["-std=c99", *toolchain.WARNINGS, "-O1", "-shared", "-fPIC"]
    sources = ["edge_live.c", "edge_stream.c", "-o", "live.so", "-lm"]
    toolchain.compile_c(toolchain.host_compiler(), [*flags, *sources], cwd=folder)
    return ctypes.CDLL(str(folder / "live.so"))


class Live:
    """The struct and its functions."""

    def __init__(self, library: Any) -> None:
        self.library = library
        self.state = np.full(4096, 0x55AA55AA, np.uint32)  # the reset has to set all of it
        self.logits = np.zeros(N_OUTPUTS, np.int16)
        library.edge_live_reset(self.at(self.state))

    @staticmethod
    def at(values: np.ndarray[Any, Any]) -> ctypes.c_void_p:
        """An address."""
        return ctypes.c_void_p(values.ctypes.data)

    def take(self, frame: np.ndarray[Any, Any]) -> int:
        """In the interrupt."""
        return int(self.library.edge_take(self.at(self.state), self.at(frame)))

    def decide(self) -> int:
        """In the thread."""
        return int(self.library.edge_decide(self.at(self.state), self.at(self.logits)))


def test_any_interleaving_gives_the_same_decisions(library: Any) -> None:
    """Frames in, decisions out, whenever the thread runs, as long as it is late by 16 at most."""
    graph = network(SHAPE)
    x = signal(graph, 400)
    expected = windowed(graph, HOP, x).stored
    rng = np.random.default_rng(0)
    live, given, waiting = Live(library), [], 0
    for frame in x:
        assert live.take(frame) == NOTHING_YET
        waiting += 1
        if waiting == 16 or rng.random() < 0.1:
            while (status := live.decide()) != NOTHING_YET:
                assert status == DECIDED
                given.append(live.logits.copy())
            waiting = 0
    np.testing.assert_array_equal(given, expected[: len(given)])
    assert len(given) >= len(expected) - 2
    assert library.edge_lost(live.at(live.state)) == 0


def test_overrun_is_counted_and_reported(library: Any) -> None:
    """16 frames have a place; what finds none is counted, and decisions begin anew behind it."""
    graph = network(SHAPE)
    x = signal(graph, 400)
    live = Live(library)
    said = [live.take(frame) for frame in x[:20]]
    assert said == [NOTHING_YET] * 16 + [OVERRUN] * 4
    assert library.edge_lost(live.at(live.state)) == 4
    assert live.decide() == NOTHING_YET  # the frame behind the hole is not there yet
    assert live.take(x[20]) == NOTHING_YET
    assert live.decide() == OVERRUN
    statuses = []
    for frame in x[21:100]:
        live.take(frame)
        statuses.append(live.decide())
    first = statuses.index(DECIDED)
    assert set(statuses[:first]) == {NOTHING_YET}
    assert 21 + first == 20 + SHAPE.n_times - 1  # the window that begins behind the hole
    assert library.edge_lost(live.at(live.state)) == 4


def test_null(library: Any) -> None:
    """An error, and never "nothing yet"."""
    live, frame = Live(library), np.zeros(SHAPE.n_chans, np.int8)
    at = live.at
    assert library.edge_take(None, at(frame)) == library.edge_take(at(live.state), None) == ERROR
    assert (
        library.edge_decide(None, at(frame)) == library.edge_decide(at(live.state), None) == ERROR
    )
    assert library.edge_lost(None) == 0
    library.edge_live_reset(None)


THREADS = """
#include "edge_live.h"
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
static edge_live_t live;
static edge_stream_t alone;
static int8_t frames[N][EDGE_N_CHANS];
static void *produce(void *unused)
{
    for (int i = 0; i < N; i++) {
        while (live.queue.head - live.queue.tail >= EDGE_LAG) {
            sched_yield();
        }
        if (edge_take(&live, frames[i]) != EDGE_NOTHING_YET) {
            return &live;
        }
    }
    return unused;
}
int main(void)
{
    uint32_t seed = 1;
    for (int i = 0; i < N * EDGE_N_CHANS; i++) {
        seed = seed * 1664525u + 1013904223u;
        frames[i / EDGE_N_CHANS][i % EDGE_N_CHANS] = (int8_t)((int)(seed >> 24) - 128);
    }
    edge_live_reset(&live);
    edge_reset(&alone);
    pthread_t thread;
    void *failed;
    pthread_create(&thread, NULL, produce, NULL);
    int n = 0, next = 0;
    while (next + EDGE_HOP <= N) {
        int16_t logits[EDGE_N_OUTPUTS], expected[EDGE_N_OUTPUTS];
        if (edge_decide(&live, logits) != EDGE_DECIDED) {
            sched_yield();
            continue;
        }
        while (edge_push(&alone, frames[next++], expected) != EDGE_DECIDED) {
        }
        if (memcmp(logits, expected, sizeof logits)) {
            return 1;
        }
        n++;
    }
    pthread_join(thread, &failed);
    printf("%d %u\\n", n, edge_lost(&live));
    return failed != NULL;
}
"""


def test_two_threads(tmp_path: Path) -> None:
    """30,000 frames from one to the other: every decision is that of pushing them one by one."""
    n = 30_000
    toolchain.write({**made()[1], "main.c": THREADS}, tmp_path)
    flags = ["-std=gnu99", "-O2", f"-DN={n}", "main.c", "edge_live.c", "edge_stream.c"]
    command = [*flags, "-o", "main", "-lpthread", "-lm"]
    toolchain.compile_c(toolchain.host_compiler(), command, cwd=tmp_path)
    done = subprocess.run(
        [tmp_path / "main"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, f"{(n - SHAPE.n_times) // HOP + 1} 0\n")


DRIVER = """
#include "edge_live.h"
int taking_infer(edge_live_t *live, const int8_t *frame, int16_t *logits);
int taking_infer(edge_live_t *live, const int8_t *frame, int16_t *logits)
{
    (void)logits;
    return 1 + (int)edge_take(live, frame);
}
int taking_infer_sums(edge_live_t *live, const int8_t *frame, int32_t *sums);
int taking_infer_sums(edge_live_t *live, const int8_t *frame, int32_t *sums)
{
    (void)frame;
    (void)sums;
    edge_live_reset(live);
    return 1;
}
"""


@pytest.mark.parametrize("n_chans", [8, 22])
def test_interrupt_is_short(n_chans: int) -> None:
    """A frame is taken in 100 instructions of a Cortex-M4 at most, whatever waits."""
    for package in ("unicorn", "elftools", "ziglang"):
        pytest.importorskip(package)
    from benchmarks.emulate import emulator

    firmware = generate_stream(network(replace(SHAPE, n_chans=n_chans)), HOP)
    live = generate_live(firmware, n_chans, N_OUTPUTS)
    taking = '#include "edge_stream.c"\n#include "edge_live.c"\n' + DRIVER
    files = {**firmware.files, **live, "taking.c": taking}
    program = emulator.build(
        replace(firmware, name="taking", files=files), emulator.CORES["cortex-m4"]
    )
    machine = emulator.Machine(replace(program, state_bytes=2**15))  # that of the live form
    frame = np.zeros((1, n_chans), np.int8)
    machine.call("infer_sums", frame, np.zeros(1, np.int32))
    counts = [machine.call("infer", frame, np.zeros(1, np.int16)).instructions for _ in range(16)]
    print(counts)
    assert max(counts) <= 100
    with pytest.raises(RuntimeError):  # the 17th finds no place, and the driver says so
        machine.call("infer", frame, np.zeros(1, np.int16))
