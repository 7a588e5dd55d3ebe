# SPDX-License-Identifier: BSD-3-Clause
"""From a float network to integers: observers, equalization, the Q/DQ graph, extraction."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from torch import nn

from edge.errors import IncompatibleError
from edge.families.base import lower
from edge.spec import ModelSpec, Precision
from edge.targets.tflite import target as tflite
from quantize.graph import reference
from quantize.graph.qgraph import AveragePool, Conv, Dequantize, QGraph, Quantize
from quantize.pt2e import ptq
from quantize.pt2e.extract import extract
from quantize.pt2e.observers import PercentileObserver
from quantize.recipe import Recipe
from quantize.refine.equalize import RANGE_PERCENTILE, equalize
from tests import tflm
from tests.networks import SMALL, randomized, windows
from tests.sources import of_graphs

SPEC = ModelSpec("eca", 4, 300, 3, SMALL)


def lowered(spec: ModelSpec = SPEC) -> Any:
    """A random network, lowered."""
    return lower(randomized(spec, 3), spec)


def quantized(recipe: Recipe, net: nn.Module | None = None) -> tuple[Any, QGraph]:
    """The Q/DQ graph and the integer graph of it."""
    qdq = ptq.quantize(net or lowered(), windows(SPEC, 60), recipe)
    return qdq, extract(qdq)


def logits(net: nn.Module, x: np.ndarray) -> np.ndarray:
    """PyTorch's logits, window by window."""
    with torch.no_grad():
        return np.concatenate([net(w[None, :, None]).numpy() for w in torch.from_numpy(x)])


def sqnr_db(ref: np.ndarray, out: np.ndarray) -> float:
    """Signal over error of logits about their mean: a random network's hardly vary."""
    centred = ref - ref.mean(0)
    return float(10 * np.log10((centred**2).sum() / ((ref - out) ** 2).sum()))


