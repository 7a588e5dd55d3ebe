# SPDX-License-Identifier: BSD-3-Clause
"""Show every call of every ``edge bench`` run on these bundles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.measure import protocol
from benchmarks.measure.protocol import Estimate
from benchmarks.report import figures
from benchmarks.report.document import (
    Absent,
    Block,
    Column,
    Part,
    Section,
    Table,
    interval,
    number,
    row,
    words,
)
from benchmarks.report.sources import Bench, Source

OTHERS = ("stock", "pytorch", "torch")
"""How names of entrants begin that are not files of a bundle."""


@dataclass(frozen=True)
class Timing:
    """One entrant of one run."""

    source: Source
    bench: Bench
    name: str
    median: Estimate

    @property
    def ours(self) -> bool:
        """Whether it is an artifact of the bundle."""
        return not self.name.startswith(OTHERS)


def timings(sources: Sequence[Source]) -> tuple[Timing, ...]:
    """Return every entrant of every run."""
    return tuple(
        Timing(source, bench, name, protocol.median(bench.of(name), name))
        for source in sources
        for bench in source.benches
        for name in bench.names()
    )


def section(sources: Sequence[Source]) -> Section:
    """Return a table of everybody, then a figure for every run."""
    found = timings(sources)
    blocks: list[Block] = []
    if found:
        blocks += [words(*_machines(sources)), _table(found)]
    blocks += [absent for source in sources for absent in source.absent]
    blocks += [
        Absent("latency", "no samples lie beside it; type: edge bench BUNDLE", source.label)
        for source in sources
        if not source.benches and not source.absent
    ]
    return Section("latency", "Latency", tuple(blocks), tuple(_parts(sources)))


def _machines(sources: Sequence[Source]) -> list[str]:
    """What it was measured on, each machine once."""
    lines = [machine_line(bench) for source in sources for bench in source.benches]
    return list(dict.fromkeys(lines))


def machine_line(bench: Bench) -> str:
    """Say in words what device and machine a run was on."""
    around = bench.machine
    parts = [around.get(name, "") for name in ("cpu", "system")]
    cores = f"{around['cores']} cores" if "cores" in around else ""
    where = ", ".join(part for part in (parts[0], cores, parts[1]) if part)
    return f"Measured on {bench.device}: {where or 'machine unknown'}."


def _table(found: Sequence[Timing]) -> Table:
    columns = (
        Column("bundle"), Column("mode"), Column("device"), Column("entrant"),
        Column("median [95 %]", "µs", numeric=True), Column("p95", "µs", numeric=True),
        Column("p99", "µs", numeric=True), Column("spread", "%", numeric=True),
        Column("calls", numeric=True),
    )  # fmt: skip
    rows = []
    for one in found:
        rounds = one.bench.of(one.name)
        rows.append(
            row(
                one.source.label,
                one.source.mode,
                one.bench.device,
                one.name,
                interval(one.median.value, one.median.low, one.median.high, ",.0f"),
                number(protocol.percentile(rounds, one.name, 0.95), ",.0f"),
                number(protocol.percentile(rounds, one.name, 0.99), ",.0f"),
                number(100 * protocol.spread(rounds, one.name), ".0f"),
                number(sum(len(samples[one.name]) for samples in rounds), ","),
            )
        )
    caption = (
        "One window, one thread, entrants interleaved. Median over rounds with its interval from "
        "order statistics; spread: interquartile range over the median."
    )
    return Table("latencies", caption, columns, tuple(rows))


def _parts(sources: Sequence[Source]) -> Iterator[Part]:
    for i, source in enumerate(sources):
        for j, bench in enumerate(source.benches):
            values = {name: bench.latencies(name) for name in bench.names()}
            title = f"Latency of {source.label} on {bench.device}"
            yield Part(title, (figures.latency(f"latency-{i}-{j}", title, values),))
