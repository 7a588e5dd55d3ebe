# SPDX-License-Identifier: BSD-3-Clause
"""Make a document of bundles: read them, compare, and lay out every section."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from benchmarks.report.comparisons import follows_float
from benchmarks.report.document import Document, Section, gathered
from benchmarks.report.sections import (
    accuracy,
    ladder,
    latency,
    matrix,
    memory,
    provenance,
    summary,
)
from benchmarks.report.sections import tensors as inside
from benchmarks.report.sources import Source
from edge.patches.versions import installed
from edge.spec import Precision


def build(sources: Sequence[Source]) -> Document:
    """Return the report of some bundles; it is the same whenever they and the versions are."""
    shown = representatives(sources)
    sections: tuple[Section, ...] = (
        matrix.section(sources),
        accuracy.section(sources),
        latency.section(sources),
        memory.section(sources, shown),
        inside.fidelity(sources, shown),
        inside.sensitivity(sources, shown),
        ladder.section(sources),
        provenance.section(sources),
    )
    return Document(
        title="EEG decoders on the device",
        subtitle=summary.subtitle(sources),
        warning=summary.warning(sources),
        tiles=summary.tiles(sources),
        sections=tuple(_settled(section) for section in sections),
        generator=f"eeg-edge {installed('eeg-edge') or 'from source'}",
    )


def _settled(section: Section) -> Section:
    """Absences said once; parts folded away where there are more than two."""
    crowded = len(section.parts) > 2 or section.name == "provenance"
    parts = tuple(replace(part, folded=part.folded or crowded) for part in section.parts)
    return replace(section, blocks=gathered(section.blocks), parts=parts)


def representatives(sources: Sequence[Source]) -> tuple[Source, ...]:
    """Return of every mode the bundle whose int8 follows float least well."""
    by_mode: dict[str, list[Source]] = {}
    for source in sources:
        by_mode.setdefault(source.mode, []).append(source)
    return tuple(min(found, key=_lowest_sqnr) for found in by_mode.values())


def _lowest_sqnr(source: Source) -> float:
    made = source.opened.manifest
    rungs = [f"{a.target} {a.precision}" for a in made.artifacts if a.precision == Precision.INT8]
    values = (follows_float(made.parity, rung).sqnr_db for rung in rungs)
    return min((value for value in values if value is not None), default=float("inf"))
