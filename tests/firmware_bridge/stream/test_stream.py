# SPDX-License-Identifier: BSD-3-Clause
"""The streaming engine gives the windowed engine's integers, whatever the network and the hop."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge import registry
from edge.errors import IncompatibleError, UsageError
from firmware_bridge.build import toolchain
from firmware_bridge.emit.generate import generate
from firmware_bridge.host import stream as host_stream
from firmware_bridge.host import windowed as host
from firmware_bridge.stream.generate import generate_stream
from quantize.graph.qgraph import QGraph
from quantize.graph.streaming import all_windows, pool_stride
from tests.firmware_bridge.models import mode_graph
from tests.synthetic import Shape, network, windowed

shapes = st.builds(
    Shape,
    n_chans=st.integers(1, 9),
    n_times=st.integers(60, 160),
    n_mixed=st.integers(1, 9),
    length=st.integers(1, 40),
    pool=st.integers(1, 30),
    stride=st.integers(1, 16),
    n_tokens=st.integers(1, 9),
    second=st.integers(1, 9),
    block_pool=st.integers(1, 3),
    gate=st.booleans(),
)

SHAPES = {
    "default": Shape(22, 1000, 40, 25, 75, 15, 16, 15, 8, 4),
    "even filter": Shape(length=24, n_times=200),
    "long filter": Shape(length=51, n_times=200),
    "blocks of five": Shape(8, 400, 8, 25, 70, 15, 16, 15),
    "stride of eight": Shape(22, 400, 12, 25, 40, 8),
    "coprime": Shape(7, 300, 9, 15, 20, 7),
    "gaps": Shape(pool=6, stride=9),
    "pool of one": Shape(pool=1, stride=1, n_times=60),
    "large blocks": Shape(pool=64, stride=64, n_times=300, block_pool=1),
    "one tap": Shape(length=1, second=1),
}


def signal(graph: QGraph, n: int) -> NDArray[np.int8]:
    """Uniform noise (n, n_chans) with a stretch of either extreme."""
    x = np.random.default_rng(0).integers(-128, 128, (n, graph[graph.input].shape[-1]))
    x[n // 2 : n // 2 + 9], x[-9:] = -128, 127
    return x.astype(np.int8)


def held_to_reference(
    graph: QGraph,
    factor: int,
    count: int,
    options: tuple[str, ...] = ("-O1",),
    spread: bool = False,
) -> None:
    """Sums of ``count`` decisions, those that fall on them, twice with a reset between."""
    hop, n_times = factor * pool_stride(graph), graph[graph.input].shape[2]
    firmware = generate_stream(graph, hop, spread=spread)
    whole = signal(graph, n_times + (count - 1) * hop)
    x = np.concatenate([whole, whole[: firmware.delay]])  # until the last decision comes
    expected = windowed(graph, hop, whole)
    stream = host_stream.open_stream(firmware, options)
    for _ in range(2):
        found = stream.push(x, "push_sums")
        assert [sample for sample, _ in found] == [n_times - 1 + i * hop for i in range(count)]
        np.testing.assert_array_equal([sums for _, sums in found], expected.accumulator)
        stream.push(x[:17])
        stream.reset()
    np.testing.assert_array_equal([y for _, y in stream.push(x)], expected.stored)
    stream.reset()
    np.testing.assert_array_equal([y for _, y in stream.push(x, "push_float")], expected.unrounded)


@pytest.mark.parametrize("factor", [1, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_shapes(shape: str, factor: int) -> None:
    """Odd and even kernels, pools of every kind, kernels longer than a block."""
    held_to_reference(network(SHAPES[shape]), factor, 40)


@pytest.mark.parametrize("factor", [1, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_spread_over_the_pushes(shape: str, factor: int) -> None:
    """The same bits where each push does a part of the work, at most a beat later."""
    graph = network(SHAPES[shape])
    held_to_reference(graph, factor, 12, spread=True)
    made = generate_stream(graph, factor * pool_stride(graph), spread=True)
    assert made.delay < pool_stride(graph)
    assert f"#define EDGE_DELAY {made.delay} " in made.files["edge_stream.h"]


@settings(max_examples=15, deadline=None)
@given(shape=shapes, factor=st.integers(1, 5), seed=st.integers(0, 99))
def test_any_shape(shape: Shape, factor: int, seed: int) -> None:
    """Random ones; windows that a filter nearly fills are refused."""
    assume(shape.possible)
    graph = network(shape, seed=seed)
    try:
        held_to_reference(graph, factor, 20)
    except IncompatibleError as error:
        assert "too short to be streamed" in str(error)  # noqa: PT017


@pytest.mark.parametrize("mode", registry.names(registry.MODES))
def test_modes(mode: str) -> None:
    """300 decisions of every mode: the windowed engine's bits, gates in float included."""
    graph = mode_graph(mode)
    x = signal(graph, 1000 + 299 * 15)
    stream = host_stream.open_stream(generate_stream(graph, 15))
    windowed = host.build(generate(graph), 4)
    expected = windowed.infer(all_windows(x, 1000, 15))
    np.testing.assert_array_equal([logits for _, logits in stream.push(x)], expected)


