"""A report as tables for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from benchmarks.findings import Report, Result

Row = dict[str, Result]


def latency_table(report: Report) -> Table:
    """Median with its interval, p95, p99, spread, and how many times the stock export takes."""
    table = _table(
        "one window, µs",
        ("median [95 %]", "p95", "p99", "spread %", "stock ExecuTorch / this [95 %]"),
    )
    for (target, precision), row in _rows(report):
        if "latency_median_us" in row:
            table.add_row(
                target,
                precision,
                _interval(row["latency_median_us"], ".0f"),
                f"{row['latency_p95_us'].value:.0f}",
                f"{row['latency_p99_us'].value:.0f}",
                f"{100 * row['latency_spread'].value:.0f}",
                _interval(row["stock_ratio"], ".1f") if "stock_ratio" in row else "",
            )
    return table


def footprint_table(report: Report) -> Table:
    """Load time and memory."""
    table = _table("load and memory", ("load ms", "file bytes", "planned bytes", "resident MB"))
    for (target, precision), row in _rows(report):
        table.add_row(
            "Python alone" if target == "none" else target,
            precision,
            f"{row['load_us'].value / 1000:.2f}" if "load_us" in row else "",
            f"{row['file_bytes'].value:,.0f}" if "file_bytes" in row else "",
            f"{row['planned_bytes'].value:,.0f}" if "planned_bytes" in row else "",
            f"{row['resident_bytes'].value / 1e6:.0f}" if "resident_bytes" in row else "",
        )
    return table


def lines(report: Report) -> list[str]:
    """The machine, what the figures mean, and what is missing."""
    around = report.machine
    return [
        f"machine: {around['cpu']}, {around['cores']} cores, {around['system']}",
        f"governor {around['governor']}, load {around['load_average']} before the start",
        *report.notes,
        *(f"not measured: {name}: {why}" for name, why in report.skipped.items()),
    ]


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("target", no_wrap=True)
    table.add_column("precision")
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _rows(report: Report) -> list[tuple[tuple[str, str], Row]]:
    """Results of one artifact together, in the order in which they were found."""
    rows: dict[tuple[str, str], Row] = {}
    for result in report.results:
        rows.setdefault((result.target, result.precision), {})[result.metric] = result
    return list(rows.items())


def _interval(result: Result, form: str) -> str:
    if result.low is None or result.high is None:
        return format(result.value, form)
    return f"{result.value:{form}} [{result.low:{form}}, {result.high:{form}}]"
