# SPDX-License-Identifier: BSD-3-Clause
"""What stays in float: nothing where int8 decides alike, else the cheapest parts that help."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from edge.checkpoint.forward import predict
from edge.errors import IncompatibleError
from edge.exporting import policy
from edge.exporting.policy import Evidence, Wish
from edge.families.base import lower
from edge.spec import Decision, ModelSpec, Precision, Trial
from edge.targets import base as target
from edge.targets.base import Lowered, Sources
from quantize import pipeline
from quantize.graph import reference
from quantize.inspect.sensitivity import Effect, Figures, Sensitivity
from quantize.pipeline import Quantized
from quantize.recipe import Recipe
from tests.networks import SMALL, randomized, windows

SPEC = ModelSpec("eca", 4, 300, 3, SMALL)
UNSEEN = windows(SPEC, 60, 7)
PARTS = ("mix", "temporal", "stem_pool", "expand", "depthwise", "pointwise", "gate")
"""Parts that differ when they are in float; a single table or mean between int8 values does not."""


RECIPE = Recipe(observer="min_max")


def outliers(spec: ModelSpec) -> NDArray[np.float32]:
    """Calibration windows among which one makes every step far too coarse."""
    x = windows(spec, 60)
    x[0] *= 20
    return x


def decide(wish: Wish, mode: str = "eca") -> tuple[Quantized, Recipe, Decision]:
    """Quantize a random network badly; float's own decisions are the labels."""
    spec = ModelSpec(mode, 4, 300, 3, SMALL)
    module = randomized(spec, 1)
    with torch.no_grad():  # as many windows for every class
        module.final_layer[1].bias -= torch.from_numpy(predict(module, UNSEEN).mean(0))
    logits = predict(module, UNSEEN)
    evidence = Evidence(UNSEEN, logits.argmax(1), logits)
    net = lower(module, spec)
    return policy.quantize(net, outliers(spec), RECIPE, evidence, wish)


@functools.cache
def everything_tried() -> Decision:
    """A wish that nothing fulfils, so that all assignments are measured."""
    return decide(Wish(max_drop=-1.0))[2]


def few_or_neighbours(parts: tuple[str, ...]) -> bool:
    """Whether parts are at most three, or run one after the other."""
    order = tuple(policy.part_macs(all_int8().float_graph))
    start = order.index(parts[0])
    return len(parts) <= policy.MAX_TOGETHER or order[start : start + len(parts)] == parts


def test_a_wish_that_nothing_fulfils() -> None:
    """What comes closest is made then; what was tried is there, the cheapest first."""
    decision = everything_tried()
    least = min(trial.drop_points for trial in decision.trials)
    closest = next(trial for trial in decision.trials if trial.drop_points == least)
    assert (decision.met, decision.float_parts) == (False, closest.float_parts)
    assert ", ".join(closest.float_parts) in str(policy.note(decision))
    assert decision.wanted == "a loss of at most -1 points"
    assert 2 <= len(decision.trials) <= 1 + policy.MAX_TRIALS
    costs = [trial.float_macs for trial in decision.trials]
    assert costs == sorted(costs)
    assert all(few_or_neighbours(trial.float_parts) for trial in decision.trials[1:])
    assert min(t.drop_points for t in decision.trials[1:]) < decision.trials[0].drop_points


def test_the_cheapest_that_is_good_enough() -> None:
    """The first in order of cost that loses no more than is allowed, and no later one is tried."""
    trials = everything_tried().trials
    assert trials[0].drop_points > 0
    limit = min(trial.drop_points for trial in trials)
    wanted = next(trial for trial in trials if trial.drop_points <= limit)
    made, recipe, decision = decide(Wish(max_drop=limit))
    assert (decision.met, decision.float_parts) == (True, wanted.float_parts)
    assert decision.trials == trials[: trials.index(wanted) + 1]
    assert recipe.float_parts == wanted.float_parts
    names = {policy.part_of(node.output) for node in made.graph.float_nodes()}
    assert names == set(wanted.float_parts)


def test_nothing_to_give_up() -> None:
    """Where all int8 will do, nothing else is tried."""
    made, recipe, decision = decide(Wish(max_drop=100))
    assert (len(decision.trials), decision.met, recipe) == (1, True, RECIPE)
    assert made.graph.float_nodes() == ()


def test_nothing_comes_closer() -> None:
    """All int8 is what is made then, and said."""
    first, other = (Trial(parts, 0, 0.98, 0.4) for parts in ((), ("gate",)))
    decision = Decision("agreement of at least 98.5 %", (first, other), (), met=False)
    assert policy.note(decision) == (
        "int8 agrees with float on 98.0 % of training windows, loss 0.40 points; agreement of at "
        "least 98.5 % is not reached; no set of parts in float comes closer (1 tried), all stays "
        "in int8"
    )


