# SPDX-License-Identifier: BSD-3-Clause
"""Compare int8 with float for every subject and pooled, and say whether data suffice."""

from __future__ import annotations

import math
from collections.abc import Sequence

from benchmarks.report import figures
from benchmarks.report.comparisons import (
    UNPAIRED,
    Comparison,
    Paired,
    Pooled,
    compare,
    pool,
    worst,
)
from benchmarks.report.document import (
    Absent,
    Block,
    Cell,
    Column,
    Figure,
    Part,
    Section,
    Table,
    interval,
    number,
    row,
    words,
)
from benchmarks.report.sources import Source
from edge.exporting.paired import MARGIN
from edge.spec import Proportion

MANY = 6
"""Bundles from which on long tables are folded away."""
POINTS = 100 * MARGIN
TONES = {"yes": "good", "no": "bad"}


def section(sources: Sequence[Source]) -> Section:
    """Return the worst subject first, then the pooled table, then every comparison."""
    comparisons = compare(sources)
    if not comparisons:
        why = "no bundle has an int8 artifact; type: edge export --int8"
        return Section("accuracy", "Accuracy", (Absent("int8 against float", why),))
    blocks: list[Block] = [words(worst_line(comparisons), simulated_line(sources))]
    blocks += _figures(comparisons)
    blocks.append(pooled_table(pool(comparisons)))
    why = "its export did not keep decisions; export again with this version"
    unpaired = sorted({one.label for one in comparisons if one.paired is None})
    blocks += [Absent("paired statistics", why, label) for label in unpaired]
    every = Part("Every comparison", (_every(comparisons),), folded=len(sources) > MANY)
    return Section("accuracy", "Accuracy of int8 against float", tuple(blocks), (every,))


def worst_line(comparisons: Sequence[Comparison]) -> str:
    """Say in words which subject loses most."""
    one = worst(comparisons)
    net = one.correct.count - one.float_correct.count
    change = f"{abs(net)} net of {one.correct.n} windows {'lost' if net < 0 else 'gained'}"
    if net == 0:
        change = f"as many of {one.correct.n} windows lost as gained"
    return (
        f"Worst subject: {one.subject} ({one.mode}, {one.target}): "
        f"{100 * one.difference:+.2f} points, {change}; not worse than {POINTS:g} points: "
        f"{verdict(one).text}."
    )


def simulated_line(sources: Sequence[Source]) -> str:
    """Say what the windows are."""
    made_up = [source.label for source in sources if source.opened.manifest.data.simulated]
    subjects = len({source.subject for source in sources})
    if not made_up:
        return f"Recordings of {subjects} {'subject' if subjects == 1 else 'subjects'}."
    if len(made_up) == len(sources):
        return "All windows are simulated: nothing here says anything about real EEG."
    return f"Simulated, so that it says nothing about real EEG: {', '.join(made_up)}."


def verdict(one: Comparison) -> Cell:
    """Say whether int8 is not worse than the margin, or how many windows would decide."""
    if one.paired is None:
        return Cell(UNPAIRED)
    found = one.paired.verdict
    return Cell(str(found), tone=_tone(found.answer))


def _tone(answer: str) -> str:
    return TONES.get(answer, "fair")


def _figures(comparisons: Sequence[Comparison]) -> list[Figure]:
    """One figure of modes where there is one subject, else one a mode with every subject."""
    subjects = {one.subject for one in comparisons}
    modes = tuple(dict.fromkeys(one.mode for one in comparisons))
    by_label = len({one.label for one in comparisons}) > len(subjects) * len(modes)
    if len(subjects) == 1 and not by_label:
        rows = {mode: [one for one in comparisons if one.mode == mode] for mode in modes}
        return [figures.differences("differences", "int8 minus float, every mode", rows)]
    made = []
    for mode in modes:
        own = [one for one in comparisons if one.mode == mode]
        names = dict.fromkeys(one.label if by_label else one.subject for one in own)
        rows = {
            name: [one for one in own if name == (one.label if by_label else one.subject)]
            for name in names
        }
        title = f"int8 minus float, {mode}, every {'bundle' if by_label else 'subject'}"
        made.append(figures.differences(f"differences-{mode}", title, rows))
    return made


