# SPDX-License-Identifier: BSD-3-Clause
"""The export: from a checkpoint to a bundle whose every file was run and compared.

Each stage is a function from one frozen value to the next; :func:`export` is the story.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge import parity, registry
from edge.bundle import folder as bundle_folder
from edge.bundle import types as bundle_types
from edge.bundle.types import DataRecord, Manifest, Output
from edge.checkpoint import files, shortened
from edge.checkpoint import find as checkpoints
from edge.checkpoint.find import Resolved
from edge.data import dataset
from edge.errors import AccuracyError, UsageError
from edge.exporting import finite, policy
from edge.exporting import refuse as compatibility
from edge.exporting import rungs as ladder
from edge.exporting.rungs import HeldOut, Rung
from edge.families.attentionbasenet import fast_stem as fit
from edge.lower.stem import lower
from edge.patches.threads import single_thread
from edge.patches.versions import versions
from edge.spec import Artifact, Decision, Precision, Verdict
from edge.targets import base as target
from edge.targets import runtime
from edge.targets.base import Content, Sources
from edge.terminal import figures
from edge.terminal.console import Console
from firmware_bridge.signal.contract import UNKNOWN
from quantize import plain as manifest
from quantize.graph import files as graph_files
from quantize.graph import outputs, reference
from quantize.graph.qgraph import LOGITS, QGraph
from quantize.inspect import fidelity, sensitivity
from quantize.pt2e import ptq
from quantize.pt2e.extract import extract
from quantize.recipe import Recipe

MAX_HELD_OUT = 480
"""Held-out windows compared at most, spread evenly."""
MAX_EVIDENCE = 400
"""Training windows that the policy chooses by at most, spread evenly; what is held out is reported,
and would flatter int8 if it had been chosen by."""
N_GOLDEN = 20


@dataclass(frozen=True)
class ExportRequest:
    """What ``edge export`` was asked for.

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
        """What is wanted."""
        return (Precision.FLOAT, Precision.INT8) if self.int8 else (Precision.FLOAT,)

    @property
    def jobs(self) -> tuple[tuple[str, Precision], ...]:
        """What is written: of every target the wanted precisions that it has."""
        return tuple(
            (name, precision)
            for name in self.targets
            for precision in self.precisions
            if precision in target.load(name).PRECISIONS
        )


@single_thread()
def export(request: ExportRequest, console: Console) -> Manifest:
    """Write a bundle and say what it is.

    Raises
    ------
    EdgeError
        When the request is refused, or an artifact does not compute what it should; nothing is
        left behind then.
    """
    bundle_folder.refuse_destination(request.out)
    for name in request.targets:
        registry.refuse_unknown(registry.TARGETS, name, "--targets")
    _refuse_nothing_to_write(request)
    outputs.refuse(request.outputs)
    with console.progress("export", 3 + len(request.jobs)) as advance:
        ready = prepare(request, console.note)
        advance("quantized" if request.int8 else "lowered")
        _check(ready.sources, request, console)
        rungs = climb(ready)
        advance("compared")
        with bundle_folder.writing(request.out) as folder:
            artifacts, lower_rungs = _artifacts(folder, request, ready, rungs, advance)
            rungs += lower_rungs
            _say_exceptions(rungs, console)
            made = _manifest(ready, artifacts, rungs)
            _gate(made, request)
            if request.sensitivity:
                _write_sensitivity(folder, ready)
            written = _write(folder, made, ready, rungs)
        advance("bundle")
    return written


def _refuse_nothing_to_write(request: ExportRequest) -> None:
    """Raise for a target that has no artifact of any precision that is wanted."""
    idle = set(request.targets) - {name for name, _ in request.jobs}
    if idle:
        name = min(idle)
        raise UsageError(
            f"Target {name!r} computes in int8 only. Type: edge export --int8 --targets {name}"
        )


@dataclass(frozen=True, eq=False)
class Prepared:
    """A network lowered, and quantized where int8 is wanted, with windows to measure it on.

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
    held_out = _held_out(resolved)
    sources = _float_sources(resolved, request.outputs)
    top = ladder.top_rung(resolved.model.module, held_out, sources.float_graph.others)
    broken = finite.broken(top.logits)
    finite.refuse(sources.float_graph, held_out.scaled, broken, "held-out windows")
    ready = Prepared(resolved, len(calibration), held_out, top, sources)
    if request.int8:
        ready = _quantized(ready, resolved.contract.scale(calibration), request)
    if ready.decision is not None and (said := policy.note(ready.decision)):
        note(f"note: {said}")
    return ready


def climb(ready: Prepared) -> tuple[Rung, ...]:
    """The rungs above every artifact: braindecode's, the lowered network's, the integers'."""
    assert ready.sources.net is not None
    lowered = ladder.lowered_rung(ready.sources.net, ready.top, ready.held_out)
    return (ready.top, lowered, *ladder.int8_rungs(ready.sources, ready.top, ready.held_out))


