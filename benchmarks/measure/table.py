# SPDX-License-Identifier: BSD-3-Clause
"""Show a report as tables for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table

from benchmarks.emulate.cycles import model
from benchmarks.measure.findings import Report, Result

Row = dict[str, Result]


def latency_table(report: Report) -> Table:
    """Show median with its interval, p95, p99, spread, and the ratio to stock exports."""
    table = _table(
        "one window, µs",
        ("median [95 %]", "p95", "p99", "spread %", "stock ExecuTorch / this [95 %]"),
    )
    for key, row in _rows(report):
        if "latency_median_us" in row:
            table.add_row(
                *key,
                _interval(row["latency_median_us"], ".0f"),
                f"{row['latency_p95_us'].value:.0f}",
                f"{row['latency_p99_us'].value:.0f}",
                f"{100 * row['latency_spread'].value:.0f}",
                _interval(row["stock_ratio"], ".1f") if "stock_ratio" in row else "",
            )
    return table


def footprint_table(report: Report) -> Table:
    """Show load time and memory."""
    table = _table("load and memory", ("load ms", "file bytes", "planned bytes", "resident MB"))
    for (device, target, precision), row in _rows(report):
        if "resident_bytes" not in row and "file_bytes" not in row:
            continue
        table.add_row(
            device,
            "Python alone" if target == "none" else target,
            precision,
            f"{row['load_us'].value / 1000:.2f}" if "load_us" in row else "",
            f"{row['file_bytes'].value:,.0f}" if "file_bytes" in row else "",
            f"{row['planned_bytes'].value:,.0f}" if "planned_bytes" in row else "",
            f"{row['resident_bytes'].value / 1e6:.1f}" if "resident_bytes" in row else "",
        )
    return table


COUNTS: Mapping[str, str] = {
    "instructions_per_window": "instructions a window",
    "cycles_per_window": "cycles a window",
    "ram_bytes": "RAM bytes",
    "code_bytes": "code bytes",
    "weights_bytes": "weights bytes",
    "litert_ratio": "LiteRT int8 / this",
}


def count_table(report: Report) -> Table:
    """Show instructions and bytes of an emulated device."""
    found = {result.metric for result in report.results}
    shown = {metric: title for metric, title in COUNTS.items() if metric in found}
    table = _table("emulated", tuple(shown.values()))
    for key, row in _rows(report):
        if "instructions_per_window" in row:
            table.add_row(*key, *(_count(row[m]) if m in row else "" for m in shown))
    return table


def _count(result: Result) -> str:
    if result.low is not None and result.high is not None:  # modelled, so never a bare number
        return model.told(result.value, result.low, result.high, unit="")
    return f"{result.value:,.2f}" if result.unit == "times" else f"{result.value:,.0f}"


def board_table(report: Report) -> Table:
    """Show what a board counted around its calls."""
    table = _table("on the board", ("call", "least", "mean", "longest", "unit", "calls"))
    for key, row in _rows(report):
        for least in (result for metric, result in row.items() if metric.endswith("_least")):
            stem = least.metric.removesuffix("_least")
            mean, most = row[f"{stem}_mean"], row[f"{stem}_most"]
            figures = (f"{result.value:,.0f}" for result in (least, mean, most))
            table.add_row(*key, stem.rpartition("_")[2], *figures, least.unit, f"{least.n:,}")
    return table


DECISION: Mapping[str, str] = {
    "cycles_per_decision": "cycles",
    "decision_ms": "ms",
    "duty": "duty %",
    "decision_uj": "µJ",
    "average_ma": "mA on average",
    "battery_h": "hours",
}


def decision_table(report: Report) -> Table:
    """Show what a decision costs on a microcontroller in time and energy."""
    found = {result.metric for result in report.results}
    shown = {metric: title for metric, title in DECISION.items() if metric in found}
    table = _table("a decision, modelled", tuple(shown.values()))
    for key, row in _rows(report):
        if "cycles_per_decision" in row:
            table.add_row(*key, *(_modelled(row[m]) if m in row else "" for m in shown))
    return table


def _modelled(result: Result) -> str:
    """A modelled figure with its interval, never bare."""
    factor = 100 if result.unit == "share" else 1
    low, high = result.low or 0.0, result.high or 0.0
    if result.unit == "cycles":
        return _count(result)
    return f"{factor * result.value:.3g} [{factor * low:.3g}, {factor * high:.3g}]"


STREAM: Mapping[str, str] = {
    "filter_delay_us": "filter",
    "hop_wait_us": "hop wait",
    "smoothing_delay_us": "smoothing",
    "compute_p50_us": "compute",
    "compute_p95_us": "p95",
    "compute_p99_us": "p99",
    "sample_to_decision_us": "sample to decision",
}


def stream_table(report: Report) -> Table:
    """Show what passes from a sample to its decision, part by part."""
    table = _table("sample to decision, ms", (*STREAM.values(), "CPU %"))
    for key, row in _rows(report):
        if "sample_to_decision_us" in row:
            parts = (f"{row[metric].value / 1000:.2f}" for metric in STREAM)
            table.add_row(*key, *parts, f"{100 * row['cpu_share'].value:.1f}")
    return table


PUSHES: Mapping[str, str] = {
    "push_mean_instructions": "mean push",
    "push_worst_instructions": "longest push",
    "push_filling_instructions": "before the first window",
    "frame_instructions": "counts to int8",
    "decision_delay_samples": "decision late by, samples",
}


def push_table(report: Report) -> Table:
    """Show the instructions of the streaming engine's calls."""
    table = _table("emulated, instructions a frame", tuple(PUSHES.values()))
    for key, row in _rows(report):
        if row.keys() & PUSHES.keys():
            table.add_row(*key, *(_count(row[m]) if m in row else "" for m in PUSHES))
    return table


def tables(report: Report) -> list[Table]:
    """Return the tables that have a row."""
    made = (
        latency_table(report),
        footprint_table(report),
        count_table(report),
        board_table(report),
        decision_table(report),
        stream_table(report),
        push_table(report),
    )
    return [table for table in made if table.row_count]


def lines(report: Report) -> list[str]:
    """Say what the devices are, what the figures mean, and what is missing."""
    return [
        *(f"{device}: {_around(around)}" for device, around in report.devices.items()),
        *report.notes,
        *(f"not measured: {name}: {why}" for name, why in report.skipped.items()),
    ]


def _around(around: Mapping[str, str]) -> str:
    """A device in a line: an emulated one, or the machine and what it was doing."""
    if "emulator" in around:
        currents = f"{around['currents']}; " if "currents" in around else ""
        built = f"emulated by {around['emulator']}, compiled by {around['compiler']}"
        return f"{currents}{around['cpu']} {built}"
    if "governor" not in around:  # a device of another package says of itself what it likes
        return ", ".join(f"{name} {value}" for name, value in around.items())
    return (
        f"{around['cpu']}, {around['cores']} cores, {around['system']}, "
        f"governor {around['governor']}, load {around['load_average']} before the start"
    )


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("device", overflow="fold")
    table.add_column("target", no_wrap=True)
    table.add_column("precision")
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _rows(report: Report) -> list[tuple[tuple[str, str, str], Row]]:
    """Results of one artifact on one device together, in the order in which they were found."""
    rows: dict[tuple[str, str, str], Row] = {}
    for result in report.results:
        key = (result.device, result.target, result.precision)
        rows.setdefault(key, {})[result.metric] = result
    return list(rows.items())


def _interval(result: Result, form: str) -> str:
    if result.low is None or result.high is None:
        return format(result.value, form)
    return f"{result.value:{form}} [{result.low:{form}}, {result.high:{form}}]"
