# SPDX-License-Identifier: BSD-3-Clause
"""Do the first half of an export: find model and data, lower, and quantize."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.checkpoint import find as checkpoints
from edge.checkpoint import shortened
from edge.checkpoint.find import Resolved
from edge.checkpoint.forward import predict
from edge.data import dataset
from edge.exporting import as_given, finite, policy
from edge.exporting import held_out as windows
from edge.exporting import rungs as ladder
from edge.exporting.rungs import HeldOut, Rung
from edge.families.base import lower
from edge.spec import Decision, Precision
from edge.targets import base as target
from edge.targets.base import Lowered, Sources
from firmware_bridge.signal.contract import UNKNOWN
from quantize.graph import outputs
from quantize.graph.layouts import to_nchw
from quantize.graph.measures import evenly
from quantize.graph.qgraph import LOGITS
from quantize.pt2e import ptq
from quantize.pt2e.extract import extract
from quantize.recipe import Recipe

MAX_EVIDENCE = 400
"""Training windows that the policy chooses by at most, spread evenly; what is held out is reported,
and would flatter int8 if it had been chosen by."""


@dataclass(frozen=True)
class ExportRequest:
    """Everything that ``edge export`` was asked for.

    Attributes
    ----------
    out
        Folder of the bundle.
    int8
        Whether int8 artifacts are wanted beside the float ones.
    targets
        Names of the targets.
    full_int8
        Refuse any float operation.
    max_drop
        Largest loss of accuracy on held-out windows, in percentage points; None for no gate.
    gate
        Whether the attention gate is ``int8``, ``float``, or what :mod:`edge.exporting.policy`
        finds.
    sensitivity
        Whether the bundle gets a report of what every tensor's rounding costs.
    outputs
        What artifacts give, of :data:`quantize.graph.outputs.VALUES`; logits always.
    """

    checkpoint: checkpoints.Request
    out: Path
    int8: bool
    targets: tuple[str, ...]
    full_int8: bool = False
    max_drop: float | None = None
    recipe: Recipe = field(default_factory=Recipe)
    gate: str = "auto"
    sensitivity: bool = False
    outputs: tuple[str, ...] = (LOGITS,)

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """The precisions that are wanted."""
        return (Precision.FLOAT, Precision.INT8) if self.int8 else (Precision.FLOAT,)

    @property
    def jobs(self) -> tuple[tuple[str, Precision], ...]:
        """What is written: every target in each wanted precision that it has."""
        return tuple(
            (name, precision)
            for name in self.targets
            for precision in self.precisions
            if precision in target.load(name).PRECISIONS
        )


@dataclass(frozen=True, eq=False)
class Prepared:
    """A lowered network, quantized where int8 is wanted, and windows to measure it on.

    ``top`` is braindecode's forward pass on them; ``recipe`` what the network was quantized with,
    and ``decision`` how that was found, None where it is float.
    """

    resolved: Resolved
    n_calibration: int
    held_out: HeldOut
    top: Rung
    sources: Sources
    recipe: Recipe | None = None
    decision: Decision | None = None


def prepare(request: ExportRequest, note: Callable[[str], None]) -> Prepared:
    """Find model and data, lower, and quantize where int8 is wanted."""
    resolved = checkpoints.resolve(request.checkpoint, note)
    _say_what_is_special(resolved, note)
    calibration = dataset.calibration_windows(resolved.split.train, note)
    resolved, held_out = windows.choose(resolved, request.checkpoint)
    scaled = resolved.contract.scale(calibration)
    as_given.refuse_difference(resolved.model, scaled, "calibration windows")
    as_given.refuse_difference(resolved.model, held_out.scaled, "held-out windows")
    sources = _float_sources(resolved, request.outputs)
    top = ladder.top_rung(resolved.model, held_out, sources.lowered.graph.others)
    broken = finite.broken(top.logits)
    finite.refuse(sources.lowered.graph, held_out.scaled, broken, "held-out windows")
    ready = Prepared(resolved, len(calibration), held_out, top, sources)
    if request.int8:
        ready = _quantized(ready, scaled, request)
    if ready.decision is not None and (said := policy.note(ready.decision)):
        note(f"note: {said}")
    return ready


def _say_what_is_special(resolved: Resolved, note: Callable[[str], None]) -> None:
    for text in resolved.model.notes:
        note(f"note: {text}")
    if (changed := shortened.shortened(resolved.model)) is not None:
        note(f"note: {changed}")
    if resolved.contract.scaling.kind == UNKNOWN:
        note("note: scaling unknown, windows are taken as they are: the checkpoint has no contract")
    if resolved.split.test.simulated:
        note("note: simulated data; accuracies say nothing about real EEG")


def _float_sources(resolved: Resolved, given: Sequence[str]) -> Sources:
    """The network, lowered."""
    model = resolved.model
    net = lower(model.module, model.spec)
    graph = extract(ptq.trace(net, model.spec.n_chans, model.spec.n_times))
    return Sources(Lowered(outputs.give(graph, given), net, resolved.contract.channels or ()))


def _quantized(
    ready: Prepared, calibration: NDArray[np.float32], request: ExportRequest
) -> Prepared:
    """The same in int8, as far as the policy allows; calibration windows are scaled."""
    train, net = ready.resolved.split.train, ready.sources.lowered.net
    broken = finite.broken(predict(net, to_nchw(calibration)))
    finite.refuse(ready.sources.lowered.graph, calibration, broken, "calibration windows")
    index = evenly(len(train.windows), MAX_EVIDENCE)
    scaled = ready.resolved.contract.scale(train.windows[index])
    logits = predict(net, to_nchw(scaled))
    evidence = policy.Evidence(scaled, train.labels[index], logits)
    wish = policy.Wish(request.gate, request.full_int8, request.max_drop)
    made, recipe, decision = policy.quantize(net, calibration, request.recipe, evidence, wish)
    made = replace(made, graph=outputs.give(made.graph, request.outputs))
    sources = replace(ready.sources, quantized=made)
    return replace(ready, sources=sources, recipe=recipe, decision=decision)
