# SPDX-License-Identifier: BSD-3-Clause
"""Compare our files with what a user would pick instead, in one run.

    python -m benchmarks.studies.peers [--modes all]        (make peers)

For every mode: stock ExecuTorch, ONNX Runtime and LiteRT in float and int8, PyTorch, torch.compile,
and our files on every runtime. A mode that was measured is not measured again while its bundle and
this machine are the same, so that a run that was killed goes on; ``--again`` exports ours and
measures anew. Results go to ``benchmarks/studies/results`` and the tables in
``docs/notes/peers.md``.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click
from pydantic import TypeAdapter

from benchmarks.measure.protocol import Protocol
from benchmarks.studies import pages, records
from benchmarks.studies.peers import exports, markdown
from benchmarks.studies.peers.measure import Measured, digest, measure
from edge import registry
from edge.errors import EdgeError, ExitCode
from edge.terminal.console import Console, console

RESULTS = Path(__file__).resolve().parents[1] / "results" / "peers.json"
SCHEMA_VERSION = 1
SHOWN = "eca"
PAGE = pages.DOCS / "notes" / "peers.md"

Results = dict[str, Measured]


@click.command()
@click.option("--modes", default=SHOWN, show_default=True, help="all, or names with commas.")
@click.option("--limit-s", default=40.0, show_default=True, help="Of the latencies of a mode.")
@click.option("--again", is_flag=True, help="Export ours and measure what is there already.")
def main(modes: str, limit_s: float, again: bool) -> None:
    """Measure, print, keep; exit code 4 where a bar is missed."""
    every = registry.names(registry.MODES)
    wanted = every if modes == "all" else tuple(modes.split(","))
    settings = Protocol(min_rounds=15, limit_s=limit_s, processes=1)
    with console(verbose=False) as ours:
        try:
            for mode in wanted:
                registry.refuse_unknown(registry.MODES, mode, "--modes")
            found = {mode: _mode(mode, settings, again, ours) for mode in wanted}
        except EdgeError as error:
            ours.note(f"Error: {error}")
            sys.exit(int(error.exit_code))
        for mode, measured in found.items():
            ours.print(markdown.table(mode, measured))
        ours.print(markdown.bars(found))
    pages.write(PAGE, "make peers", sections(read()))
    met = [bar.met for one in found.values() for bar in one.bars]
    sys.exit(0 if all(met) else int(ExitCode.BUDGET))


def _mode(mode: str, settings: Protocol, again: bool, console: Console) -> Measured:
    work = exports.work(mode, console, again)
    known = read().get(mode)
    if known is not None and not again and known.bundle_sha256 == digest(work):
        return known
    measured = measure(work, settings, console)
    _write(read() | {mode: measured})
    return measured


def read() -> Results:
    """Return what was measured so far, by mode."""
    if not RESULTS.is_file():
        return {}
    document = json.loads(RESULTS.read_text())
    return TypeAdapter(Results).validate_python(document["modes"])


def _write(results: Results) -> None:
    modes = {mode: asdict(results[mode]) for mode in sorted(results)}
    document = {"schema_version": SCHEMA_VERSION, "modes": modes}
    records.save(RESULTS, document)


def sections(results: Results) -> str:
    """Return the tables of the page: one mode in full, and the bars of all measured modes."""
    shown = [markdown.table(SHOWN, results[SHOWN])] if SHOWN in results else []
    return "\n".join([*shown, markdown.bars(results)])


if __name__ == "__main__":
    main()
