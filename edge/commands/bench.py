# SPDX-License-Identifier: BSD-3-Clause
"""``edge bench``: latency, memory, instructions and size, here and on devices."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge import registry
from edge.commands import _common

if TYPE_CHECKING:
    from edge.terminal.console import Console


@click.command("bench", epilog="Example: edge bench edge-eca-int8 --json > bench.json")
@click.argument("bundle", type=_common.PATH)
@click.option(
    "--target",
    "targets",
    type=_common.Names(registry.TARGETS),
    default=(),
    help="All of the bundle's without.",
)
@click.option(
    "--device",
    "devices",
    type=_common.Names(),
    multiple=True,
    default=("local",),
    help="local, ssh://[user@]host[:port], rpi4, rpi5, cortex-m4, …; several give one table.",
)
@click.option("--stock/--no-stock", default=True, help="Time stock exports of the weights beside.")
@click.option("--stream", is_flag=True, help="From sample to decision, on a paced live signal.")
@click.option("--samples", type=_common.PATH, help="Every latency; BUNDLE.bench.jsonl.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@click.option("--limit-s", type=_common.Real(1), default=60, show_default=True)
@_common.common
def command(bundle: Path, as_json: bool, verbose: bool, **options: Any) -> None:
    """Measure latency, memory and size of a bundle's artifacts, beside the stock route."""

    def work(console: Console) -> None:
        benching = _common.load("benchmarks.measure.bench")
        found = benching.bench(_request(bundle, options), console)
        if as_json:
            _common.print_json(console, found)
        else:
            table = _common.load("benchmarks.measure.table")
            for made in table.tables(found):
                console.print(made)
            for line in table.lines(found):
                console.print(line)
        benching.refuse(found)

    _common.run(work, verbose)


def _request(bundle: Path, options: dict[str, Any]) -> Any:
    findings = _common.load("benchmarks.measure.findings")
    protocol = _common.load("benchmarks.measure.protocol")
    samples = options["samples"] or Path(f"{bundle.resolve().name}.bench.jsonl")
    return findings.Request(
        bundle=bundle,
        targets=options["targets"],
        devices=tuple(dict.fromkeys(name for names in options["devices"] for name in names)),
        stock=options["stock"],
        stream=options["stream"],
        threads=options["threads"],
        samples=samples,
        protocol=protocol.Protocol(limit_s=options["limit_s"]),
    )