def pooled_table(pooled: Sequence[Pooled]) -> Table:
    """Return a row for every mode and target."""
    columns = (
        Column("mode"), Column("target"), Column("subjects", numeric=True),
        Column("mean difference [95 %]", "points", numeric=True),
        Column(f"not worse than {POINTS:g} points"),
        Column("worst subject"), Column("its difference", "points", numeric=True),
        Column("its verdict"),
    )  # fmt: skip
    rows = tuple(
        row(
            f"{one.mode} (simulated)" if one.worst.simulated else one.mode,
            one.target,
            number(len(one.subjects)),
            _points(one),
            Cell(one.answer, tone=_tone(one.answer) if len(one.subjects) > 1 else ""),
            one.worst.subject,
            number(100 * one.worst.difference, "+.2f"),
            verdict(one.worst),
        )
        for one in pooled
    )
    caption = (
        "Pooled: every subject counts once, Student's t interval over subjects, never narrower "
        "than Tango's of all windows; simulated data is kept apart. 'Not enough subjects, need N': "
        "N would decide at 80 % power if those seen here are like all."
    )
    return Table("pooled", caption, columns, rows)


def _points(one: Pooled) -> Cell:
    value, low, high = (100 * x for x in (one.interval.value, one.interval.low, one.interval.high))
    if math.isinf(low):
        return Cell(f"{value:+.2f}", value)
    return interval(value, low, high, "+.2f")


def _every(comparisons: Sequence[Comparison]) -> Table:
    columns: tuple[Column, ...] = (
        Column("bundle"), Column("subject"), Column("mode"), Column("target"),
        Column("windows", numeric=True),
        Column("float → int8", "%", numeric=True),
        Column("difference [95 %]", "points", numeric=True),
        Column("bootstrap", "points", numeric=True),
        Column("gained, lost"), Column("McNemar p", numeric=True),
        Column("agreement [95 %]", "%", numeric=True), Column(f"not worse by {POINTS:g}"),
        Column("need", "windows", numeric=True),
    )  # fmt: skip
    caption = (
        "Paired on the same held-out windows. 95 % intervals: Tango's score interval and paired "
        "bootstrap of a difference, Wilson's of a share; exact McNemar test. 'Not enough windows': "
        "so many are needed to decide at 80 % power if the shares seen here are the true ones."
    )
    rows = tuple(_row(one) for one in comparisons)
    if len({(one.subject, one.mode) for one in comparisons}) == len({o.label for o in comparisons}):
        columns, rows = columns[1:], tuple(cells[1:] for cells in rows)
    return Table("comparisons", caption, columns, rows)


def _row(one: Comparison) -> tuple[Cell, ...]:
    paired = one.paired
    start = (one.label, one.subject, one.mode, one.target, number(one.correct.n))
    before, after = (100 * share.share for share in (one.float_correct, one.correct))
    shares = Cell(f"{before:.1f} → {after:.1f}", after)
    if paired is None:
        points = number(100 * one.difference, "+.2f")
        return row(*start, shares, points, "", "", "", _share(one.agreement), verdict(one), "")
    found = paired.verdict.interval
    return row(
        *start,
        shares,
        interval(100 * one.difference, 100 * found.low, 100 * found.high, "+.2f"),
        _bootstrap(paired),
        f"+{paired.pairs.gained} −{paired.pairs.lost}",
        number(paired.mcnemar, ".3f"),
        _share(one.agreement),
        Cell(paired.verdict.answer, tone=_tone(paired.verdict.answer)),
        number(paired.verdict.need, ","),
    )


def _bootstrap(paired: Paired) -> Cell:
    low, high = (100 * x for x in (paired.interval.low, paired.interval.high))
    return Cell(f"[{low:+.2f}, {high:+.2f}]", low)


def _share(p: Proportion) -> Cell:
    return interval(100 * p.share, 100 * p.low, 100 * p.high, ".1f")
