# SPDX-License-Identifier: BSD-3-Clause
"""Decide which parts of a network stay in float: none if int8 decides alike, else the cheapest.

All of it is tried in int8 first. Where that misses what is wanted (``--max-drop``, otherwise
:data:`MIN_AGREEMENT` on training windows), a sensitivity report says what each tensor's rounding
adds to the error. Errors of different tensors hardly correlate, so their squares add up, and the
error of any choice of float parts can be predicted. Choices that no cheaper one beats are quantized
and measured, the cheapest first. The first that gives what is wanted is taken, or, where none does,
the one that comes closest; the manifest says what was tried. Windows of the training part alone
decide; those held out are only reported.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import nn

from edge.errors import IncompatibleError
from edge.spec import Decision, Trial
from edge.targets.base import why_float
from quantize import pipeline
from quantize.graph import reference
from quantize.graph.measures import evenly
from quantize.graph.qgraph import Conv, QGraph
from quantize.inspect import sensitivity
from quantize.inspect.sensitivity import WEIGHT, Sensitivity
from quantize.pipeline import Quantized
from quantize.recipe import Recipe

MIN_AGREEMENT = 0.985
"""Share of training windows on which int8 must decide as float does, if nothing else is asked."""
MAX_TOGETHER = 3
"""Parts that may stay in float together wherever they stand. Neighbours may be as many as there
are, since what only they write and read is not rounded either."""
MAX_TRIALS = 6
"""Assignments that are quantized at most, beside all int8."""
WORTH = 0.9
"""A dearer assignment is tried only where its squared error is below this times a cheaper one's."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """Windows to choose by, with float's decisions on them; none of them is reported later.

    Attributes
    ----------
    scaled
        (n, n_chans, n_times) float32, as the network sees them.
    labels
        (n,) int64.
    logits
        (n, n_outputs) float32 of the float network.
    """

    scaled: NDArray[np.float32]
    labels: NDArray[np.int64]
    logits: NDArray[np.float32]


@dataclass(frozen=True)
class Wish:
    """What the user asked for with ``--gate``, ``--full-int8`` and ``--max-drop``."""

    gate: str = "auto"
    full_int8: bool = False
    max_drop: float | None = None

    def __str__(self) -> str:
        if self.max_drop is not None:
            return f"a loss of at most {self.max_drop:g} points"
        return f"agreement of at least {100 * MIN_AGREEMENT:g} %"

    @property
    def override(self) -> str | None:
        """The option, as it was typed, that leaves nothing to choose."""
        if self.full_int8:
            return "--full-int8"
        return None if self.gate == "auto" else f"--gate {self.gate}"

    def met(self, trial: Trial) -> bool:
        """Return whether a choice gives what is wanted."""
        if self.max_drop is not None:
            return trial.drop_points <= self.max_drop
        return trial.agreement >= MIN_AGREEMENT

    def closeness(self, trial: Trial) -> float:
        """Return a number that is larger for what comes closer to the wish."""
        return trial.agreement if self.max_drop is None else -trial.drop_points


def quantize(
    net: nn.Module,
    calibration: NDArray[np.float32],
    recipe: Recipe,
    evidence: Evidence,
    wish: Wish,
) -> tuple[Quantized, Recipe, Decision]:
    """Quantize a network with as much in int8 as the wish allows.

    Parameters
    ----------
    net
        Lowered network in float32.
    calibration
        (n_windows, n_chans, n_times) float32, scaled; from the training part only.

    Returns
    -------
    tuple
        The graphs, the recipe that made them, and how it was found. Where no assignment gives what
        is wanted, the one that comes closest; of equals the cheapest, which may be all int8.

    Raises
    ------
    IncompatibleError
        When ``--gate`` asks for what the gate cannot be.
    """
    gates: tuple[str, ...] = getattr(net, "gates", ())
    if wish.gate == "float":
        recipe = replace(recipe, float_parts=(*recipe.float_parts, *gates))
    made = pipeline.quantize(net, calibration, recipe)
    refuse_gate(made.graph, wish.gate, gates)
    first = _try(made, recipe.float_parts, evidence)
    if wish.override is not None:
        decision = Decision(wish.override, (first,), first.float_parts, wish.met(first))
        return made, recipe, decision
    trials, closest = [first], (first, made, recipe)
    for chosen in () if wish.met(first) else _assignments(made, evidence):
        parts = (*recipe.float_parts, *chosen)
        other_recipe = replace(recipe, float_parts=parts)
        other = pipeline.quantize(net, calibration, other_recipe, made.percentiles)
        trials.append(_try(other, parts, evidence))
        if wish.closeness(trials[-1]) > wish.closeness(closest[0]):
            closest = (trials[-1], other, other_recipe)
        if wish.met(trials[-1]):
            break
    taken, made, recipe = closest
    return made, recipe, Decision(str(wish), tuple(trials), taken.float_parts, wish.met(taken))


def refuse_gate(graph: QGraph, gate: str, gates: tuple[str, ...]) -> None:
    """Raise where ``--gate int8`` or ``--gate float`` cannot be done as asked.

    Raises
    ------
    IncompatibleError
        When there is no gate, or it has operations without an int8 form.
    """
    nodes = [node for node in graph.nodes if part_of(node.output) in gates]
    if gate != "auto" and not nodes:
        raise IncompatibleError(
            f"--gate {gate} is not possible: this network has no gate. Leave --gate out."
        )
    floats = [node for node in nodes if graph.is_float(node)]
    if gate == "int8" and floats:
        raise IncompatibleError(
            f"--gate int8 is not possible: {why_float(graph, floats[0]).why}. "
            f"Leave --gate out, or choose another --mode."
        )


def _try(made: Quantized, parts: tuple[str, ...], evidence: Evidence) -> Trial:
    """Measure an assignment on the integer graph."""
    here = reference.run(made.graph, evidence.scaled).real.argmax(1)
    decided = evidence.logits.argmax(1)
    agreement = float((here == decided).mean())
    correct, kept = (float((one == evidence.labels).mean()) for one in (decided, here))
    costs = part_macs(made.float_graph)
    total = sum(costs.get(part, 0) for part in parts)
    return Trial(parts, total, agreement, 100 * (correct - kept))


def _assignments(made: Quantized, evidence: Evidence) -> Iterator[tuple[str, ...]]:
    report = sensitivity.measure(made.float_graph, made.graph, evidence.scaled)
    yield from assignments(report, made.float_graph)


def assignments(report: Sensitivity, float_graph: QGraph) -> tuple[tuple[str, ...], ...]:
    """Return the sets of parts worth trying in float, the cheapest first.

    Parameters
    ----------
    report
        What rounding each tensor alone adds to the error.
    float_graph
        The network before rounding.

    Returns
    -------
    tuple
        At most :data:`MAX_TRIALS` sets, each predicted to err less than all cheaper ones.
    """
    noise = {effect.item: effect.alone.logit_error**2 for effect in report.effects}
    costs = part_macs(float_graph)
    least, worth = sum(noise.values()), list[tuple[str, ...]]()
    for parts in sorted(_sets(tuple(costs)), key=lambda parts: sum(costs[part] for part in parts)):
        left = sum(noise[item] for item in noise if item not in _spared(float_graph, parts))
        if left < WORTH * least:
            least = left
            worth.append(parts)
    return tuple(worth[i] for i in evenly(len(worth), MAX_TRIALS, down=True))


def _sets(parts: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Any few parts, and neighbours, in the order in which they run."""
    for n in range(1, MAX_TOGETHER + 1):
        yield from itertools.combinations(parts, n)
    for n in range(MAX_TOGETHER + 1, len(parts) + 1):
        yield from (parts[i : i + n] for i in range(len(parts) - n + 1))


