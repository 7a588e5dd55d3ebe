# SPDX-License-Identifier: BSD-3-Clause
"""Show results as tables for people; the manifest has every figure for programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from edge.spec import BRAINDECODE, Artifact, PairedAccuracy, Parity, Precision, Proportion, describe

if TYPE_CHECKING:
    from edge.bundle.run import Check
    from edge.bundle.types import Manifest
    from edge.exporting.check import Cell, Report

MANY = 10_000
"""More simulated windows than that are not worth waiting for; a thousand take some 9 s."""


UNEVEN = 1.2
"""Windows of the most frequent class over an even share, from which accuracy alone misleads."""


def export_table(made: Manifest) -> Table:
    """Return a row for each artifact: size, verdict, how well it follows float."""
    kind = "simulated " if made.data.simulated else ""
    title = f"mode {made.model.mode}, {made.source}"
    caption = (
        f"{made.data.n_held_out} {kind}windows held out ({made.data.split}), "
        f"{made.data.n_calibration} for calibration; [ ] 95 % Wilson interval"
    )
    table = Table(title=title, caption=caption, title_justify="left", caption_justify="left")
    for column in ("target", "file"):
        table.add_column(column, no_wrap=True)
    for column in ("bytes", "verdict", "float ops", "SQNR dB (median)", "agreement %"):
        table.add_column(column, justify="right")
    table.add_column("accuracy % float -> here", justify="right")
    for artifact in made.artifacts:
        table.add_row(*_artifact_row(made, artifact))
    return table


def _artifact_row(made: Manifest, artifact: Artifact) -> Sequence[str]:
    rung = f"{artifact.target} {artifact.precision}"
    measured = _parity(made.parity, rung)
    accuracy = {entry.rung: entry.correct for entry in made.accuracy}
    int8 = artifact.precision == Precision.INT8
    return (
        artifact.target,
        artifact.file,
        f"{artifact.bytes:,}",
        str(artifact.verdict) if int8 else "float",
        str(len(artifact.float_operations)) if int8 else "all",
        f"{_db(measured.sqnr_db)} ({_db(measured.sqnr_median_window_db)})",
        _interval(measured.agreement),
        f"{100 * accuracy[BRAINDECODE].share:.1f} -> {100 * accuracy[rung].share:.1f}",
    )


def _parity(entries: Iterable[Parity], rung: str) -> Parity:
    return next(p for p in entries if p.rung == rung and p.reference == BRAINDECODE)


def _db(value: float | None) -> str:
    return "equal" if value is None else f"{value:.1f}"


def _interval(p: Proportion) -> str:
    return f"{100 * p.share:.1f} [{100 * p.low:.1f}, {100 * p.high:.1f}]"


def float_lines(made: Manifest) -> list[str]:
    """Return a line for each reason why something stays float in int8 artifacts."""
    return [
        f"float in {artifact.target}: {line}"
        for artifact in made.artifacts
        if artifact.precision == Precision.INT8
        for line in describe(artifact.reasons)
    ]


def class_lines(made: Manifest) -> list[str]:
    """Say how well classes are told apart if one is so frequent that accuracy misleads."""
    of_float = next(entry for entry in made.accuracy if entry.rung == BRAINDECODE)
    majority, balanced, kappa = made.data.majority_share, of_float.balanced, of_float.kappa
    if majority is None or balanced is None or kappa is None:
        return []
    if majority * made.model.n_outputs < UNEVEN:
        return []
    return [f"float model: {among_classes(majority, balanced, kappa)}"]


def among_classes(majority: float, balanced: float, kappa: float) -> str:
    """Scores beside accuracy in words."""
    return (
        f"balanced accuracy {100 * balanced:.1f} %, Cohen's kappa {kappa:.2f}; the most frequent "
        f"class has {100 * majority:.1f} % of the windows"
    )


def paired_lines(made: Manifest) -> list[str]:
    """Say whether int8 decides worse than float on the same windows, one line for each answer."""
    by_answer: dict[str, list[PairedAccuracy]] = {}
    for entry in made.paired:
        by_answer.setdefault(entry.answer, []).append(entry)
    return [_paired_line(made, entries) for entries in by_answer.values()]


def _paired_line(made: Manifest, entries: Sequence[PairedAccuracy]) -> str:
    first = entries[0]
    margin = f"{first.margin_points:g} points of accuracy"
    said = {
        "yes": f"int8 loses less than {margin}",
        "no": f"int8 loses more than {margin}",
    }.get(first.answer, f"not decided whether int8 loses less than {margin}")
    each = ", ".join(
        f"{entry.rung.rpartition(' ')[0]} {entry.difference_points:+.2f} "
        f"[{entry.low_points:+.2f}, {entry.high_points:+.2f}]"
        for entry in entries
    )
    line = f"{said}: {each}; {first.n_windows:,} windows in pairs, 95 %"
    needs = [entry.need for entry in entries if entry.need is not None]
    if not needs:
        return line
    more = f" (--held-out {max(needs)})" if made.data.simulated and max(needs) <= MANY else ""
    return f"{line}; {max(needs):,} would decide{more}"


def other_lines(made: Manifest) -> list[str]:
    """Return lines on what artifacts give beside the logits."""
    return [
        f"{name} beside the logits: {other.shape[0]} channels of {other.shape[1]} tokens"
        for name, other in made.others.items()
    ]


def verify_table(checks: Iterable[Check]) -> Table:
    """Return a row for every runnable and how it compared with the golden vectors."""
    table = Table(title="golden vectors", title_justify="left")
    table.add_column("runnable", no_wrap=True)
    for column in ("windows", "max steps", "max relative error", "same bits"):
        table.add_column(column, justify="right")
    table.add_column("result")
    for check in checks:
        table.add_row(
            check.rung,
            str(check.n_windows),
            "" if check.max_steps is None else str(check.max_steps),
            "" if check.max_relative_error is None else f"{check.max_relative_error:.1e}",
            "yes" if check.same_bits else "no",
            check.problem or (f"skipped: {check.skipped}" if check.skipped else "ok"),
        )
    return table


def check_table(report: Report) -> Table:
    """Return every network on every runtime: the verdict, and what running it gave."""
    table = Table(
        title="networks on runtimes",
        caption="SQNR and agreement against braindecode on held-out windows; steps against the "
        "integer reference; memory as the runtime plans it",
        title_justify="left",
        caption_justify="left",
    )
    for column in ("mode", "target", "verdict"):
        table.add_column(column, no_wrap=True)
    for column in ("float ops", "SQNR dB (median)", "agreement %", "steps", "bytes", "memory"):
        table.add_column(column, justify="right")
    for cell in report.cells:
        table.add_row(
            cell.mode, cell.target, str(cell.verdict), str(len(cell.reasons)), *_run(cell)
        )
    return table


def _run(cell: Cell) -> Sequence[str]:
    """The columns that running fills."""
    if cell.agreement is None:
        return ("not run",)
    return (
        f"{_db(cell.sqnr_db)} ({_db(cell.sqnr_median_window_db)})",
        f"{100 * cell.agreement:.1f}",
        f"{cell.max_steps:.0f}",
        f"{cell.bytes:,}",
        "" if cell.memory_bytes is None else f"{cell.memory_bytes:,}",
    )


def check_lines(report: Report) -> list[str]:
    """Say why cells are not FULL or were not run, those with the same reason together."""
    runtimes: dict[tuple[str, str], list[str]] = {}
    for cell in report.cells:
        for line in _why(cell):
            runtimes.setdefault((cell.mode, line), []).append(cell.target)
    modes: dict[tuple[str, str], list[str]] = {}
    for (mode, line), names in runtimes.items():
        modes.setdefault((", ".join(names), line), []).append(mode)
    return [f"{', '.join(names)} on {where}: {line}" for (where, line), names in modes.items()]


def _why(cell: Cell) -> list[str]:
    lines = [f"{cell.verdict}, {line}" for line in describe(cell.reasons)]
    return [*lines, f"not run, {cell.skipped}"] if cell.skipped else lines
