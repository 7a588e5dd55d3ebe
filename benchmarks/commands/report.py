# SPDX-License-Identifier: BSD-3-Clause
"""Provide ``edge report``, which writes one page about one or many bundles."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge.terminal.options import PATH, common, needs, print_json, run

if TYPE_CHECKING:
    from edge.terminal.console import Console


@click.command("report", epilog="Example: edge report edge-eca-int8 -o report.html")
@click.argument("bundles", metavar="BUNDLE…", type=PATH, nargs=-1, required=True)
@click.option("-o", "--output", type=PATH, required=True, help="File: .html, .md or .csv.")
@click.option(
    "--format",
    "chosen",
    type=click.Choice(["html", "md", "csv"]),
    help="By the suffix of --output without it.",
)
@common
def command(
    bundles: tuple[Path, ...], output: Path, chosen: str | None, as_json: bool, verbose: bool
) -> None:
    """Write one file about one or many bundles: accuracy, latency, memory, provenance.

    Latencies are taken from the *.bench.jsonl files beside the bundles, where edge bench leaves
    them.
    """

    def work(console: Console) -> None:
        with needs("report"):
            from benchmarks.report import write
        written = write.write(bundles, output, chosen, console)
        if as_json:
            print_json(console, written)
            return
        for line in written.absent:
            console.note(f"not in the report: {line}")
        console.print(f"report: {written.file} ({written.bytes:,} bytes)")

    run(work, verbose)
