# SPDX-License-Identifier: BSD-3-Clause
"""What every tensor's rounding costs: exact where it can be, ranked right, the same bytes twice."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest

from edge.families.base import lower
from edge.spec import ModelSpec
from quantize import pipeline
from quantize import plain as manifest
from quantize.graph import reference
from quantize.graph.qgraph import QGraph
from quantize.inspect import sensitivity
from quantize.inspect.sensitivity import Simulation
from quantize.pipeline import Quantized
from quantize.recipe import Recipe
from tests.networks import SMALL, randomized, windows

SPEC = ModelSpec("eca", 4, 300, 3, SMALL)
UNSEEN = windows(SPEC, 40, 7)


@functools.cache
def made(*float_parts: str) -> Quantized:
    """A random network without bias correction: its biases are then the float ones, rounded."""
    recipe = Recipe(correct_bias=False, fit_ranges=False, float_parts=float_parts)
    return pipeline.quantize(lower(randomized(SPEC, 1), SPEC), windows(SPEC, 60), recipe)


def simulation() -> Simulation:
    """Of that network, on windows that it was not calibrated on."""
    return Simulation(made().float_graph, made().graph, UNSEEN)


def test_nothing_rounded_is_the_float_network() -> None:
    """To the bit, and no error has no SQNR."""
    simulated = simulation()
    np.testing.assert_array_equal(
        simulated.logits(()), reference.run(made().float_graph, UNSEEN).real
    )
    assert simulated.figures(()) == sensitivity.Figures(None, 0.0, 1.0)


def test_everything_rounded_is_the_integer_network() -> None:
    """Tensor by tensor: fixed-point products round once more, so a few values are a step apart."""
    simulated, graph = simulation(), made().graph
    values = simulated.compute({}, 0, simulated.items)
    stored = reference.trace(graph, UNSEEN)
    for name in ("mix", "temporal", "stem_pool.windows", "expand_act", "gate.mul", "block_pool"):
        rounded = reference.quantize(values[name], graph.quant(name))
        assert (rounded != stored[name]).mean() < 0.07, name
    noise = np.square(simulated.logits(simulated.items) - simulated.logits(())).sum()
    difference = simulated.logits(simulated.items) - reference.run(graph, UNSEEN).real
    assert np.square(difference).sum() < 0.1 * noise


def test_everything_that_is_stored_in_int8_is_there() -> None:
    """In the order in which it is computed; a part in float has nothing to round."""
    assert simulation().ordered[:6] == (
        "input", "mix.weight", "mix", "temporal.weight", "temporal", "temporal_act",
    )  # fmt: skip
    mixed = Simulation(made("gate").float_graph, made("gate").graph, UNSEEN)
    inside = {item for item in mixed.items if item.startswith("gate.")}
    assert inside == {"gate.mul"}  # what goes on to the int8 pool
    assert "gate.conv.weight" in simulation().items


@pytest.mark.parametrize("first", ["input", "temporal.weight", "gate.mul"])
def test_what_is_reused_is_what_would_be_computed(first: str) -> None:
    """Starting in the middle changes nothing, alone or spared."""
    simulated = simulation()
    for rounded in (frozenset({first}), simulated.items - {first}):
        whole = simulated.compute({}, 0, rounded)[made().float_graph.output]
        np.testing.assert_array_equal(simulated.logits(rounded), whole)


def coarse(graph: QGraph, name: str) -> QGraph:
    """The graph with one convolution's weights in one of 64 steps."""
    constants = dict(graph.constants)
    steps = np.rint(constants[f"{name}.weight"] / 64)
    constants[f"{name}.weight"] = steps.astype(np.int8)
    constants[f"{name}.weight_scale"] = constants[f"{name}.weight_scale"] * np.float32(64)
    return replace(graph, constants=constants)


@pytest.mark.parametrize("name", ["mix", "pointwise", "head"])
def test_the_culprit_leads(name: str) -> None:
    """Weights of two bits cost most alone, and sparing them gives back most."""
    damaged = coarse(made().graph, name)
    report = sensitivity.measure(made().float_graph, damaged, UNSEEN)
    first = report.effects[0]
    assert (first.item, first.kind) == (f"{name}.weight", "weight")
    assert min(report.effects, key=lambda effect: effect.spared.logit_error) == first
    assert first.spared.logit_error < report.everything.logit_error
    errors = [effect.alone.logit_error for effect in report.effects]
    assert errors == sorted(errors, reverse=True)


def test_errors_add_up() -> None:
    """Squared errors of tensors alone sum to that of all, on which the policy's choice rests."""
    report = sensitivity.measure(made().float_graph, made().graph, UNSEEN)
    total = sum(effect.alone.logit_error**2 for effect in report.effects)
    assert total == pytest.approx(report.everything.logit_error**2, rel=0.35)


def test_the_same_document_twice() -> None:
    """Bytes, not only values."""
    texts = {
        manifest.to_json(sensitivity.measure(made().float_graph, made().graph, UNSEEN).document())
        for _ in range(2)
    }
    assert len(texts) == 1
