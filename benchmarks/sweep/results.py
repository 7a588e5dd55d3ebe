# SPDX-License-Identifier: BSD-3-Clause
"""Write what a sweep gave: one tidy table, one report, one table for people."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from benchmarks.measure import tool
from benchmarks.report import build, html, sources, tidy
from benchmarks.report.comparisons import Pooled, compare, pool
from benchmarks.report.sections.accuracy import POINTS, verdict
from benchmarks.report.sources import Source
from benchmarks.report.write import replace_file
from benchmarks.sweep import claim
from benchmarks.sweep.plan import Cell, Plan, Result


def finished(plan: Plan) -> list[tuple[Cell, Result]]:
    """Return cells with their results, in the order of the plan."""
    return [(cell, plan.finished(cell)) for cell in plan.cells if plan.result(cell).exists()]


def older(plan: Plan) -> str:
    """Say which cells other code than this one finished; empty if there are none."""
    done = finished(plan)
    here = tool.sha256()
    others = [cell for cell, result in done if result.tool_sha256 not in ("", here)]
    if not others:
        return ""
    return (
        f"{len(others)} of {len(done)} finished cells were made by other code than this (column "
        f"tool_sha256), and are kept. To do them again, remove their files in "
        f"{str(plan.folder / 'results')!r}."
    )


def write(plan: Plan) -> tuple[tuple[Source, ...], list[Path]]:
    """Write ``sweep.csv``, ``sweep.parquet`` where pyarrow is installed, and ``report.html``.

    Returns
    -------
    tuple
        The bundles, and the files that were written.
    """
    with claim.held(plan.lock("tables")):
        return _write(plan)


def _write(plan: Plan) -> tuple[tuple[Source, ...], list[Path]]:
    done = finished(plan)
    good = [cell for cell, result in done if not result.refused]
    found = sources.read([plan.bundle(cell) for cell in good])
    rows = _rows(done, dict(zip((cell.name for cell in good), found, strict=True)))
    paths = [plan.folder / "sweep.csv"]
    replace_file(paths[0], tidy.to_csv(rows).encode("utf-8", "replace"))
    if importlib.util.find_spec("pyarrow") is not None:
        paths.append(plan.folder / "sweep.parquet")
        _write_parquet(paths[-1], rows)
    if found:
        paths.append(plan.folder / "report.html")
        replace_file(paths[-1], html.render(build.build(found)).encode("utf-8", "replace"))
    return found, paths


def _rows(done: Sequence[tuple[Cell, Result]], found: dict[str, Source]) -> list[tidy.Row]:
    """A row an artifact; a cell that was refused has one, with the reason."""
    rows = []
    for cell, result in done:
        head = {
            "cell": cell.name,
            "seed": cell.seed,
            "recipe": cell.recipe,
            "seconds": result.seconds,
            "refused": result.refused,
            "tool_sha256": result.tool_sha256,
        }
        if cell.name in found:
            rows += [head | row for row in tidy.rows([found[cell.name]])]
        else:
            rows.append(head | {"mode": cell.mode, "subject": sources.subject_of(cell.data)})
    names = list(dict.fromkeys(name for row in rows for name in row))
    return [{name: row.get(name) for name in names} for row in rows]


def _write_parquet(path: Path, rows: Sequence[tidy.Row]) -> None:
    import pyarrow
    from pyarrow import parquet

    temporary = path.with_name(f".{path.name}.part")
    parquet.write_table(pyarrow.Table.from_pylist(list(rows)), temporary)
    temporary.replace(path)


def table(found: Sequence[Source]) -> Table:
    """Return every mode and target pooled over subjects, with the worst subject."""
    made = Table(title="int8 against float, subjects as the unit", title_justify="left")
    made.add_column("mode")
    made.add_column("target", no_wrap=True)
    made.add_column("subjects", justify="right")
    made.add_column("difference, points [95 %]", justify="right")
    made.add_column(f"not worse than {POINTS:g} points")
    made.add_column("worst subject")
    for one in pool(compare(found)):
        made.add_row(
            one.mode,
            one.target,
            str(len(one.subjects)),
            _points(one),
            one.answer if len(one.subjects) > 1 else verdict(one.worst).text,
            f"{one.worst.subject} {100 * one.worst.difference:+.2f}",
        )
    return made


def _points(one: Pooled) -> str:
    value, low, high = (100 * x for x in (one.interval.value, one.interval.low, one.interval.high))
    return f"{value:+.2f}" if math.isinf(low) else f"{value:+.2f} [{low:+.2f}, {high:+.2f}]"