def _spared(graph: QGraph, parts: tuple[str, ...]) -> frozenset[str]:
    """What is not rounded when some parts are in float.

    Their weights, and tensors that only they write and read: what goes on to an int8 part is
    rounded on the way.
    """
    readers: dict[str, set[str]] = {}
    for node in graph.nodes:
        for name in node.inputs:
            readers.setdefault(name, set()).add(part_of(node.output))
    spared = set()
    for node in graph.nodes:
        if part_of(node.output) in parts:
            spared.add(f"{node.output}{WEIGHT}")
            if readers.get(node.output, set()) <= set(parts):
                spared.add(node.output)
    return frozenset(spared)


def part_of(name: str) -> str:
    """Return the part of the network that a tensor belongs to."""
    return name.split(".", maxsplit=1)[0]


def part_macs(graph: QGraph) -> Mapping[str, int]:
    """Count the multiplications of every part; other operations count one for each value.

    The head's sums are exact in int8, so leaving it in float gains its weights alone.
    """
    costs: dict[str, int] = {}
    for node in graph.nodes:
        part = part_of(node.output)
        if part in (part_of(graph.head.output), part_of(graph.output)):
            continue
        values = math.prod(graph[node.output].shape)
        cost = node.macs(graph) if isinstance(node, Conv) else values
        costs[part] = costs.get(part, 0) + cost
    return costs


def note(decision: Decision) -> str | None:
    """Say what was left in float, or that the wish was not met; None if all is int8."""
    first, taken = decision.trials[0], _taken(decision)
    if not decision.met:
        return (
            f"int8 agrees with float on {100 * first.agreement:.1f} % of training windows, "
            f"loss {first.drop_points:.2f} points; {decision.wanted} is not reached"
            + tried(decision)
        )
    if taken == first:
        return None
    return (
        f"{', '.join(taken.float_parts)} left in float for {decision.wanted}: "
        f"{100 * first.agreement:.1f} % -> {100 * taken.agreement:.1f} %, "
        f"loss {first.drop_points:.2f} -> {taken.drop_points:.2f} points"
    )


def tried(decision: Decision | None) -> str:
    """Say what leaving parts in float gave, as the end of a sentence about a wish not met."""
    if decision is None or decision.met or len(decision.trials) == 1:
        return ""
    others, taken = len(decision.trials) - 1, _taken(decision)
    if taken == decision.trials[0]:
        return f"; no set of parts in float comes closer ({others} tried), all stays in int8"
    return (
        f"; of {others} sets of parts in float the closest is taken, "
        f"{', '.join(taken.float_parts)}: {100 * taken.agreement:.1f} % and a loss of "
        f"{taken.drop_points:.2f} points"
    )


def _taken(decision: Decision) -> Trial:
    return next(t for t in decision.trials if t.float_parts == decision.float_parts)
