# SPDX-License-Identifier: BSD-3-Clause
"""Write one tidy table: a row for each artifact (and device), a column for each variable.

Shares lie in [0, 1], units are in the names; what was not measured is empty.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.measure import protocol
from benchmarks.report.comparisons import Comparison, compare, follows_float
from benchmarks.report.sources import Bench, Source
from edge.spec import BRAINDECODE, Artifact
from firmware_bridge import escaping

Row = dict[str, Any]


def rows(sources: Sequence[Source]) -> list[Row]:
    """Return every artifact of every bundle as a row."""
    return [found for source in sources for found in _of(source)]


def _of(source: Source) -> Iterator[Row]:
    compared = {one.target: one for one in compare([source])}
    for artifact in source.opened.manifest.artifacts:
        own = compared.get(artifact.target) if artifact.precision == "int8" else None
        row = _artifact(source, artifact) | _paired(own)
        name = f"{artifact.target} {artifact.precision}"
        timed: list[Bench | None] = [b for b in source.benches if name in b.names()]
        for bench in timed or [None]:
            yield row | _latency(bench, name)


def _artifact(source: Source, artifact: Artifact) -> Row:
    made = source.opened.manifest
    rung = f"{artifact.target} {artifact.precision}"
    correct = {entry.rung: entry.correct for entry in made.accuracy}
    follows = follows_float(made.parity, rung)
    return {
        "bundle": source.label,
        "subject": source.subject,
        "simulated": made.data.simulated,
        "mode": source.mode,
        "target": artifact.target,
        "precision": str(artifact.precision),
        "verdict": str(artifact.verdict) if artifact.precision == "int8" else "float",
        "file_bytes": artifact.bytes,
        "float_operations": len(artifact.float_operations),
        "n_windows": made.data.n_held_out,
        "float_accuracy": correct[BRAINDECODE].share,
        "accuracy": correct[rung].share,
        "agreement": follows.agreement.share,
        "agreement_low": follows.agreement.low,
        "agreement_high": follows.agreement.high,
        "sqnr_db": follows.sqnr_db,
        "sqnr_median_window_db": follows.sqnr_median_window_db,
        "manifest_sha256": source.sha256,
    }


def _paired(one: Comparison | None) -> Row:
    found = None if one is None else one.paired
    interval = None if found is None else found.verdict.interval
    return {
        "difference": None if one is None else one.difference,
        "difference_low": None if interval is None else interval.low,
        "difference_high": None if interval is None else interval.high,
        "gained": None if found is None else found.pairs.gained,
        "lost": None if found is None else found.pairs.lost,
        "mcnemar_p": None if found is None else found.mcnemar,
        "not_worse": None if found is None else found.verdict.answer,
        "windows_needed": None if found is None else found.verdict.need,
    }


def _latency(bench: Bench | None, name: str) -> Row:
    if bench is None:
        return dict.fromkeys(
            (
                "device",
                "cpu",
                "load_average",
                "latency_median_us",
                "latency_low_us",
                "latency_high_us",
                "latency_p95_us",
            )
        )
    found = protocol.median(bench.of(name), name)
    return {
        "device": bench.device,
        "cpu": bench.machine.get("cpu"),
        "load_average": bench.machine.get("load_average"),
        "latency_median_us": found.value,
        "latency_low_us": found.low,
        "latency_high_us": found.high,
        "latency_p95_us": protocol.percentile(bench.of(name), name, 0.95),
    }


def to_csv(table: Sequence[Mapping[str, Any]]) -> str:
    """Write rows with the same columns as CSV; text can be no formula, numbers stay numbers."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(table[0]) if table else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in table)
    return stream.getvalue()


def _cell(value: Any) -> Any:
    return escaping.spreadsheet(value) if isinstance(value, str) else value
