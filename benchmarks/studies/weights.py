# SPDX-License-Identifier: BSD-3-Clause
"""Compare the weights and constants of int8 artifacts with those of the float ones, by mode.

    python -m benchmarks.studies.weights BUNDLE... --save

Every file's buffers are counted (:mod:`benchmarks.measure.constants`). C has no float artifact,
so it is compared with the float ``.tflite``. ``--save`` keeps the figures and writes the table of
``docs/notes/weights.md``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from benchmarks.measure import entrants, tool
from benchmarks.studies import pages, records
from benchmarks.studies.peers.measure import OURS, WEIGHTS_BAR, Weights, weights
from edge.bundle import read as bundle
from edge.errors import EdgeError

RESULTS = Path(__file__).parent / "results" / "weights.json"
COMMAND = "python -m benchmarks.studies.weights"
PAGE = pages.DOCS / "notes" / "weights.md"

Found = Mapping[str, Sequence[Weights]]
"""By mode, targets in the order of :data:`OURS`."""


def count(folders: Sequence[Path]) -> Found:
    """Return what every bundle's artifacts hold."""
    found = {}
    for folder in folders:
        opened = bundle.read(folder)
        found[opened.manifest.model.mode] = weights(entrants.ours(opened, ()))
    return dict(sorted(found.items()))


def table(found: Found) -> str:
    """Write int8 over float, and the bytes of both, in Markdown."""
    lines = [f"| mode | {' | '.join(OURS)} |", f"| --- {'| --- ' * len(OURS)}|"]
    for mode, row in found.items():
        lines.append(f"| {mode} | {' | '.join(map(_cell, row))} |")
    worst = max((entry for row in found.values() for entry in row), key=lambda entry: entry.ratio)
    lines += ["", f"Largest: {worst.ratio:.3f}; bar: {WEIGHTS_BAR}."]
    return "\n".join(lines) + "\n"


def _cell(entry: Weights) -> str:
    missed = "" if entry.met else " MISSED"
    return f"{entry.ratio:.3f}{missed} ({entry.int8_bytes:,} / {entry.float_bytes:,})"


def read() -> Found:
    """Return the figures that were kept."""
    modes: dict[str, Any] = json.loads(RESULTS.read_text())["modes"]
    return {mode: [Weights(**entry) for entry in row] for mode, row in modes.items()}


@click.command()
@click.argument("bundles", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--save/--no-save", default=False, help=f"Write {RESULTS.name} and {PAGE.name}.")
def main(bundles: tuple[Path, ...], save: bool) -> None:
    """Count and print; exit code 4 when a mode misses the bar on a runtime."""
    try:
        found = count(bundles)
    except EdgeError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    print(table(found), end="")
    if save:
        rows = {mode: [asdict(entry) for entry in row] for mode, row in found.items()}
        document = {"schema_version": 1, "code_sha256": tool.sha256(), "modes": rows}
        records.save(RESULTS, document)
        pages.write(PAGE, COMMAND, table(found))
    sys.exit(0 if all(entry.met for row in found.values() for entry in row) else 4)


if __name__ == "__main__":
    main()
