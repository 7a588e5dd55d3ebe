# SPDX-License-Identifier: BSD-3-Clause
"""Show what the accuracy study found, as tables, bars and a figure; pure functions of the cells.

Differences are int8 minus float in percentage points. A cell is one subject and mode.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from benchmarks.measure import statistics
from edge.exporting import paired
from edge.exporting.paired import Interval, Pairs
from edge.parity import wilson
from edge.spec import Proportion

Cells = Sequence[dict[str, Any]]

MARKERS = "osD^v"


@dataclass(frozen=True)
class Row:
    """One mode on one target, over all subjects.

    Attributes
    ----------
    difference
        Mean over subjects, points (:func:`benchmarks.measure.statistics.over_subjects`).
    agreement
        Windows of all subjects together.
    worst
        The recording with the largest loss, and its loss in points.
    least_agreement
        Of any subject, %.
    sqnr_db, median_db
        Means over subjects, over all windows and of the median window.
    not_worse
        Whether int8 is not worse by more than half a point, subjects being the unit.
    """

    mode: str
    target: str
    float_share: float
    difference: Interval
    agreement: Proportion
    worst: tuple[str, float]
    least_agreement: float
    sqnr_db: float
    median_db: float
    not_worse: str


def targets(cells: Cells) -> tuple[str, ...]:
    """Return the targets that every cell was measured on."""
    return tuple(sorted(set.intersection(*(set(cell["int8"]) for cell in cells))))


def modes(cells: Cells) -> tuple[str, ...]:
    """Return the modes in the order of their names."""
    return tuple(sorted({cell["mode"] for cell in cells}))


def pairs(cell: dict[str, Any], target: str) -> Pairs:
    """Return the windows of one cell that only one of float and int8 got right."""
    found = cell["int8"][target]
    return Pairs(cell["n"], found["gained"], found["lost"])


def row(cells: Cells, mode: str, target: str) -> Row:
    """Return everything about one mode on one target."""
    own = [cell for cell in cells if cell["mode"] == mode]
    by_subject: dict[str, list[Pairs]] = {}
    for cell in own:
        by_subject.setdefault(cell["recording"], []).append(pairs(cell, target))
    verdict = statistics.subjects_non_inferiority(tuple(by_subject.values()))
    drops = [100 * pairs(cell, target).difference for cell in own]
    agree = [cell["int8"][target]["agree"] for cell in own]
    worst = int(np.argmin(drops))
    return Row(
        mode,
        target,
        float(np.mean([cell["float_correct"] / cell["n"] for cell in own])),
        Interval(*(100 * x for x in astuple(verdict.interval))),
        wilson(sum(agree), sum(cell["n"] for cell in own)),
        (own[worst]["recording"], drops[worst]),
        100 * min(a / cell["n"] for a, cell in zip(agree, own, strict=True)),
        _mean_db(own, target, "sqnr_db"),
        _mean_db(own, target, "sqnr_median_window_db"),
        str(verdict),
    )


def _mean_db(cells: Cells, target: str, key: str) -> float:
    values = [cell["int8"][target][key] for cell in cells]
    return float(np.mean([value for value in values if value is not None]))


def rows(cells: Cells) -> list[Row]:
    """Return every mode on every target."""
    return [row(cells, mode, target) for mode in modes(cells) for target in targets(cells)]


HEADS = (
    "mode",
    "target",
    "float %",
    "int8 - float, points [95 %, subjects]",
    "worst subject",
    "agreement % [95 %]",
    "least %",
    "SQNR dB (median)",
    "not worse by 0.5",
)


def _texts(found: Row) -> tuple[str, ...]:
    d, a = found.difference, found.agreement
    return (
        found.mode,
        found.target,
        f"{100 * found.float_share:.1f}",
        f"{d.value:+.2f} [{d.low:+.2f}, {d.high:+.2f}]",
        f"{found.worst[0]} {found.worst[1]:+.2f}",
        f"{100 * a.share:.2f} [{100 * a.low:.1f}, {100 * a.high:.1f}]",
        f"{found.least_agreement:.1f}",
        f"{found.sqnr_db:.1f} ({found.median_db:.1f})",
        found.not_worse,
    )


def table(cells: Cells) -> Table:
    """Return one row for each mode and target."""
    made = Table(title="int8 against float, held-out sessions", title_justify="left")
    for head in HEADS:
        made.add_column(head, justify="left" if head in ("mode", "target") else "right")
    for found in rows(cells):
        made.add_row(*_texts(found))
    return made


@dataclass(frozen=True)
class Bar:
    """One demand on one target: what is wanted, and what was measured."""

    name: str
    target: str
    wanted: float
    figure: float
    unit: str

    @property
    def met(self) -> bool:
        """Whether the figure reaches it."""
        return self.figure >= self.wanted

    def __str__(self) -> str:
        answer = "met" if self.met else "MISSED"
        return (
            f"{answer}: {self.target}: {self.name}: {self.figure:.2f} {self.unit} "
            f"(wanted: {self.wanted:g})"
        )


def bars(cells: Cells) -> list[Bar]:
    """Return the demands, each beside its figure, on every target."""
    found = []
    for target in targets(cells):
        own = [row(cells, mode, target) for mode in modes(cells)]
        drops = [100 * pairs(cell, target).difference for cell in cells]
        medians = _mean_db(cells, target, "sqnr_median_window_db")
        found += [
            Bar("int8 - float, mean of all cells", target, -0.3, float(np.mean(drops)), "points"),
            Bar(
                "int8 - float, lowest mode",
                target,
                -0.5,
                min(r.difference.value for r in own),
                "points",
            ),
            Bar(
                "agreement, lowest mode",
                target,
                98.8,
                100 * min(r.agreement.share for r in own),
                "%",
            ),
            Bar("agreement, lowest cell", target, 97.5, min(r.least_agreement for r in own), "%"),
            Bar("SQNR of the median window, mean of all cells", target, 34.0, medians, "dB"),
            Bar(
                "SQNR over all windows, mean of all cells (an aim)",
                target,
                28.0,
                _mean_db(cells, target, "sqnr_db"),
                "dB",
            ),
        ]
    return found


WHOSE_LOGITS = (
    "tflite and c give logits of 16 bits, in firmware and streams too; executorch and onnx the "
    "head's sums in float"
)
"""What figures of a target are figures of."""


def lines(cells: Cells) -> list[str]:
    """Return the bars, and where parts stayed in float."""
    mixed = [
        f"{cell['recording']} {cell['mode']}: "
        + ("" if cell["policy"]["met"] else f"{cell['policy']['wanted']} not reached, ")
        + (", ".join(cell["policy"]["float_parts"]) or "nothing")
        + " left in float"
        for cell in cells
        if not cell["policy"]["met"] or cell["policy"]["float_parts"]
    ]
    return [
        f"{len(cells)} cells, {sum(cell['n'] for cell in cells)} windows",
        WHOSE_LOGITS,
        *map(str, bars(cells)),
        *mixed,
    ]


def markdown(cells: Cells) -> str:
    """Return modes, bars, then every cell with its own interval and test."""
    parts = [
        "# int8 against float on real EEG\n",
        *_markdown_table(HEADS, map(_texts, rows(cells))),
    ]
    parts += ["", *(f"- {line}" for line in lines(cells)), "", "## Every cell\n"]
    heads = ("subject", "mode", "float %", "target", "int8 - float [95 %, bootstrap]", "p")
    parts += _markdown_table(
        (*heads, "agreement % [95 %]", "SQNR dB (median)", "not worse by 0.5"),
        (_cell_texts(cell, target) for cell in cells for target in targets(cells)),
    )
    return "\n".join(parts) + "\n"


def _cell_texts(cell: dict[str, Any], target: str) -> tuple[str, ...]:
    found, own = pairs(cell, target), cell["int8"][target]
    interval, agree = statistics.bootstrap(found), wilson(own["agree"], cell["n"])
    return (
        cell["recording"],
        cell["mode"],
        f"{100 * cell['float_correct'] / cell['n']:.1f}",
        target,
        f"{100 * interval.value:+.2f} [{100 * interval.low:+.2f}, {100 * interval.high:+.2f}]",
        f"{statistics.mcnemar(found):.2f}",
        f"{100 * agree.share:.1f} [{100 * agree.low:.1f}, {100 * agree.high:.1f}]",
        f"{_db(own['sqnr_db'])} ({_db(own['sqnr_median_window_db'])})",
        str(paired.non_inferiority(found)),
    )


def _db(value: float | None) -> str:
    return "equal" if value is None else f"{value:.1f}"


def _markdown_table(heads: Sequence[str], body: Any) -> list[str]:
    texts = [heads, ["---"] * len(heads), *body]
    return [f"| {' | '.join(line)} |" for line in texts]


def write(cells: Cells, docs: Path) -> None:
    """Write ``accuracy.md`` and ``accuracy.svg``."""
    (docs / "notes" / "accuracy.md").write_text(markdown(cells))
    figure(cells, docs / "figures" / "accuracy.svg")


def figure(cells: Cells, path: Path) -> None:
    """Draw every cell's difference and agreement, a panel a target and a mark a subject."""
    from edge.terminal import figures

    shown, names = targets(cells), modes(cells)
    subjects = sorted({cell["recording"] for cell in cells})
    made, axes = figures.pyplot().subplots(
        2, len(shown), sharex=True, sharey="row", squeeze=False, figsize=(3 * len(shown) + 1, 5),
        layout="constrained",
    )  # fmt: skip
    for column, target in enumerate(shown):
        upper, lower = axes[:, column]
        for marker, subject in zip(MARKERS * len(subjects), subjects, strict=False):
            own = [cell for cell in cells if cell["recording"] == subject]
            places = [names.index(cell["mode"]) for cell in own]
            drops = [100 * pairs(cell, target).difference for cell in own]
            agree = [100 * cell["int8"][target]["agree"] / cell["n"] for cell in own]
            for axis, values in ((upper, drops), (lower, agree)):
                axis.plot(places, values, marker, color="0.3", fillstyle="none", label=subject)
        upper.axhline(0, color="0.7", linewidth=0.8)
        lower.axhline(97.5, color="0.7", linestyle="--", linewidth=0.8)
        upper.set_title(target)
        lower.set_xticks(range(len(names)), names, rotation=90)
    axes[0, 0].set_ylabel("int8 - float (points)")
    axes[1, 0].set_ylabel("same decision as float (%)")
    axes[0, 0].legend(ncols=2)
    figures.save(made, path)
