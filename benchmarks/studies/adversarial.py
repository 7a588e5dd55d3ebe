# SPDX-License-Identifier: BSD-3-Clause
"""Run windows that no brain gives through every form of every mode, and hold them to the ladder.

    python -m benchmarks.studies.adversarial --windows 10000 --modes all --save

Each mode's shipped checkpoint is quantized as ``edge export --int8`` does and written for every
target. Saturated, constant, impulsive, lead-off and square windows
(:mod:`benchmarks.studies.hard_windows`) then go through the reference and every runtime, and are
compared as an export compares (:mod:`edge.parity`). Where LiteRT's own kernels differ, the
operations that differ on the same inputs are named.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console as RichConsole

from benchmarks.studies import hard_windows, records
from edge import parity, registry
from edge.checkpoint import find as checkpoints
from edge.checkpoint.forward import predict
from edge.errors import EdgeError, MissingToolError
from edge.exporting.prepare import ExportRequest, prepare
from edge.patches.threads import single_thread
from edge.spec import Precision
from edge.targets import base as target
from edge.targets.base import Session, Sources, Terms
from edge.targets.tflite import target as tflite
from quantize.graph import bounds, reference
from quantize.graph.layouts import to_nchw, to_nhwc
from quantize.graph.measures import sqnr_db
from quantize.graph.qgraph import LOGITS, Dequantize, QGraph, Quantize, Reshape

RESULTS = Path(__file__).parent / "results" / "adversarial.json"
FLOAT_KINDS = (Quantize, Dequantize, Reshape)
CHUNK = 50
FLOAT, OWN = "float", "reference"
PLAIN = "tflite without delegate"
TRACED = 20
"""Windows whose every tensor is compared, those with the largest differences of each kind."""

Float = NDArray[np.float32]


@dataclass(frozen=True)
class Row:
    """One mode's runtime on one kind of window, against the integer reference.

    Attributes
    ----------
    mode, runtime, kind
        What ran, and on which windows.
    windows
        How many.
    max_steps, within_one_step
        As in :class:`edge.spec.Parity`: steps of 8 bits, of 16 bits where ``allowed`` is 0.
    allowed
        How many steps a runtime that must equal the reference may be off; None for others.
    other_class
        Windows that it decides otherwise.
    sqnr_db
        How small the differences are; None where there are none.
    noise_db
        The same of the reference against the float network on these windows, cut off at what 8 bits
        can hold: the error of rounding alone.
    finite
        Whether every logit is a number.
    complaint
        What the ladder says; empty where it holds.
    exception
        Why it holds although a logit is more than two steps off; empty where none is.
    """

    mode: str
    runtime: str
    kind: str
    windows: int
    max_steps: float
    within_one_step: float
    allowed: int | None
    other_class: int
    sqnr_db: float | None
    noise_db: float | None
    finite: bool
    complaint: str
    exception: str


@dataclass(frozen=True)
class Culprit:
    """An operation that a kernel of LiteRT computes otherwise than the reference, on equal inputs.

    Attributes
    ----------
    mode, node, operation
        Where, and what it is.
    values, differ
        How many integers were compared, and how many are others.
    max_steps
        By how much at most.
    """

    mode: str
    node: str
    operation: str
    values: int
    differ: int
    max_steps: int


@dataclass(frozen=True, eq=False)
class Mode:
    """A mode in every form; sessions by name, each with the terms that it is held to."""

    name: str
    sources: Sources
    sessions: Mapping[str, tuple[Session, Terms]]
    tflite: bytes

    @property
    def graph(self) -> QGraph:
        """The integer graph."""
        return self.sources.int8.graph

    @property
    def room(self) -> hard_windows.Room:
        """What a window must fit."""
        *_, n_times, n_chans = self.graph[self.graph.input].shape
        low, high = bounds.real_range(self.graph.quant(self.graph.input))
        return hard_windows.Room(n_chans, n_times, low, high)


def load(name: str) -> Mode:
    """Quantize a mode's shipped checkpoint, and load every int8 file of it."""
    wanted = checkpoints.Request(name, held_out=CHUNK)
    targets = target.default_names(int8=True)
    request = ExportRequest(wanted, Path("unused"), int8=True, targets=targets)
    sources = prepare(request, lambda _: None).sources
    files = {one: target.load(one).write(sources, Precision.INT8) for one in targets}
    sessions = {
        runtime: (open_it(files[one]), target.terms(target.load(one), sources.int8.graph, LOGITS))
        for one in targets
        for runtime, open_it in target.load(one).RUNTIMES.items()
    }
    data = files["tflite"]
    assert isinstance(data, bytes)
    return Mode(name, sources, sessions, data)


def run(mode: Mode, kind: str, count: int) -> tuple[list[Row], list[int]]:
    """One kind's rows, and the numbers of the windows on which LiteRT's kernels differ most."""
    columns: dict[str, list[Float]] = {name: [] for name in (FLOAT, OWN, *mode.sessions)}
    room = mode.room
    for start in range(0, count, CHUNK):
        numbers = range(start, min(start + CHUNK, count))
        x = np.stack([hard_windows.window(kind, room, number) for number in numbers])
        seen = np.clip(x, np.float32(room.low), np.float32(room.high))
        columns[FLOAT].append(predict(mode.sources.lowered.net, to_nchw(seen)))
        columns[OWN].append(reference.run(mode.graph, x).real)
        for name, (session, _) in mode.sessions.items():
            columns[name].append(session(x))
    logits = {name: np.concatenate(parts) for name, parts in columns.items()}
    apart = np.abs(logits[PLAIN] - logits[OWN]).max(1)
    worst = [int(i) for i in np.argsort(-apart, kind="stable")[:TRACED] if apart[i] > 0]
    return [_row(mode, kind, name, logits) for name in mode.sessions], worst


