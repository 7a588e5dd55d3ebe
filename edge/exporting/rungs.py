# SPDX-License-Identifier: BSD-3-Clause
"""Climb the rungs of one export: run every form of the network twice, and compare it.

    braindecode -> lowered
    braindecode -> reference (int8) -> Q/DQ graph
                                    -> every file on every runtime -> braindecode again

All rungs see the same windows. One that is not close enough raises, and nothing is written. What a
network gives beside its logits is compared in the same way, as rungs inside those of the logits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edge import parity
from edge.checkpoint.forward import predict
from edge.checkpoint.model import FloatModel
from edge.errors import AccuracyError
from edge.exporting import finite
from edge.families import base as families
from edge.spec import BRAINDECODE, Parity, Precision
from edge.targets import base as target
from edge.targets.base import Content, Held, Session, Sources, Target
from quantize.graph import outputs, reference
from quantize.graph.layouts import to_nchw
from quantize.graph.qgraph import LOGITS, QGraph
from quantize.inspect import taps

LOWERED = "lowered"
QDQ = "qdq"
REFERENCE = "reference"

SATURATION_WINDOWS = 64
REPEATED = 480
"""Windows that are run a second time at most, to see whether the bits are the same."""

Logits = NDArray[np.float32]
Values = Mapping[str, Logits]
"""What a form of the network gives, by name, (n, n_values) each; the logits first."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Windows that neither training nor calibration has seen.

    ``raw`` is in the contract's unit, ``scaled`` what the network sees, both (n, n_chans, n_times).
    """

    raw: NDArray[np.float32]
    scaled: NDArray[np.float32]
    labels: NDArray[np.int64]

    @property
    def repeated(self) -> NDArray[np.float32]:
        """The scaled windows that every form of the network is run on twice: the first ones."""
        return self.scaled[:REPEATED]


@dataclass(frozen=True, eq=False)
class Rung:
    """One form of the network: its logits (n, n_outputs) and how they compare.

    ``others`` holds the same for what else it gives, (n, n_values) in the place of logits.
    """

    name: str
    logits: Logits
    parity: tuple[Parity, ...] = ()
    others: Mapping[str, Rung] = field(default_factory=dict)

    def of(self, output: str) -> Rung:
        """Return the rung of one output."""
        return self if output == LOGITS else self.others[output]


@dataclass(frozen=True, eq=False)
class Yardstick:
    """What a rung is compared with, and in which measure."""

    rung: Rung
    step: float | None = None
    noise_db: float | None = None
    saturated: float | None = None
    allowed_steps: int | None = None


Yardsticks = Mapping[str, Sequence[Yardstick]]
"""What is compared with what, by output."""


def climb(name: str, runs: Sequence[Logits], against: Iterable[Yardstick]) -> Rung:
    """Compare a form of the network that was run twice.

    Raises
    ------
    AccuracyError
        When it does not hold.
    """
    first, again = runs
    measured = tuple(
        parity.compare(
            name,
            yardstick.rung.name,
            yardstick.rung.logits,
            first,
            again=again,
            step=yardstick.step,
            noise_db=yardstick.noise_db,
            saturated=yardstick.saturated,
            allowed_steps=yardstick.allowed_steps,
        )
        for yardstick in against
    )
    complaints = [text for entry in measured if (text := parity.complaint(entry)) is not None]
    if complaints:
        raise AccuracyError(f"{complaints[0]}. Nothing was written.")
    return Rung(name, first, measured)


def climb_all(name: str, runs: Sequence[Values], against: Yardsticks) -> Rung:
    """Compare everything that a form of the network gave, see :func:`climb`."""
    rungs = {
        output: climb(parity.title(name, output), [run[output] for run in runs], yardsticks)
        for output, yardsticks in against.items()
    }
    return replace(rungs.pop(LOGITS), others=rungs)


def top_rung(model: FloatModel, held_out: HeldOut, others: Iterable[str] = ()) -> Rung:
    """Run braindecode's own forward pass, with which everything else is compared."""
    forms = families.of(model.spec).values(model.module)
    found = {
        output: Rung(parity.title(BRAINDECODE, output), predict(forms[output], held_out.scaled))
        for output in (LOGITS, *others)
    }
    return replace(found.pop(LOGITS), others=found)


