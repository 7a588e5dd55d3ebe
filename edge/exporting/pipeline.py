# SPDX-License-Identifier: BSD-3-Clause
"""Export a checkpoint to a bundle whose every file was run and compared.

Each stage is a function from one frozen value to the next; :func:`export` tells the whole story.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from edge import parity, registry
from edge.bundle import folder as bundle_folder
from edge.bundle import types as bundle_types
from edge.bundle.types import Manifest
from edge.checkpoint import files
from edge.errors import AccuracyError, UsageError
from edge.exporting import amplitudes, golden, policy
from edge.exporting import refuse as compatibility
from edge.exporting import rungs as ladder
from edge.exporting.manifest import artifact_of, manifest_of
from edge.exporting.prepare import ExportRequest, Prepared, prepare
from edge.exporting.rungs import Rung
from edge.patches.threads import single_thread
from edge.spec import BRAINDECODE, Artifact
from edge.targets import base as target
from edge.targets.base import Sources
from edge.terminal import figures
from edge.terminal.console import Console
from quantize import plain as manifest
from quantize.graph import files as graph_files
from quantize.graph import outputs
from quantize.inspect import fidelity, sensitivity


@single_thread()
def export(request: ExportRequest, console: Console) -> Manifest:
    """Write a bundle and return its manifest.

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
            made = manifest_of(ready, artifacts, rungs)
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


def climb(ready: Prepared) -> tuple[Rung, ...]:
    """Compare the forms above every file: braindecode's, the lowered one, the integers."""
    lowered = ladder.lowered_rung(ready.sources.lowered.net, ready.top, ready.held_out)
    try:
        integers = ladder.int8_rungs(ready.sources, ready.top, ready.held_out)
    except AccuracyError as error:
        raise AccuracyError(amplitudes.explain(ready.resolved, str(error))) from None
    return (ready.top, lowered, *integers)


def _say_exceptions(rungs: Sequence[Rung], console: Console) -> None:
    every = (one for rung in rungs for one in (rung, *rung.others.values()))
    entries = (entry for rung in every for entry in rung.parity)
    for text in filter(None, map(parity.exception, entries)):
        console.note(f"note: {text}")


def _check(sources: Sources, request: ExportRequest, console: Console) -> None:
    """Refuse what a target cannot run, with ``edge check``'s verdicts, before writing anything."""
    if sources.quantized is not None:
        graph = sources.quantized.graph
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
        artifacts.append(artifact_of(name, precision, place, content, sources))
        advance(f"{name} {precision}")
    return tuple(artifacts), tuple(climbed)


def _gate(made: Manifest, request: ExportRequest) -> None:
    """Raise when an artifact loses more accuracy than ``--max-drop`` allows."""
    if request.max_drop is None:
        return
    shares = {entry.rung: entry.correct.share for entry in made.accuracy}
    for artifact in made.artifacts:
        here = shares[f"{artifact.target} {artifact.precision}"]
        drop = 100 * (shares[BRAINDECODE] - here)
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
    contract, quantized = ready.resolved.contract, ready.sources.quantized
    if quantized is not None:
        graph = quantized.graph
        graph_files.save(graph, folder / bundle_types.QGRAPH)
        contract = replace(contract, input_quant=graph.quant(graph.input))
    files.save(replace(ready.resolved.model, contract=contract), folder)
    (folder / bundle_types.GOLDEN).write_bytes(golden.vectors(ready.sources, ready.held_out, rungs))
    (folder / bundle_types.DECISIONS).write_bytes(golden.decisions(ready.held_out, rungs))
    if quantized is not None:
        windows = ready.held_out.repeated
        tensors = fidelity.measure(quantized.float_graph, quantized.graph, windows)
        manifest.write(folder / bundle_types.TENSORS, {"tensors": tensors})
    complete = replace(made, files=bundle_folder.checksums(folder))
    manifest.write(folder / bundle_types.MANIFEST, complete)
    return complete


def _write_sensitivity(folder: Path, ready: Prepared) -> None:
    """What every tensor's rounding costs, as JSON and as a figure."""
    made = ready.sources.int8
    report = sensitivity.measure(made.float_graph, made.graph, ready.held_out.repeated)
    (folder / bundle_types.SENSITIVITY).write_text(manifest.to_json(report.document()))
    figures.sensitivity(report, folder / bundle_types.SENSITIVITY_FIGURE)