FUZZ = """
#include "edge_stream.h"
#include <stdio.h>
#include <stdlib.h>
int main(void)
{
    uint32_t seed = 1;
    int n = 0;
    edge_stream_t *m = (edge_stream_t *)malloc(sizeof *m);
    int8_t *frame = (int8_t *)malloc(EDGE_N_CHANS);
    int16_t *logits = (int16_t *)malloc(2 * EDGE_N_OUTPUTS);
    edge_reset(NULL);
    edge_reset(m);
    for (int i = 0; i < 2 * EDGE_N_TIMES; i++) {
        for (int k = 0; k < EDGE_N_CHANS; k++) {
            seed = seed * 1664525u + 1013904223u;
            frame[k] = (int8_t)((int)(seed >> 24) - 128);
        }
        n += edge_push(m, frame, logits) == EDGE_DECIDED;
    }
    if (edge_push(NULL, frame, logits) != EDGE_ERROR || edge_push(m, NULL, logits) != EDGE_ERROR ||
        edge_push(m, frame, NULL) != EDGE_ERROR) {
        return 1;
    }
    free(m); free(frame); free(logits);
    printf("%d\\n", n);
    return 0;
}
"""


@pytest.mark.parametrize("spread", [False, True])
@pytest.mark.parametrize("shape", ["default", "long filter", "coprime", "gaps"])
def test_sanitizers_find_nothing(shape: str, spread: bool, tmp_path: Path) -> None:
    """AddressSanitizer and UndefinedBehaviorSanitizer, all memory sized to the byte."""
    graph = network(SHAPES[shape])
    hop, n_times = pool_stride(graph), graph[graph.input].shape[2]
    firmware = generate_stream(graph, hop, spread=spread)
    toolchain.write({**firmware.files, "main.c": FUZZ}, tmp_path)
    flags = ["-std=c99", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    toolchain.compile_c(
        toolchain.host_compiler(),
        [*flags, "main.c", "edge_stream.c", "-o", "fuzz", "-lm"],
        cwd=tmp_path,
    )
    done = subprocess.run([tmp_path / "fuzz"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    late = (2 * n_times - firmware.delay - n_times) // hop + 1
    assert done.stdout == f"{late}\n"


@pytest.mark.parametrize("language", ["-std=c99", "-std=c++17"])
def test_compiles_without_a_warning(language: str, tmp_path: Path) -> None:
    """Beside the windowed engine of the same name, in one program."""
    graph = network(SHAPES["blocks of five"])
    files = {**generate(graph, "mine").files, **generate_stream(graph, 45, "mine").files}
    toolchain.write(files, tmp_path)
    kind = "c++" if "++" in language else "c"
    flags = [language, *toolchain.WARNINGS, "-O2", "-x", kind, "-c"]
    for source in ("mine.c", "mine_stream.c"):
        toolchain.compile_c(toolchain.host_compiler(), [*flags, source], cwd=tmp_path)
    listed = subprocess.run(
        ["nm", "-g", "--defined-only", "mine_stream.o"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    if kind == "c":
        symbols = sorted(line.split()[-1] for line in listed.stdout.splitlines())
        functions = ("push", "push_float", "push_sums", "reset", "stream_is_intact")
        assert symbols == [f"mine_{function}" for function in functions]


def test_memory() -> None:
    """The default network's state, and the same bytes again."""
    first, again = (generate_stream(network(SHAPES["default"]), 15) for _ in range(2))
    assert first.files == again.files
    assert first.state_bytes <= 8000


def test_positions_that_nothing_reads() -> None:
    """The gate multiplies the 56 of 62 tokens that seven blocks of eight read."""
    source = generate_stream(network(SHAPES["default"]), 15).files["edge_stream.c"]
    sizes = source[source.index("const edge_multiply_sizes sizes = {") :]
    assert "EDGE_SET(n_times) 56," in sizes[: sizes.index(";")]


def test_hops_that_share_nothing() -> None:
    """Refused with the nearest."""
    with pytest.raises(UsageError) as caught:
        generate_stream(network(SHAPES["default"]), 20)
    assert str(caught.value) == (
        "A hop of 20 samples is not a multiple of the input pool's stride of 15, so windows would "
        "share nothing. The nearest hop is 15 samples."
    )


def test_windows_that_a_filter_fills() -> None:
    """Refused; the windowed engine takes them."""
    with pytest.raises(IncompatibleError) as caught:
        generate_stream(
            network(Shape(n_times=41, length=39, pool=15, stride=15, second=1, block_pool=1)), 15
        )
    assert str(caught.value) == (
        "Windows of 41 samples are too short to be streamed behind a filter of 39: a block of the "
        "pool sees both edges. Use the windowed engine."
    )


@pytest.mark.parametrize("spread", [False, True])
@pytest.mark.parametrize("beats", [1, 2, 3])
def test_source_reads_as_written_by_hand(beats: int, spread: bool) -> None:
    """No constant stands where nothing can change it; every place in the arena has a name."""
    graph = mode_graph("eca")
    made = generate_stream(graph, beats * pool_stride(graph), "mine", spread=spread)
    text = made.files["mine_stream.c"]
    code = re.sub(r"= \{ /\*[^}]*\}", "", text)
    assert not re.search(r"(?<!== )(?<!< )\b[01] \? |% 1\b|\+ 0\b|if \(1\)|arena \+ [0-9]", code)
    places = re.findall(r"^    (MINE_AT_\w+) = \d+,", code, re.MULTILINE)
    assert len(places) == len(set(places)) > 10
    assert [name for name in places if len(re.findall(rf"\b{name}\b", code)) < 2] == []
    assert ("phase" in code) == (beats > 1)