def _say_what_is_special(resolved: Resolved, note: Callable[[str], None]) -> None:
    if (changed := shortened.shortened(resolved.model)) is not None:
        note(f"note: {changed}")
    if resolved.contract.scaling.kind == UNKNOWN:
        note("note: scaling unknown, windows are taken as they are: the checkpoint has no contract")
    if resolved.split.test.simulated:
        note("note: simulated data; accuracies say nothing about real EEG")


def _say_exceptions(rungs: Sequence[Rung], console: Console) -> None:
    every = (one for rung in rungs for one in (rung, *rung.others.values()))
    entries = (entry for rung in every for entry in rung.parity)
    for text in filter(None, map(parity.exception, entries)):
        console.note(f"note: {text}")


def _held_out(resolved: Resolved) -> HeldOut:
    test = resolved.split.test
    index = parity.evenly(len(test.windows), MAX_HELD_OUT)
    raw = test.windows[index]
    return HeldOut(raw, resolved.contract.scale(raw), test.labels[index])


def _float_sources(resolved: Resolved, given: Sequence[str]) -> Sources:
    """The network, lowered."""
    model = resolved.model
    net = lower(model.module, model.spec)
    graph = extract(ptq.trace(net, model.spec.n_chans, model.spec.n_times))
    return Sources(outputs.give(graph, given), net=net, ch_names=resolved.contract.channels or ())


def _quantized(
    ready: Prepared, calibration: NDArray[np.float32], request: ExportRequest
) -> Prepared:
    """The same in int8, as far as the policy allows; calibration windows are scaled."""
    train, net = ready.resolved.split.train, ready.sources.net
    assert net is not None
    broken = finite.broken(fit.predict(net, calibration[:, :, None]))
    finite.refuse(ready.sources.float_graph, calibration, broken, "calibration windows")
    index = parity.evenly(len(train.windows), MAX_EVIDENCE)
    scaled = ready.resolved.contract.scale(train.windows[index])
    logits = fit.predict(net, scaled[:, :, None])
    evidence = policy.Evidence(scaled, train.labels[index], logits)
    wish = policy.Wish(request.gate, request.full_int8, request.max_drop)
    made, recipe, decision = policy.quantize(net, calibration, request.recipe, evidence, wish)
    graph = outputs.give(made.graph, request.outputs)
    sources = replace(ready.sources, int8_graph=graph, qdq=made.qdq, balanced=made.float_graph)
    return replace(ready, sources=sources, recipe=recipe, decision=decision)


def _check(sources: Sources, request: ExportRequest, console: Console) -> None:
    """Refuse what a target cannot run, with ``edge check``'s verdicts, before writing anything."""
    graph = sources.int8_graph
    if graph is not None:
        compatibility.refuse(graph, request.targets, full_int8=request.full_int8)
        compatibility.say_what_else(graph, request.targets, console.note)


def _artifacts(
    folder: Path,
    request: ExportRequest,
    ready: Prepared,
    rungs: Sequence[Rung],
    advance: Callable[[str], None],
) -> tuple[tuple[Artifact, ...], tuple[Rung, ...]]:
    """Write every file, load it back and hold it to the ladder."""
    sources, held_out = ready.sources, ready.held_out
    known = {rung.name: rung for rung in rungs}
    artifacts: list[Artifact] = []
    climbed: list[Rung] = []
    for name, precision in request.jobs:
        chosen = target.load(name)
        content = chosen.write(sources, precision)
        place = target.place(chosen, name, precision)
        bundle_folder.write_content(folder / place, content)
        climbed += ladder.artifact_rungs(chosen, content, precision, sources, known, held_out)
        artifacts.append(_artifact(name, precision, place, content, sources))
        advance(f"{name} {precision}")
    return tuple(artifacts), tuple(climbed)


def _artifact(
    name: str, precision: Precision, place: str, content: Content, sources: Sources
) -> Artifact:
    graph = sources.graph(precision)
    judged = target.Judgement(Verdict.FULL, ())
    if precision == Precision.INT8:
        judged = runtime.judge_target(graph, name)
    return Artifact(
        target=name,
        precision=precision,
        file=place,
        sha256=bundle_folder.content_sha256(content),
        bytes=bundle_folder.content_bytes(content),
        operations=len(graph.nodes),
        float_operations=judged.float_operations,
        verdict=judged.verdict,
        reasons=judged.reasons,
    )


def _manifest(
    ready: Prepared,
    artifacts: tuple[Artifact, ...],
    rungs: Sequence[Rung],
) -> Manifest:
    resolved, labels = ready.resolved, ready.held_out.labels
    test = resolved.split.test
    return Manifest(
        model=resolved.model.spec,
        source=resolved.origin,
        data=DataRecord(
            spec=test.spec,
            simulated=test.simulated,
            split=resolved.split.rule,
            scaling=resolved.contract.scaling.kind,
            n_calibration=ready.n_calibration,
            n_held_out=len(labels),
        ),
        recipe=ready.recipe,
        artifacts=artifacts,
        parity=tuple(entry for rung in rungs for entry in rung.parity),
        accuracy=tuple(parity.accuracy(r.name, r.logits, labels) for r in rungs),
        files={},
        versions=versions(),
        policy=ready.decision,
        others=_others(ready.sources.float_graph, rungs),
    )


