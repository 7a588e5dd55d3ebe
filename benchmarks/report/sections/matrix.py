# SPDX-License-Identifier: BSD-3-Clause
"""Show what every runtime computes in int8, by mode and target, and how well it follows."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.report.comparisons import follows_float
from benchmarks.report.document import (
    Absent,
    Block,
    Cell,
    Column,
    Part,
    Section,
    Table,
    Words,
    number,
    row,
)
from benchmarks.report.sources import Source
from edge import registry
from edge.spec import Artifact, Precision, Verdict, describe

MANY = 6
"""Bundles from which on long tables are folded away."""
TONES = {Verdict.FULL: "good", Verdict.MIXED: "fair", Verdict.BLOCKED: "bad"}


def section(sources: Sequence[Source]) -> Section:
    """Return a row for each mode and a column for each target, then every file with reasons."""
    blocks: list[Block] = [_matrix(sources), *_reasons(sources)]
    modes = {source.mode for source in sources}
    missing = [name for name in registry.networks() if name not in modes]
    if missing and len(modes) > 1:
        blocks.append(Absent("modes " + ", ".join(missing), "no bundle of them was given"))
    files = Part("Every file", (_files(sources),), folded=len(sources) > MANY)
    return Section("matrix", "Modes and targets", tuple(blocks), (files,))


def _matrix(sources: Sequence[Source]) -> Table:
    targets = _targets(sources)
    modes = tuple(dict.fromkeys(source.mode for source in sources))
    return Table(
        "matrix",
        "FULL: every operation in int8. MIXED: some stay float32. Then: SQNR of the logits, and "
        "share of windows decided as float does; the worst bundle of a mode.",
        (Column("mode"), *(Column(target) for target in targets)),
        tuple(row(mode, *(_worst(mode, target, sources) for target in targets)) for mode in modes),
    )


def _targets(sources: Sequence[Source]) -> tuple[str, ...]:
    found = {a.target for source in sources for a in source.opened.manifest.artifacts}
    return tuple(sorted(found))


def _worst(mode: str, target: str, sources: Sequence[Source]) -> Cell:
    """The verdict of a mode's bundle that follows float least well."""
    found = [
        (source, artifact)
        for source in sources
        for artifact in source.opened.manifest.artifacts
        if (source.mode, artifact.target) == (mode, target)
    ]
    if not found:
        return Cell("not exported")
    int8 = [(s, a) for s, a in found if a.precision == Precision.INT8] or found
    judged = [_judged(source, artifact) for source, artifact in int8]
    return min(judged, key=lambda cell: cell[0])[1]


def _judged(source: Source, artifact: Artifact) -> tuple[float, Cell]:
    rung = f"{artifact.target} {artifact.precision}"
    follows = follows_float(source.opened.manifest.parity, rung)
    sqnr = float("inf") if follows.sqnr_db is None else follows.sqnr_db
    int8 = artifact.precision == Precision.INT8
    verdict = str(artifact.verdict) if int8 else "float only"
    tone = TONES[artifact.verdict] if int8 else ""
    shown = "equal" if follows.sqnr_db is None else f"{sqnr:.1f} dB"
    text = f"{verdict} · {shown} · {100 * follows.agreement.share:.1f} %"
    return sqnr, Cell(text, sqnr, tone)


def _files(sources: Sequence[Source]) -> Table:
    columns = (
        Column("bundle"), Column("mode"), Column("target"), Column("precision"),
        Column("file size", "bytes", numeric=True), Column("of the float file", numeric=True),
        Column("operations", numeric=True), Column("in float", numeric=True),
        Column("SQNR", "dB", numeric=True), Column("median window", "dB", numeric=True),
    )  # fmt: skip
    rows = []
    for source in sources:
        made = source.opened.manifest
        floats = {a.target: a.bytes for a in made.artifacts if a.precision == Precision.FLOAT}
        for artifact in made.artifacts:
            int8 = artifact.precision == Precision.INT8
            rung = f"{artifact.target} {artifact.precision}"
            follows = follows_float(made.parity, rung)
            share = artifact.bytes / floats[artifact.target] if artifact.target in floats else None
            rows.append(
                row(
                    source.label,
                    source.mode,
                    artifact.target,
                    str(artifact.precision),
                    number(artifact.bytes, ","),
                    number(share if int8 else None, ".2f"),
                    number(artifact.operations),
                    number(len(artifact.float_operations) if int8 else artifact.operations),
                    number(follows.sqnr_db, ".1f", "equal"),
                    number(follows.sqnr_median_window_db, ".1f", "equal"),
                )
            )
    return Table("files", "Every file, held to braindecode's float logits.", columns, tuple(rows))


def _reasons(sources: Sequence[Source]) -> list[Words]:
    """What stays float in int8 artifacts, each reason once."""
    found: dict[str, set[str]] = {}
    for source in sources:
        for artifact in source.opened.manifest.artifacts:
            if artifact.precision == Precision.INT8:
                for line in describe(artifact.reasons):
                    found.setdefault(f"{artifact.target}: {line}", set()).add(source.mode)
    if not found:
        return []
    lines = (f"{', '.join(sorted(modes))} in {line}" for line, modes in sorted(found.items()))
    return [Words(("What stays float, and why:",)), Words(tuple(lines), items=True)]
