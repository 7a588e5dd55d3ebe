# SPDX-License-Identifier: BSD-3-Clause
"""Show what rounding costs inside: SQNR of every tensor, and what each does to the logits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.report import figures
from benchmarks.report.document import (
    Absent,
    Block,
    Column,
    Part,
    Section,
    Table,
    number,
    row,
    words,
)
from benchmarks.report.sources import Source
from edge.bundle import types as bundle_types

MOST_BARS = 16
"""Tensors in a figure of sensitivity; the table has all of them."""


def fidelity(sources: Sequence[Source], shown: Sequence[Source]) -> Section:
    """Show the SQNR of every int8 tensor against float, in the order of computation."""
    blocks: list[Block] = []
    parts: list[Part] = []
    for source in sources:
        document = source.document(bundle_types.TENSORS)
        if document is None:
            why = (
                "it has no integer graph"
                if source.opened.manifest.recipe is None
                else "its export did not keep it; export again with this version"
            )
            blocks.append(Absent("SQNR per tensor", why, source.label))
        elif source in shown:
            parts.append(_fidelity_part(source, document["tensors"], len(parts)))
    if parts:
        blocks.insert(0, words(_FIDELITY))
    return Section("tensors", "SQNR per tensor", tuple(blocks), tuple(parts))


_FIDELITY = (
    "Every int8 tensor, dequantized, against the same tensor of the float network, over held-out "
    "windows: errors of all operations before it included."
)


def _fidelity_part(source: Source, tensors: Sequence[Mapping[str, Any]], index: int) -> Part:
    known = {one["name"]: one["sqnr_db"] for one in tensors if one["sqnr_db"] is not None}
    lowest = min(known, key=lambda name: known[name])
    last = list(known)[-1]
    title = f"SQNR per tensor of {source.label}"
    alternative = (
        f"{len(known)} tensors from input to logits; the lowest is {lowest} with "
        f"{known[lowest]:.1f} dB, the last {last} with {known[last]:.1f} dB."
    )
    figure = figures.bars(f"tensors-{index}", title, known, "SQNR (dB)", alternative)
    return Part(title, (figure,))


def sensitivity(sources: Sequence[Source], shown: Sequence[Source]) -> Section:
    """Show what rounding one tensor alone does to the logits, the costliest first."""
    blocks: list[Block] = []
    parts: list[Part] = []
    for source in sources:
        document = source.document(bundle_types.SENSITIVITY)
        if document is None:
            why = "it was exported without --sensitivity; export again with it"
            blocks.append(Absent("sensitivity", why, source.label))
        elif source in shown:
            parts.append(_sensitivity_part(source, document, len(parts)))
    return Section("sensitivity", "Sensitivity", tuple(blocks), tuple(parts))


def _sensitivity_part(source: Source, document: Mapping[str, Any], index: int) -> Part:
    effects = document["effects"]
    values = {one["item"]: 100 * one["alone"]["logit_error"] for one in effects[:MOST_BARS]}
    title = f"Sensitivity of {source.label}"
    alternative = (
        f"The costliest of {len(effects)} tensors: "
        + ", ".join(f"{item} {value:.1f} %" for item, value in list(values.items())[:3])
        + f"; all together {100 * document['everything']['logit_error']:.1f} %."
    )
    axis = "error of the logits when this tensor alone is int8 (% of their RMS)"
    figure = figures.bars(f"sensitivity-{index}", title, values, axis, alternative)
    return Part(title, (figure, _sensitivity_table(source, document, index)))


def _sensitivity_table(source: Source, document: Mapping[str, Any], index: int) -> Table:
    columns = (
        Column("tensor"), Column("kind"),
        Column("alone: logit error", "%", numeric=True), Column("SQNR", "dB", numeric=True),
        Column("agreement", "%", numeric=True),
        Column("all but this: logit error", "%", numeric=True),
    )  # fmt: skip
    rows = tuple(
        row(
            one["item"],
            one["kind"],
            number(100 * one["alone"]["logit_error"], ".2f"),
            number(one["alone"]["sqnr_db"], ".1f", "equal"),
            number(100 * one["alone"]["agreement"], ".1f"),
            number(100 * one["spared"]["logit_error"], ".2f"),
        )
        for one in document["effects"]
    )
    caption = f"{source.label}: rounding simulated on {document['n_windows']} held-out windows."
    return Table(f"sensitivity-table-{index}", caption, columns, rows)
