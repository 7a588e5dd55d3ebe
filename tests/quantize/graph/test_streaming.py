# SPDX-License-Identifier: BSD-3-Clause
"""Streamed and windowed are the same, whatever the network's shape."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge import registry
from edge.errors import UsageError
from quantize.graph.qgraph import FINER, QGraph
from quantize.graph.streaming import Step, Streaming, plan, pool_stride, refuse_hop
from tests.firmware_bridge.models import mode_graph
from tests.synthetic import Shape, network, windowed

shapes = st.builds(
    Shape,
    n_chans=st.integers(1, 4),
    n_times=st.integers(40, 160),
    n_mixed=st.integers(1, 6),
    length=st.integers(1, 40),
    pool=st.integers(1, 30),
    stride=st.integers(1, 16),
    n_tokens=st.integers(1, 6),
    second=st.integers(1, 9),
    block_pool=st.integers(1, 3),
    gate=st.booleans(),
)
"""Odd and even kernels, kernels longer than a block, pools that are no multiple of their stride."""


def samples(graph: QGraph, n: int, seed: int = 0) -> NDArray[np.generic]:
    """Noise (n, n_chans) as the input holds it."""
    rng = np.random.default_rng(seed)
    n_chans = graph[graph.input].shape[-1]
    if graph[graph.input].quant is None:
        return rng.standard_normal((n, n_chans)).astype(np.float32)
    return rng.integers(-128, 128, (n, n_chans)).astype(np.int8)


def streamed(graph: QGraph, hop: int, x: NDArray[np.generic], seed: int = 0) -> list[Step]:
    """Decisions on a signal that arrives in pieces of random length."""
    rng = np.random.default_rng(seed)
    streaming, found, begin = Streaming(graph, hop), [], 0
    while begin < len(x):
        end = begin + int(rng.integers(0, 2 * hop))
        found += streaming.push(x[begin:end])
        begin = end
    return found


def held_to_reference(graph: QGraph, hop: int, n_decisions: int) -> None:
    """Every decision, the samples they fall on, logits and sums."""
    n_times = graph[graph.input].shape[2]
    x = samples(graph, n_times + (n_decisions - 1) * hop + hop // 2)
    found, expected = streamed(graph, hop, x), windowed(graph, hop, x)
    assert [step.sample for step in found] == [n_times - 1 + i * hop for i in range(n_decisions)]
    stored = np.concatenate([step.logits.stored for step in found])
    if graph[graph.input].quant is None:
        scale = np.abs(expected.stored).max()
        np.testing.assert_allclose(stored, expected.stored, rtol=0, atol=1e-5 * scale)
        return
    np.testing.assert_array_equal(stored, expected.stored)
    sums = np.concatenate([step.logits.accumulator for step in found])
    np.testing.assert_array_equal(sums, expected.accumulator)


@settings(max_examples=60, deadline=None)
@given(shape=shapes, factor=st.integers(1, 4), int8=st.booleans(), seed=st.integers(0, 99))
def test_any_shape(shape: Shape, factor: int, int8: bool, seed: int) -> None:
    """Integers to the bit, floats to 1e-5, from the first window on."""
    assume(shape.possible)
    held_to_reference(network(shape, int8, seed), factor * shape.stride, 5)


@pytest.mark.parametrize(
    ("length", "pool", "stride"),
    [(25, 75, 15), (24, 75, 15), (51, 75, 15), (25, 70, 15), (25, 40, 8), (15, 20, 7)],
)
def test_shapes_of_the_design(length: int, pool: int, stride: int) -> None:
    """The shapes on which variants of the oldest block only fail."""
    shape = Shape(n_times=400, length=length, pool=pool, stride=stride, second=15)
    held_to_reference(network(shape), stride, 12)


@pytest.mark.parametrize("mode", registry.names(registry.MODES))
def test_modes(mode: str) -> None:
    """Five decisions of every mode, default sizes; gates in float agree up to rounding."""
    graph = mode_graph(mode)
    x = samples(graph, 1000 + 4 * 15)
    found, expected = streamed(graph, 15, x), windowed(graph, 15, x)
    difference = np.concatenate([s.logits.stored for s in found]).astype(int) - expected.stored
    assert len(found) == 5
    assert np.abs(difference).max() <= (FINER if graph.float_nodes() else 0)


def test_hops_longer_than_the_window() -> None:
    """Windows that do not overlap have nothing to share and are decided all the same."""
    held_to_reference(network(Shape()), 200, 3)


def test_reset_forgets() -> None:
    """After a reset the decisions on a signal are what they were the first time."""
    graph = network(Shape())
    x = samples(graph, 150)
    streaming = Streaming(graph, 5)
    first = streaming.push(x)
    streaming.push(samples(graph, 37, seed=1))
    streaming.reset()
    again = streaming.push(x)
    assert [step.sample for step in first] == [step.sample for step in again]
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.logits.accumulator, other.logits.accumulator)


def test_little_is_kept() -> None:
    """Mixed samples for one hop and a filter, then a window of tokens; never one of samples."""
    stages = plan(network(Shape(n_times=1000, length=25, pool=75, stride=15, second=15)), 15)
    assert [stage.exit for stage in stages] == [
        *("mix", "temporal_act", "stem_pool.blocks", "expand_act", "pointwise_act")
    ]
    kept = [stage.before.high - stage.oldest for stage in stages]
    assert kept == [15, 39, 28, 5, 60]
    assert [(s.after.low, s.after.high) for s in stages] == [
        *((0, 1000), (12, 988), (1, 65), (1, 61), (8, 54))
    ]


@pytest.mark.parametrize(("hop", "nearest"), [(0, 5), (7, 5), (8, 10), (-3, 5), (999, 1000)])
def test_hops_that_share_nothing(hop: int, nearest: int) -> None:
    """Refused, with the nearest hop that would do."""
    graph = network(Shape())
    assert pool_stride(graph) == 5
    with pytest.raises(UsageError) as caught:
        refuse_hop(graph, hop)
    assert str(caught.value) == (
        f"A hop of {hop} samples is not a multiple of the input pool's stride of 5, so windows "
        f"would share nothing. The nearest hop is {nearest} samples."
    )
