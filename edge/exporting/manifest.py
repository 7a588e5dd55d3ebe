# SPDX-License-Identifier: BSD-3-Clause
"""Fill in the manifest of a bundle: artifacts, parity, accuracy, data and versions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge import parity
from edge.bundle import folder as bundle_folder
from edge.bundle.types import DataRecord, Manifest, Output
from edge.exporting import held_out
from edge.exporting.prepare import Prepared
from edge.exporting.rungs import Rung
from edge.patches.versions import versions
from edge.spec import Artifact, Precision, Verdict
from edge.targets import base as target
from edge.targets import c, runtime
from edge.targets.base import Content, Sources
from quantize.graph import bounds
from quantize.graph.qgraph import QGraph


def artifact_of(
    name: str, precision: Precision, place: str, content: Content, sources: Sources
) -> Artifact:
    """Return the record of one artifact, with the verdict of its runtimes."""
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


def manifest_of(
    ready: Prepared,
    artifacts: tuple[Artifact, ...],
    rungs: Sequence[Rung],
) -> Manifest:
    """Return the manifest of an export, still without the hashes of its files."""
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
            majority_share=float(np.bincount(labels).max()) / len(labels),
            left_out=test.left_out,
        ),
        recipe=ready.recipe,
        artifacts=artifacts,
        parity=tuple(entry for rung in rungs for entry in rung.parity),
        accuracy=tuple(parity.accuracy(r.name, r.logits, labels[: len(r.logits)]) for r in rungs),
        files={},
        versions=versions(),
        policy=ready.decision,
        generator=c.generator() if any(a.target == c.TARGET for a in artifacts) else "",
        others=_others(ready.sources.lowered.graph, rungs),
        paired=held_out.paired_accuracy(artifacts, rungs, ready.held_out),
        accumulators=_accumulators(ready.sources),
    )


def _accumulators(sources: Sources) -> tuple[bounds.Accumulator, ...]:
    return () if sources.quantized is None else bounds.accumulators(sources.quantized.graph)


def _others(graph: QGraph, rungs: Sequence[Rung]) -> dict[str, Output]:
    """What artifacts give beside the logits, and how it compared."""
    found = {}
    for name, tensor in graph.others.items():
        *_, n_times, n_channels = graph[tensor].shape
        entries = (entry for rung in rungs if name in rung.others for entry in rung.of(name).parity)
        found[name] = Output((n_channels, n_times), tuple(entries))
    return found