def lowered_rung(net: nn.Module, top: Rung, held_out: HeldOut) -> Rung:
    """Compare the lowered network, in float, with braindecode."""
    against = {output: [Yardstick(top.of(output))] for output in (LOGITS, *top.others)}
    forms = families.lowered_values(net)
    runs = [
        {output: predict(forms[output], to_nchw(x)) for output in against}
        for x in (held_out.scaled, held_out.repeated)
    ]
    return climb_all(LOWERED, runs, against)


def int8_rungs(sources: Sources, top: Rung, held_out: HeldOut) -> tuple[Rung, ...]:
    """Compare the integer reference with braindecode, and PyTorch's Q/DQ graph with it."""
    if sources.quantized is None:
        return ()
    graph, x = sources.quantized.graph, held_out.scaled
    runs = [reference.run(graph, x), reference.run(graph, held_out.repeated)]
    some = x[:: max(len(x) // SATURATION_WINDOWS, 1)]
    finite.refuse(graph, x, runs[0].undefined, "held-out windows in int8")
    clipped = max(parity.saturation(graph, some).values())
    floats = {output: [Yardstick(top.of(output), saturated=clipped)] for output in graph.outputs}
    integers = climb_all(REFERENCE, [_values(graph, run) for run in runs], floats)
    tapped = taps.give(sources.quantized.qdq, graph)
    pytorch = climb_all(
        QDQ,
        [_run_qdq(tapped, held_out.repeated, tuple(graph.outputs)) for _ in range(2)],
        {
            output: [Yardstick(own, _step(graph, output), own.parity[0].sqnr_db)]
            for output, own in ((output, _first(integers.of(output))) for output in graph.outputs)
        },
    )
    return integers, pytorch


def _first(rung: Rung) -> Rung:
    """Return a rung on the windows that are run twice; PyTorch's graph is no file, and slow."""
    return replace(rung, logits=rung.logits[:REPEATED])


def _values(graph: QGraph, run: reference.Logits) -> Values:
    others = {name: outputs.real(graph, name, stored) for name, stored in run.others.items()}
    return {LOGITS: run.real, **others}


def _step(graph: QGraph, output: str) -> float | None:
    """A quantization step of an output; None where it is float."""
    quant = graph[graph.outputs[output]].quant
    return None if quant is None else quant.step


def artifact_rungs(
    chosen: Target,
    content: Content,
    precision: Precision,
    sources: Sources,
    known: Mapping[str, Rung],
    held_out: HeldOut,
) -> tuple[Rung, ...]:
    """Compare a file on every runtime of its target, in steps and with float."""
    against = yardsticks(chosen, precision, sources, known)
    others = tuple(sources.graph(precision).others)
    return tuple(
        run_twice(f"{runtime} {precision}", load(content, others), held_out, against)
        for runtime, load in chosen.RUNTIMES.items()
    )


def yardsticks(
    chosen: Held, precision: Precision, sources: Sources, known: Mapping[str, Rung]
) -> Yardsticks:
    """Return what a runtime is compared with: the integers first, then the float model."""
    graph = sources.graph(precision)
    if precision == Precision.FLOAT:
        return {output: [Yardstick(known[BRAINDECODE].of(output))] for output in graph.outputs}
    found = {}
    for output in graph.outputs:
        terms, closest = target.terms(chosen, graph, output), known[REFERENCE].of(output)
        own = closest.parity[0]
        found[output] = [
            Yardstick(closest, terms.step, own.sqnr_db, allowed_steps=terms.allowed),
            Yardstick(known[BRAINDECODE].of(output), saturated=own.saturated),
        ]
    return found


def run_twice(name: str, run: Session, held_out: HeldOut, against: Yardsticks) -> Rung:
    """Run a runtime on the held-out windows and compare it; see :func:`climb`."""
    return climb_all(name, [run.values(x) for x in (held_out.scaled, held_out.repeated)], against)


def _run_qdq(qdq: torch.fx.GraphModule, x: NDArray[np.float32], names: Sequence[str]) -> Values:
    with torch.no_grad():
        given = [qdq(to_nchw(window[None])) for window in torch.from_numpy(x)]
    rows = [(one,) if isinstance(one, torch.Tensor) else one for one in given]
    columns = zip(names, zip(*rows, strict=True), strict=True)
    return {name: torch.flatten(torch.cat(column), 1).numpy() for name, column in columns}