def _row(mode: Mode, kind: str, name: str, logits: Mapping[str, Float]) -> Row:
    _, terms = mode.sessions[name]
    own, out = logits[OWN], logits[name]
    found = parity.compare(
        *(f"{name} on {kind} windows", OWN, own, out),
        again=out,
        step=terms.step,
        noise_db=sqnr_db(logits[FLOAT], own),
        allowed_steps=terms.allowed,
    )
    assert found.max_steps is not None
    assert found.within_one_step is not None
    return Row(
        *(mode.name, name, kind, len(own), found.max_steps, round(found.within_one_step, 6)),
        allowed=terms.allowed,
        other_class=found.agreement.n - found.agreement.count,
        sqnr_db=_rounded(found.sqnr_db),
        noise_db=_rounded(found.noise_db),
        finite=bool(np.isfinite(out).all()),
        complaint=parity.complaint(found) or "",
        exception=parity.exception(found) or "",
    )


def _rounded(decibels: float | None) -> float | None:
    return None if decibels is None else round(decibels, 1)


def culprits(mode: Mode, windows: Float) -> list[Culprit]:
    """Operations of LiteRT's own kernels that give others than the reference on equal inputs."""
    given = traced(mode, windows)
    found = []
    for node in mode.graph.nodes:
        if isinstance(node, FLOAT_KINDS) or mode.graph[node.output].quant is None:
            continue
        ours = node.evaluate(mode.graph, {n: given[n] for n in node.inputs})
        steps = np.abs(ours.astype(int) - given[node.output])
        if steps.any():
            name = node.needs(mode.graph)
            differ = int((steps > 0).sum())
            found.append(
                Culprit(mode.name, node.output, name, steps.size, differ, int(steps.max()))
            )
    return found


def traced(mode: Mode, windows: Float) -> dict[str, NDArray[Any]]:
    """Every tensor of LiteRT's own kernels for windows, by name, (n, 1, n_times, n_channels)."""
    interpreter = tflite.open_interpreter(mode.tflite, delegate=False, keep=True)
    source = interpreter.get_input_details()[0]
    wanted = {tensor.name for tensor in mode.graph.tensors}
    details = [one for one in interpreter.get_tensor_details() if one["name"] in wanted]
    parts: dict[str, list[NDArray[Any]]] = {one["name"]: [] for one in details}
    for window in windows:
        interpreter.set_tensor(source["index"], tflite.encode(to_nhwc(window[None]), source))
        interpreter.invoke()
        for one in details:
            parts[one["name"]].append(interpreter.get_tensor(one["index"]).copy())
    return {name: np.concatenate(each) for name, each in parts.items()}


def measure(name: str, count: int) -> tuple[list[Row], list[Culprit]]:
    """Everything of one mode: ``count`` windows, as many of each kind."""
    mode = load(name)
    rows: list[Row] = []
    worst: list[Float] = []
    for kind in hard_windows.KINDS:
        found, numbers = run(mode, kind, -(-count // len(hard_windows.KINDS)))
        rows += found
        worst += [hard_windows.window(kind, mode.room, number) for number in numbers]
    return rows, (culprits(mode, np.stack(worst)) if worst else [])


def _merged(
    old: Sequence[Mapping[str, Any]], new: Sequence[Row | Culprit], modes: Sequence[str]
) -> list[Mapping[str, Any]]:
    """Records of before for other modes, with those of these modes, in the order of modes."""
    kept = [one for one in old if one["mode"] not in modes]
    every: list[Mapping[str, Any]] = [*kept, *(asdict(one) for one in new)]
    return sorted(every, key=lambda one: one["mode"])


def condensed(rows: Sequence[Row]) -> list[Row]:
    """Rows with one for all kinds of a runtime that is equal to the reference on each of them."""
    kept: list[Row] = []
    for row in rows:
        of_runtime = [other for other in rows if other.runtime == row.runtime]
        if any(other.max_steps for other in of_runtime):
            kept.append(row)
        elif row == of_runtime[0]:
            windows = sum(other.windows for other in of_runtime)
            kept.append(replace(row, kind="every", windows=windows))
    return kept


def save(rows: Sequence[Row], found: Sequence[Culprit], modes: Sequence[str]) -> None:
    """Write the records of these modes among those of others."""
    old = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"rows": [], "culprits": []}
    document = {
        "rows": _merged(old["rows"], condensed(rows), modes),
        "culprits": _merged(old["culprits"], found, modes),
    }
    records.save(RESULTS, document)


@click.command()
@click.option("--windows", "count", type=click.IntRange(1), default=10_000, show_default=True)
@click.option("--modes", default="all", show_default=True, help="Some, with commas between.")
@click.option("--save", "keep", is_flag=True, help=f"Write {RESULTS.name} beside the others.")
@single_thread()
def main(count: int, modes: str, keep: bool) -> None:
    """Hold every form of every mode to the parity ladder on hard windows; exit 1 if one fails."""
    notes = RichConsole(stderr=True)
    names = registry.names(registry.MODES) if modes == "all" else tuple(modes.split(","))
    failed = False
    try:
        for name in names:
            registry.refuse_unknown(registry.MODES, name, "--modes")
            rows, found = measure(name, count)
            every: list[Row | Culprit] = [*rows, *found]
            for one in every:
                click.echo(json.dumps(asdict(one), sort_keys=True))
            failed |= any(row.complaint for row in rows)
            if keep:
                save(rows, found, (name,))
    except (EdgeError, MissingToolError) as error:
        notes.print(f"adversarial: {error}", markup=False)
        sys.exit(error.exit_code)
    sys.exit(failed)


if __name__ == "__main__":
    main()
