# SPDX-License-Identifier: BSD-3-Clause
"""Show what each step from published figures to a headset costs, where it was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.report import figures
from benchmarks.report.document import (
    Absent,
    Block,
    Cell,
    Column,
    Part,
    Section,
    Table,
    interval,
    number,
    row,
    words,
)
from benchmarks.report.sources import Source
from edge.errors import EdgeError
from quantize import plain as manifest

FILE = "ladder.json"
"""What ``python -m benchmarks.studies.ladder`` writes."""


def section(sources: Sequence[Source]) -> Section:
    """Return the ladder that lies beside the bundles."""
    paths = [source.opened.folder.resolve().parent / FILE for source in sources]
    path = next((path for path in paths if path.is_file()), None)
    title = "Cost of going live"
    if path is None:
        why = f"no {FILE} lies beside the bundles"
        return Section("ladder", title, (Absent("the ladder", why),))
    try:
        return _section(title, manifest.document(path)["climbs"])
    except (EdgeError, LookupError, TypeError, ValueError, AttributeError) as error:
        why = f"{FILE} is not what benchmarks.studies.ladder writes ({type(error).__name__})"
        return Section("ladder", title, (Absent("the ladder", why),))


def _section(title: str, climbs: Sequence[Mapping[str, Any]]) -> Section:
    """Figures and a table of the climbs, by what they were measured on."""
    by_data: dict[str, list[Mapping[str, Any]]] = {}
    for climb in climbs:
        by_data.setdefault(climb["data"], []).append(climb)
    blocks: list[Block] = [words(_WORDS)]
    for i, (data, found) in enumerate(by_data.items()):
        shares = {
            climb["subject"]: [climb["accuracy"][rung] for rung in rungs(climb)] for climb in found
        }
        name = f"Accuracy step by step: {data}"
        blocks.append(figures.ladder(f"ladder-{i}", name, rungs(found[0]), shares))
    part = Part("Every step", (_table(climbs),), folded=len(climbs) > 2)
    return Section("ladder", title, tuple(blocks), (part,))


_WORDS = (
    "From figures as they are published to what a headset can do, each step against the one before "
    "on the same trials. Measured by python -m benchmarks.studies.ladder on the recordings named "
    "here, not on these bundles."
)


def rungs(climb: Mapping[str, Any]) -> list[str]:
    """Return the names in the order of the steps, where they start from first."""
    steps = [step["rung"] for step in climb["steps"]]
    return [*(name for name in climb["accuracy"] if name not in steps), *steps]


def _table(climbs: Sequence[Mapping[str, Any]]) -> Table:
    columns = (
        Column("data"), Column("subject"), Column("step"), Column("trials", numeric=True),
        Column("accuracy [95 %]", "%", numeric=True),
        Column("to the step before [95 %]", "points", numeric=True),
        Column("bootstrap", "points", numeric=True), Column("McNemar p", numeric=True),
    )  # fmt: skip
    rows = tuple(cells for climb in climbs for cells in _rows(climb))
    caption = "95 % intervals: Wilson for a share, Tango's and paired bootstrap for a difference."
    return Table("ladder-steps", caption, columns, rows)


def _rows(climb: Mapping[str, Any]) -> Iterator[tuple[Cell, ...]]:
    steps = {step["rung"]: step for step in climb["steps"]}
    for name in rungs(climb):
        share = climb["accuracy"][name]
        low, value, high = (100 * share[key] for key in ("low", "share", "high"))
        step = steps.get(name)
        yield row(
            climb["data"],
            climb["subject"],
            name,
            number(climb["n_trials"]),
            interval(value, low, high, ".1f"),
            Cell("") if step is None else _points(step["difference"]),
            Cell("") if step is None else _points(step["bootstrap"]),
            number(None if step is None else step["p"], ".3f"),
        )


def _points(found: Mapping[str, float]) -> Cell:
    value, low, high = (100 * found[key] for key in ("value", "low", "high"))
    return interval(value, low, high, "+.1f")
