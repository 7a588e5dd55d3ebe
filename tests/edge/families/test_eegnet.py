# SPDX-License-Identifier: BSD-3-Clause
"""EEGNet: lowering is exact for every argument, and every engine gives the reference's integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.checkpoint import build, live
from edge.errors import IncompatibleError
from edge.families import base as families
from edge.spec import ModelSpec, Precision, Verdict
from edge.targets import runtime
from firmware_bridge.emit.generate import generate
from firmware_bridge.host import stream as host_stream
from firmware_bridge.host import windowed as host
from firmware_bridge.stream.generate import generate_stream
from quantize.graph.qgraph import MaxPool, QGraph
from quantize.graph.streaming import all_windows
from tests.edge.families import held
from tests.networks import randomized, windows

SMALL = {"F1": 4, "kernel_length": 16, "depthwise_kernel_length": 8}
VARIANTS = {
    "even kernels, means": ModelSpec("eegnet", 5, 160, 3, SMALL),
    "odd kernels, maxima, linear head": ModelSpec(
        "eegnet", 3, 130, 2,
        {"F1": 3, "D": 1, "F2": 5, "kernel_length": 9, "depthwise_kernel_length": 5}
        | {"pool_mode": "max", "pool1_kernel_size": 3, "pool2_kernel_size": 5}
        | {"activation": "torch.nn.ReLU", "final_layer_with_constraint": True},
    ),
}  # fmt: skip


@st.composite
def specs(draw: st.DrawFn) -> ModelSpec:
    """Every argument of the class that changes what is computed."""
    integers = lambda low, high: draw(st.integers(low, high))  # noqa: E731
    arguments: dict[str, Any] = {
        "F1": integers(1, 5),
        "D": integers(1, 3),
        "F2": draw(st.one_of(st.none(), st.integers(1, 9))),
        "kernel_length": integers(1, 40),
        "depthwise_kernel_length": integers(1, 17),
        "pool1_kernel_size": integers(1, 6),
        "pool2_kernel_size": integers(1, 6),
        "pool_mode": draw(st.sampled_from(["mean", "max"])),
        "conv_spatial_max_norm": draw(st.sampled_from([0.25, 1, 4])),
        "batch_norm_eps": draw(st.sampled_from([1e-5, 1e-3])),
        "final_layer_with_constraint": draw(st.booleans()),
        "norm_rate": draw(st.sampled_from([0.1, 2.0])),
        "activation": draw(st.sampled_from(["torch.nn.ELU", "torch.nn.SiLU", "torch.nn.Tanh"])),
    }
    arguments = {name: value for name, value in arguments.items() if value is not None}
    return ModelSpec("eegnet", integers(1, 9), integers(40, 220), integers(2, 4), arguments)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(specs(), st.integers(0, 2**16))
def test_lowered_equals_braindecode(spec: ModelSpec, seed: int) -> None:
    """Every argument, norms exceeded."""
    held.lowered_equals(spec, seed)


@pytest.mark.parametrize("name", VARIANTS)
def test_int8_follows_float(name: str) -> None:
    """With random weights, which are harder than trained ones."""
    assert held.median_sqnr_db(VARIANTS[name]) > 25


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("written", held.TARGETS)
def test_every_target(name: str, written: str) -> None:
    """Both precisions, every runtime."""
    held.runs_on(VARIANTS[name], written)


def integers(name: str) -> QGraph:
    """The integer graph of a variant."""
    return held.quantized(VARIANTS[name]).graph(Precision.INT8)


@pytest.mark.parametrize("name", VARIANTS)
def test_full_in_tflite_and_c(name: str) -> None:
    """Nothing stays in float; a pool over maxima is an operation of its own."""
    graph = integers(name)
    assert {runtime.judge_target(graph, n).verdict for n in ("tflite", "c")} == {Verdict.FULL}
    assert any(isinstance(node, MaxPool) for node in graph.nodes) == ("maxima" in name)


def test_streamed_equals_windowed() -> None:
    """60 decisions, one every pool, to the last bit."""
    graph = integers("even kernels, means")
    n_chans, n_times = 5, 160
    x = np.random.default_rng(0).integers(-128, 128, (n_times + 59 * 4, n_chans)).astype(np.int8)
    stream = host_stream.open_stream(generate_stream(graph, 4))
    expected = host.build(generate(graph), 3).infer(all_windows(x, n_times, 4))
    np.testing.assert_array_equal([logits for _, logits in stream.push(x)], expected)


def test_maxima_are_not_streamed() -> None:
    """The engine says what it takes."""
    graph = integers("odd kernels, maxima, linear head")
    with pytest.raises(IncompatibleError, match="begin with a mix, a temporal filter and a pool"):
        generate_stream(graph, 3)


def given_module() -> Any:
    """A network of braindecode's own class."""
    return randomized(VARIANTS["even kernels, means"], 3)


def test_a_live_module_is_taken_as_it_is() -> None:
    """Its logits, in half the precision and in training mode too; its norms make no note."""
    module = given_module()
    model = live.from_module(module)
    x = torch.from_numpy(windows(model.spec, 4))
    with torch.no_grad():
        assert torch.equal(model.module(x), module(x))
    assert model.notes == ()
    noted = live.from_module(module.half().train()).notes
    assert [note.split(";")[0] for note in noted] == [
        "the model is in training mode",
        "the model is in float16",
    ]


class Negated(families.import_class("braindecode.models.EEGNet")):  # type: ignore[misc]
    """A subclass that computes something else."""

    def forward(self, x: torch.Tensor) -> Any:
        """Turn every logit around."""
        return -super().forward(x)


def negated() -> Any:
    """A module of the subclass."""
    return Negated(n_chans=5, n_times=160, n_outputs=3, **SMALL)


def hooked() -> Any:
    """A module with code of its own in the middle."""
    module = given_module()
    module.pool_1.register_forward_hook(lambda *_: None)
    return module


def replaced() -> Any:
    """A module with another layer than its configuration says."""
    module = given_module()
    module.elu_2 = torch.nn.ReLU()
    return module


def without_values() -> Any:
    """A module whose weights are not there yet."""
    return given_module().to("meta")


BAD = {
    negated: "The model has a forward of its own, tests.edge.families.test_eegnet.Negated.forward",
    hooked: "The model has a forward hook on pool_1, ",
    replaced: "The model is not the EEGNet that its get_config() describes: elu_2 is ReLU()",
    without_values: "The model's ",
}


@pytest.mark.parametrize("make", BAD)
def test_bad_modules_are_refused_by_name(make: Any) -> None:
    """One line that begins with what is wrong."""
    with pytest.raises(IncompatibleError) as refused:
        live.from_module(make())
    assert str(refused.value).startswith(BAD[make])


@pytest.mark.parametrize(
    ("arguments", "begins"),
    [
        ({"final_conv_length": 2}, "final_conv_length must be auto, got 2: otherwise"),
        ({"pool_mode": "median"}, "pool_mode must be mean or max, got 'median'."),
        ({"F1": "many"}, "F1 must be a whole number, got 'many'. Try 8."),
        ({"F3": 4}, "EEGNet has no argument 'F3'."),
        ({"activation": "torch.nn.Hardtanh"}, "Invalid value for 'activation'."),
        ({"pool1_kernel_size": 900}, "braindecode cannot build this EEGNet: "),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, Any], begins: str) -> None:
    """Before braindecode stumbles over them, where they are known."""
    with pytest.raises(IncompatibleError) as refused:
        build.build(ModelSpec("eegnet", 3, 128, 2, arguments))
    assert str(refused.value).startswith(begins)
