# SPDX-License-Identifier: BSD-3-Clause
"""Provide ``edge bench``, which measures latency, memory, instructions and size."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge import registry
from edge.commands._signed import allow_older
from edge.terminal.options import PATH, Names, Real, common, needs, print_json, run

if TYPE_CHECKING:
    from benchmarks.measure.findings import Request
    from edge.terminal.console import Console


@click.command("bench", epilog="Example: edge bench edge-eca-int8 --json > bench.json")
@click.argument("bundle", type=PATH)
@click.option(
    "--target",
    "targets",
    type=Names(registry.TARGETS),
    default=(),
    help="All of the bundle's without.",
)
@click.option(
    "--device",
    "devices",
    type=Names(),
    multiple=True,
    default=("local",),
    help="local, ssh://[user@]host[:port], serial:PORT, rpi4, cortex-m4, nrf52840, …; several give "
    "one table.",
)
@click.option("--stock/--no-stock", default=True, help="Time stock exports of the weights beside.")
@click.option(
    "--stream",
    is_flag=True,
    help="From sample to decision: paced here, counted push by push on an emulated core.",
)
@click.option("--samples", type=PATH, help="Every latency; BUNDLE.bench.jsonl.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@click.option("--battery-mah", type=Real(), help="Say how long it lasts on a microcontroller.")
@click.option("--afe-ma", type=Real(0), default=0, help="What converter and amplifiers draw.")
@click.option("--radio-ma", type=Real(0), default=0, help="What the radio draws on average.")
@click.option("--limit-s", type=Real(1), default=60, show_default=True)
@allow_older
@common
def command(bundle: Path, as_json: bool, verbose: bool, **options: Any) -> None:
    """Measure latency, memory and size of a bundle's artifacts, beside the stock route."""

    def work(console: Console) -> None:
        with needs():
            from benchmarks.measure import bench, table
        report = bench.bench(_request(bundle, options), console)
        if as_json:
            print_json(console, report)
        else:
            for made in table.tables(report):
                console.print(made)
            for line in table.lines(report):
                console.print(line)
        bench.refuse(report)

    run(work, verbose)


def _request(bundle: Path, options: dict[str, Any]) -> Request:
    from benchmarks.measure.findings import Request
    from benchmarks.measure.protocol import Protocol
    from firmware_bridge.project.power import Beside

    samples = options["samples"] or Path(f"{bundle.resolve().name}.bench.jsonl")
    return Request(
        bundle=bundle,
        targets=options["targets"],
        devices=tuple(dict.fromkeys(name for names in options["devices"] for name in names)),
        stock=options["stock"],
        stream=options["stream"],
        threads=options["threads"],
        samples=samples,
        beside=Beside(options["afe_ma"], options["radio_ma"], options["battery_mah"]),
        protocol=Protocol(limit_s=options["limit_s"]),
    )