def _others(graph: QGraph, rungs: Sequence[Rung]) -> dict[str, Output]:
    """What artifacts give beside the logits, and how it compared."""
    found = {}
    for name, tensor in graph.others.items():
        *_, n_times, n_channels = graph[tensor].shape
        entries = (entry for rung in rungs if name in rung.others for entry in rung.of(name).parity)
        found[name] = Output((n_channels, n_times), tuple(entries))
    return found


def _gate(made: Manifest, request: ExportRequest) -> None:
    """Raise when an artifact loses more accuracy than ``--max-drop`` allows."""
    if request.max_drop is None:
        return
    shares = {entry.rung: entry.correct.share for entry in made.accuracy}
    for artifact in made.artifacts:
        here = shares[f"{artifact.target} {artifact.precision}"]
        drop = 100 * (shares[ladder.BRAINDECODE] - here)
        if drop > request.max_drop:
            raise AccuracyError(
                f"{artifact.file} loses {drop:.2f} points on {made.data.n_held_out} held-out "
                f"windows and --max-drop is {request.max_drop:g}{policy.tried(made.policy)}. "
                f"Nothing was written."
            )


def _write(
    folder: Path,
    made: Manifest,
    ready: Prepared,
    rungs: Sequence[Rung],
) -> Manifest:
    """Everything beside the artifacts, the manifest last."""
    contract = ready.resolved.contract
    graph = ready.sources.int8_graph
    if graph is not None:
        graph_files.save(graph, folder / bundle_types.QGRAPH)
        contract = replace(contract, input_quant=graph.quant(graph.input))
    files.save(replace(ready.resolved.model, contract=contract), folder)
    golden = _golden(ready.sources, ready.held_out, rungs)
    (folder / bundle_types.GOLDEN).write_bytes(golden)
    (folder / bundle_types.DECISIONS).write_bytes(_decisions(ready.held_out, rungs))
    if graph is not None and ready.sources.balanced is not None:
        tensors = fidelity.measure(ready.sources.balanced, graph, ready.held_out.scaled)
        manifest.write(folder / bundle_types.TENSORS, {"tensors": tensors})
    complete = replace(made, files=bundle_folder.checksums(folder))
    manifest.write(folder / bundle_types.MANIFEST, complete)
    return complete


def _write_sensitivity(folder: Path, ready: Prepared) -> None:
    """What every tensor's rounding costs, as JSON and as a figure."""
    sources = ready.sources
    assert sources.balanced is not None
    assert sources.int8_graph is not None
    report = sensitivity.measure(sources.balanced, sources.int8_graph, ready.held_out.scaled)
    (folder / bundle_types.SENSITIVITY).write_text(manifest.to_json(report.document()))
    figures.sensitivity(report, folder / bundle_types.SENSITIVITY_FIGURE)


def _golden(sources: Sources, held_out: HeldOut, rungs: Sequence[Rung]) -> bytes:
    """Windows as ``edge run`` takes them, and what every rung made of them, as ``.npz``."""
    index = parity.evenly(len(held_out.raw), N_GOLDEN)
    arrays: dict[str, Any] = {"x": held_out.raw[index]}
    if sources.int8_graph is not None:
        integers = reference.run(sources.int8_graph, held_out.scaled[index])
        arrays["x_int8"] = reference.to_input(sources.int8_graph, held_out.scaled[index])[:, 0]
        arrays[bundle_types.STORED] = integers.stored
        arrays["accumulator_int32"] = integers.accumulator
        arrays |= {f"{name}_int8": stored[:, 0] for name, stored in integers.others.items()}
    for rung in rungs:
        arrays[f"{bundle_types.LOGITS}{rung.name}"] = rung.logits[index]
        for name, other in rung.others.items():
            arrays[f"{name}/{rung.name}"] = other.logits[index]
    return _npz(arrays)


def _decisions(held_out: HeldOut, rungs: Sequence[Rung]) -> bytes:
    """Labels and what every rung decided, on every held-out window, as ``.npz``."""
    arrays = {f"{bundle_types.DECISION}{rung.name}": rung.logits.argmax(1) for rung in rungs}
    arrays[bundle_types.LABELS] = held_out.labels
    return _npz({name: values.astype(np.int16) for name, values in arrays.items()})


def _npz(arrays: Mapping[str, Any]) -> bytes:
    """Arrays as ``.npz``, byte-identical when repeated."""
    stream = io.BytesIO()
    np.savez_compressed(stream, **{name: arrays[name] for name in sorted(arrays)})
    return stream.getvalue()