def effect(item: str, error: float) -> Effect:
    """A tensor whose rounding alone gives that error."""
    return Effect(item, "activation", Figures(30.0, error, 1.0), Figures(30.0, 0.0, 1.0))


@functools.cache
def all_int8() -> Quantized:
    """The random network with nothing in float."""
    return pipeline.quantize(lower(randomized(SPEC, 1), SPEC), windows(SPEC, 60), Recipe())


@pytest.mark.parametrize(
    ("noisy", "first"),
    [
        (["gate.conv"], ("gate",)),
        (["mix.weight"], ("mix",)),
        (["mix"], ("mix", "temporal")),
        (["input"], None),
        (["block_pool"], None),
        (["mix", "temporal", "temporal_act"], ("mix", "temporal", "temporal_act", "stem_pool")),
    ],
)
def test_what_is_worth_trying(noisy: list[str], first: tuple[str, ...] | None) -> None:
    """The part that the noise comes from, and the one that reads it; none where none helps."""
    effects = tuple(effect(item, 0.1) for item in noisy)
    found = policy.assignments(Sensitivity(60, CLEAN, effects), all_int8().float_graph)
    assert found[-1:] == (() if first is None else (first,))


CLEAN = Figures(None, 0.0, 1.0)


def test_gates() -> None:
    """``--gate float`` leaves the gate alone in float, ``--gate int8`` nothing."""
    made, recipe, decision = decide(Wish(gate="float"))
    assert recipe.float_parts == decision.float_parts == ("gate",)
    assert decision.wanted == "--gate float"
    assert {policy.part_of(n.output) for n in made.graph.float_nodes()} == {"gate"}
    made, recipe, decision = decide(Wish(gate="int8"))
    assert (made.graph.float_nodes(), recipe, decision.wanted) == ((), RECIPE, "--gate int8")


@pytest.mark.parametrize(
    ("mode", "gate", "why"),
    [
        ("none", "float", "this network has no gate. Leave --gate out."),
        ("none", "int8", "this network has no gate. Leave --gate out."),
        (
            "gct",
            "int8",
            "the gate stays in float32 as a whole, div, sqrt having no int8 form. "
            "Leave --gate out, or choose another --mode.",
        ),
    ],
)
def test_gates_that_cannot_be_had(mode: str, gate: str, why: str) -> None:
    """Refused with the reason, never adjusted."""
    with pytest.raises(IncompatibleError) as caught:
        decide(Wish(gate=gate), mode)
    assert str(caught.value) == f"--gate {gate} is not possible: {why}"


@functools.cache
def in_float(parts: tuple[str, ...]) -> Sources:
    """The random network with some parts in float."""
    net = lower(randomized(SPEC, 1), SPEC)
    made = pipeline.quantize(net, windows(SPEC, 60), Recipe(float_parts=parts))
    return Sources(Lowered(made.float_graph, net), made)


@pytest.mark.parametrize(
    ("parts", "targets"),
    [
        *(((part,), ("tflite", "onnx")) for part in PARTS),
        (("mix", "stem_pool", "gate"), ("executorch", "c")),
        (("temporal", "pointwise"), ("c",)),
    ],
    ids=str,
)
def test_any_part_may_stay_in_float(parts: tuple[str, ...], targets: tuple[str, ...]) -> None:
    """On every target: it runs, says so, and adds less noise than quantization itself."""
    sources = in_float(parts)
    graph = sources.graph(Precision.INT8)
    assert {policy.part_of(node.output) for node in graph.float_nodes()} == set(parts)
    logits, wanted = reference.run(graph, UNSEEN), reference.run(sources.lowered.graph, UNSEEN).real
    for name in targets:
        chosen = target.load(name)
        assert target.judge(graph, chosen.ABILITIES).verdict == "MIXED"
        noise = np.square(logits.real - wanted).sum()
        data = chosen.write(sources, Precision.INT8)
        for load in chosen.RUNTIMES.values():
            assert np.square(load(data)(UNSEEN) - logits.real).sum() < noise


def test_costs() -> None:
    """Multiply-accumulates by part: taps of depthwise convolutions, inputs of dense ones."""
    costs = policy.part_macs(all_int8().float_graph)
    assert costs["mix"] == 300 * 6 * 4
    assert costs["temporal"] == 300 * 6 * 9
    assert "head" not in costs


def test_wishes() -> None:
    """What is measured decides: agreement unless a loss was named."""
    trial = Trial((), 0, agreement=0.98, drop_points=0.4)
    assert not Wish().met(trial)
    assert Wish(max_drop=0.5).met(trial)
    assert str(Wish()) == "agreement of at least 98.5 %"
    assert Wish(full_int8=True, max_drop=1.0).override == "--full-int8"