def steps(graph: QGraph, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Differences of two sets of logits in quantization steps."""
    return np.abs(a - b) / graph.quant(graph.output).scale


@pytest.mark.parametrize("observer", ["histogram", "min_max", "percentile"])
@pytest.mark.parametrize("own_pool_scale", [False, True])
def test_integers_follow_the_qdq_graph(observer: Any, own_pool_scale: bool) -> None:
    """With every observer the reference is the Q/DQ graph up to roundings, and close to float."""
    qdq, graph = quantized(Recipe(observer=observer, own_pool_scale=own_pool_scale))
    x = windows(SPEC, 100, seed=1)
    got = reference.run(graph, x)
    ref = logits(lowered(), x)
    assert sqnr_db(ref, got.real) > 18
    assert sqnr_db(got.real, logits(qdq, x)) > 18


def test_accumulator_is_the_logits_before_rounding() -> None:
    """Rounding the unrounded logits onto the int8 grid gives the int8 logits, to half a step."""
    _, graph = quantized(Recipe())
    got = reference.run(graph, windows(SPEC, 50, seed=2))
    inside = np.abs(got.stored.astype(int)) < 127
    assert steps(graph, got.unrounded, got.real)[inside].max() <= 0.501


@given(
    st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=300),
    st.sampled_from([99.0, 99.9, 100.0]),
)
def test_percentile_observer_keeps_its_share(values: list[float], percentile: float) -> None:
    """At most the stated share of values lies outside, up to the buckets' width of 0.4 %."""
    observer = PercentileObserver(
        percentile, dtype=torch.int8, quant_min=-128, quant_max=127, eps=1e-12
    )
    x = torch.tensor(values, dtype=torch.float32)
    for part in x.split(7):
        observer(part)
    low, high = (float(bound) for bound in observer.range())
    slack = 2**-7 * x.abs().max() + 1e-30
    outside = ((x < low - slack) | (x > high + slack)).sum()
    assert outside <= (100 - percentile) / 100 * len(values)
    assert x.min() - slack <= low <= high <= x.max() + slack


def test_equalization_changes_nothing_but_ranges() -> None:
    """The network computes the same; its mixed channels then peak at one."""
    x = windows(SPEC, 40)
    balanced = equalize(lowered(), x, ("mix", "temporal"))
    np.testing.assert_allclose(
        logits(balanced, x),
        logits(lowered(), x),
        rtol=1e-4,
        atol=1e-4 * np.abs(logits(balanced, x)).max(),
    )
    with torch.no_grad():
        mixed = balanced.mix(torch.from_numpy(x)[:, :, None]).abs()
    peaks = np.percentile(mixed.numpy(), RANGE_PERCENTILE, axis=(0, 2, 3))
    np.testing.assert_allclose(peaks, 1, rtol=1e-3)


def test_scales_are_shared_where_nothing_is_computed() -> None:
    """Reshape keeps its scale; pools keep it exactly when the recipe says so."""
    for own in (False, True):
        _, graph = quantized(Recipe(own_pool_scale=own))
        assert graph.quant("head") == graph.quant("logits")
        for node in graph.nodes:
            if isinstance(node, AveragePool):
                assert (graph.quant(node.input) != graph.quant(node.output)) == own


def test_gate_in_float() -> None:
    """A float part is float in the integer graph too, with conversions at its edges."""
    qdq, graph = quantized(Recipe(float_parts=("gate",)))
    kinds = {type(node) for node in graph.nodes}
    assert {Quantize, Dequantize} <= kinds
    assert {node.output for node in graph.float_nodes()} == {
        "gate.mean",
        "gate.conv",
        "gate.sigmoid",
        "gate.mul",
    }
    x = windows(SPEC, 60, seed=3)
    got = reference.run(graph, x)
    assert sqnr_db(got.real, logits(qdq, x)) > 20  # whose logits have eight bits
    data = tflite.write(of_graphs(graph, graph), Precision.INT8)
    assert sqnr_db(got.real, tflite.load(data)(x)) > 25


def test_float_graph_is_the_network() -> None:
    """Extracted without quantization, the graph computes the float network."""
    graph = extract(ptq.trace(lowered(), SPEC.n_chans, SPEC.n_times))
    assert graph.float_nodes() == graph.nodes
    x = windows(SPEC, 10)
    np.testing.assert_allclose(reference.run(graph, x).real, logits(lowered(), x), atol=1e-5)


def test_relu_is_fused() -> None:
    """A ReLU behind a convolution is its clamp, not a node."""
    spec = ModelSpec("none", 4, 300, 3, {**SMALL, "activation": "torch.nn.modules.activation.ReLU"})
    graph = extract(ptq.quantize(lowered(spec), windows(spec, 60), Recipe()))
    relus = [node.output for node in graph.nodes if isinstance(node, Conv) and node.relu]
    assert relus == ["temporal", "expand", "pointwise"]


def test_unknown_activation_is_named() -> None:
    """What cannot be exported is refused with what can."""
    arguments = {**SMALL, "activation": "torch.nn.modules.activation.Softplus"}
    spec = ModelSpec("none", 4, 300, 3, arguments)
    with pytest.raises(IncompatibleError) as error:
        lowered(spec)
    assert str(error.value) == (
        "Invalid value for 'activation'. Allowed values are 'ELU', 'GELU', 'LeakyReLU', 'ReLU', "
        "'SiLU', 'Sigmoid' and 'Tanh', but got 'torch.nn.modules.activation.Softplus' instead."
    )


FULL = ("none", "se", "gsop", "fca", "eca", "ge", "cbam")
"""Modes whose every operation has an int8 form."""
MIXED = ("encnet", "gct", "srm", "cat", "catlite")


@st.composite
def random_specs(draw: st.DrawFn) -> ModelSpec:
    """Shapes with odd and even filters, every pool form, and every activation of TFLite Micro."""
    integers = lambda low, high: draw(st.integers(low, high))  # noqa: E731
    activation = draw(st.sampled_from(["ELU", "ReLU", "LeakyReLU", "SiLU", "Tanh", "Sigmoid"]))
    cls = getattr(nn, activation)
    return ModelSpec(
        mode=draw(st.sampled_from(FULL)),
        n_chans=integers(1, 24),
        n_times=integers(100, 400),
        n_outputs=integers(2, 4),
        arguments={
            "n_temporal_filters": integers(2, 8),
            "temp_filter_length_inp": integers(2, 26),
            "spatial_expansion": integers(1, 2),
            "pool_length_inp": integers(2, 40),
            "pool_stride_inp": integers(1, 20),
            "ch_dim": integers(4, 12),
            "temp_filter_length": 2 * integers(1, 5) + 1,
            "pool_length": integers(1, 4),
            "pool_stride": integers(1, 4),
            "kernel_size": 2 * integers(0, 3) + 1,
            "reduction_rate": integers(1, 4),
            "freq_idx": integers(0, 3),
            "use_mlp": draw(st.booleans()),
            "extra_params": draw(st.booleans()),
            "activation": f"{cls.__module__}.{cls.__qualname__}",
        },
    )


DEAD = ModelSpec(
    "none",
    12,
    100,
    2,
    {
        "n_temporal_filters": 2,
        "temp_filter_length_inp": 2,
        "spatial_expansion": 1,
        "pool_length_inp": 2,
        "pool_stride_inp": 1,
        "ch_dim": 2,
        "temp_filter_length": 2,
        "pool_length": 1,
        "pool_stride": 1,
        "kernel_size": 1,
        "activation": "torch.nn.modules.activation.ReLU",
    },
)
"""With seed 11 no ReLU of the last block ever lets anything through."""


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@example(DEAD, 11)
@given(random_specs(), st.integers(0, 1000))
def test_whole_networks_equal_tflite_micro(spec: ModelSpec, seed: int) -> None:
    """Random networks: every logit of the reference is TFLite Micro's, to the bit."""
    net = lower(randomized(spec, seed), spec)
    graph = extract(ptq.quantize(net, windows(spec, 20, seed), Recipe()))
    x = windows(spec, 10, seed + 1)
    data = tflite.write(of_graphs(graph, graph), Precision.INT8)
    expected = tflm.run(data, reference.to_input(graph, x))
    np.testing.assert_array_equal(reference.run(graph, x).stored, expected)


@pytest.mark.parametrize("mode", MIXED)
def test_gates_with_quotients_stay_float(mode: str) -> None:
    """Nothing but the gate, and all of it but weights; TFLite Micro is at most a step away."""
    spec = ModelSpec(mode, 4, 300, 3, SMALL)
    net = lowered(spec)
    graph = extract(ptq.quantize(net, windows(spec, 60), Recipe()))
    assert {node.output.split(".")[0] for node in graph.float_nodes()} == {"gate"}
    inside = {n.output for n in graph.nodes if n.output.split(".")[0] == "gate"}
    floats = {node.output for node in graph.float_nodes()}
    stored = [graph.constants.get(f"{name}.weight") for name in floats]
    assert any(weight is not None and weight.dtype == np.int8 for weight in stored)
    assert {n for n in inside - floats if "int8" not in n and "float" not in n} == set()
    x = windows(spec, 20, 1)
    data = tflite.write(of_graphs(graph, graph), Precision.INT8)
    stored = tflm.run(data, reference.to_input(graph, x))
    assert np.abs(stored.astype(int) - reference.run(graph, x).stored).max() <= 1


@pytest.mark.parametrize("mode", FULL)
def test_other_gates_are_int8(mode: str) -> None:
    """Every node."""
    spec = ModelSpec(mode, 4, 300, 3, SMALL)
    graph = extract(ptq.quantize(lowered(spec), windows(spec, 60), Recipe()))
    assert not graph.float_nodes()


def test_quantization_is_deterministic() -> None:
    """The same windows give the same integers."""
    first, second = (quantized(Recipe())[1] for _ in range(2))
    assert (first.nodes, first.tensors) == (second.nodes, second.tensors)
    for name, value in first.constants.items():
        np.testing.assert_array_equal(value, second.constants[name])
