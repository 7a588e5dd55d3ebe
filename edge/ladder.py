"""The rungs of one export: every form of a network run twice on the same windows and compared.

    braindecode -> lowered
    braindecode -> reference (int8) -> Q/DQ graph
                                    -> every artifact on every runtime -> braindecode again

A rung that does not hold raises; nothing is written then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edge import fit, parity, target
from edge.errors import AccuracyError
from edge.spec import Parity, Precision
from edge.target import Content, Held, Runnable, Sources, Target
from quantize import reference

BRAINDECODE = "braindecode"
LOWERED = "lowered"
QDQ = "qdq"
REFERENCE = "reference"
ACCUMULATOR = "accumulator"
"""The reference without requantized logits: the head's sums, scaled to float."""

SATURATION_WINDOWS = 64

Logits = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Windows that neither training nor calibration has seen.

    ``raw`` is in the contract's unit, ``scaled`` what the network sees, both (n, n_chans, n_times).
    """

    raw: NDArray[np.float32]
    scaled: NDArray[np.float32]
    labels: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Rung:
    """A form of the network: its logits (n, n_outputs) and how they compare."""

    name: str
    logits: Logits
    parity: tuple[Parity, ...] = ()


@dataclass(frozen=True, eq=False)
class Yardstick:
    """What a rung is compared with, and how: in ``step``, or as int8 against float."""

    rung: Rung
    step: float | None = None
    noise_db: float | None = None
    saturated: float | None = None
    allowed_steps: int | None = None


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


def top_rung(module: Any, held_out: HeldOut) -> Rung:
    """Braindecode's forward pass, which everything else is held to."""
    return Rung(BRAINDECODE, fit.predict(module, held_out.scaled))


def lowered_rung(net: nn.Module, top: Rung, held_out: HeldOut) -> Rung:
    """The lowered network in float."""
    x = held_out.scaled[:, :, None]
    return climb(LOWERED, _twice(lambda: fit.predict(net, x)), [Yardstick(top)])


def int8_rungs(sources: Sources, top: Rung, held_out: HeldOut) -> tuple[Rung, ...]:
    """The integer reference, its unrounded logits, and PyTorch's Q/DQ graph."""
    graph, qdq, x = sources.int8_graph, sources.qdq, held_out.scaled
    if graph is None or qdq is None:
        return ()
    some = x[:: max(len(x) // SATURATION_WINDOWS, 1)]
    clipped = max(parity.saturation(graph, some).values())
    runs = [reference.run(graph, x), reference.run(graph, x)]
    yardstick = Yardstick(top, saturated=clipped)
    integers = climb(REFERENCE, [run.real for run in runs], [yardstick])
    unrounded = climb(ACCUMULATOR, [run.unrounded for run in runs], [yardstick])
    step = graph.quant(graph.output).scale
    pytorch = climb(
        QDQ,
        _twice(lambda: _run_qdq(qdq, x)),
        [Yardstick(integers, step, integers.parity[0].sqnr_db)],
    )
    return integers, unrounded, pytorch


def artifact_rungs(
    chosen: Target,
    content: Content,
    precision: Precision,
    sources: Sources,
    known: Mapping[str, Rung],
    held_out: HeldOut,
) -> tuple[Rung, ...]:
    """An artifact on every runtime of its target: in steps, and against the float model."""
    against = yardsticks(chosen, precision, sources, known)
    return tuple(
        run_twice(f"{runtime} {precision}", load(content), held_out, against)
        for runtime, load in chosen.RUNTIMES.items()
    )


def yardsticks(
    chosen: Held, precision: Precision, sources: Sources, known: Mapping[str, Rung]
) -> tuple[Yardstick, ...]:
    """What a runtime is held to: in int8 the integers first, then the float model."""
    if precision == Precision.FLOAT:
        return (Yardstick(known[BRAINDECODE]),)
    graph = sources.graph(precision)
    closest = known[ACCUMULATOR if chosen.OPEN_HEAD else REFERENCE]
    own = closest.parity[0]
    step, allowed = graph.quant(graph.output).scale, target.allowed_steps(chosen, graph)
    return (
        Yardstick(closest, step, own.sqnr_db, allowed_steps=allowed),
        Yardstick(known[BRAINDECODE], saturated=own.saturated),
    )


def run_twice(name: str, run: Runnable, held_out: HeldOut, against: Iterable[Yardstick]) -> Rung:
    """A runtime on the held-out windows, compared; see :func:`climb`."""
    return climb(name, _twice(lambda: run(held_out.scaled)), against)


def _twice(run: Callable[[], Logits]) -> Sequence[Logits]:
    return run(), run()


def _run_qdq(qdq: torch.fx.GraphModule, x: NDArray[np.float32]) -> Logits:
    with torch.no_grad():
        logits = [qdq(window[None, :, None]) for window in torch.from_numpy(x)]
    found: Logits = torch.cat(logits).numpy()
    return found
