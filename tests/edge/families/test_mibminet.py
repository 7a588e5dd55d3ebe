# SPDX-License-Identifier: BSD-3-Clause
"""MI-BMInet: its published size, and the same that every family is held to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.emulate.cost import macs
from edge.checkpoint import build, live
from edge.errors import IncompatibleError
from edge.spec import ModelSpec, Precision, Verdict
from edge.targets import runtime
from firmware_bridge.emit.generate import generate
from firmware_bridge.host import stream as host_stream
from firmware_bridge.host import windowed as host
from firmware_bridge.stream.generate import generate_stream
from quantize.graph.streaming import all_windows
from tests.edge.families import held
from tests.networks import randomized

SPEC = ModelSpec(
    "mibminet", 5, 150, 3, {"n_filters": 6, "filter_length": 17, "pool_length": 5}
)  # fmt: skip


@st.composite
def specs(draw: st.DrawFn) -> ModelSpec:
    """Every argument."""
    integers = lambda low, high: draw(st.integers(low, high))  # noqa: E731
    arguments = {
        "n_filters": integers(1, 9),
        "filter_length": integers(1, 40),
        "pool_length": integers(1, 8),
        "separable_length": integers(1, 16),
        "second_pool_length": integers(1, 8),
        "activation": draw(st.sampled_from(["ReLU", "ELU", "SiLU"])),
    }
    return ModelSpec("mibminet", integers(1, 9), integers(80, 200), integers(2, 4), arguments)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(specs(), st.integers(0, 2**16))
def test_lowered_is_the_same(spec: ModelSpec, seed: int) -> None:
    """The offset of the first norm ends where the window does."""
    held.lowered_equals(spec, seed)


def test_its_size_is_the_published_one() -> None:
    """3,076 parameters; 1.62 million multiplications for 22 electrodes and 1125 samples."""
    spec = ModelSpec("mibminet", 22, 1125, 4)
    module = build.build(spec).module
    assert sum(parameter.numel() for parameter in module.parameters()) == 3076
    small = held.quantized(SPEC).graph(Precision.INT8)
    assert macs(small) < 1_620_768


@pytest.mark.parametrize("written", held.TARGETS)
def test_every_target(written: str) -> None:
    """Both precisions, every runtime."""
    held.runs_on(SPEC, written)


def test_int8() -> None:
    """Near float, and in int8 throughout on TFLite and in C."""
    assert held.median_sqnr_db(SPEC) > 25
    graph = held.quantized(SPEC).graph(Precision.INT8)
    assert {runtime.judge_target(graph, n).verdict for n in ("tflite", "c")} == {Verdict.FULL}


def test_streamed_equals_windowed() -> None:
    """50 decisions, one every pool, to the last bit, beyond both edges of the window."""
    graph = held.quantized(SPEC).graph(Precision.INT8)
    x = np.random.default_rng(0).integers(-128, 128, (150 + 49 * 5, 5)).astype(np.int8)
    stream = host_stream.open_stream(generate_stream(graph, 5))
    expected = host.build(generate(graph), 3).infer(all_windows(x, 150, 5))
    np.testing.assert_array_equal([logits for _, logits in stream.push(x)], expected)


def test_a_live_module_is_taken() -> None:
    """Though braindecode has no such class."""
    model = live.from_module(randomized(SPEC, 2))
    assert (model.spec.mode, model.spec.arguments["n_filters"]) == ("mibminet", 6)


def test_pools_that_leave_nothing_are_refused() -> None:
    """One line, with what is wrong."""
    with pytest.raises(IncompatibleError, match="pools leave nothing of 50 samples"):
        build.build(ModelSpec("mibminet", 3, 50, 2))
