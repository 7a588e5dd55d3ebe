# SPDX-License-Identifier: BSD-3-Clause
"""Measure what every network is on every runtime; write the golden file and the reference table.

    python -m benchmarks.studies.compatibility                  (make compatibility)
    python -m benchmarks.studies.compatibility --model eegnet   these anew, the others as they are

Verdicts and reasons only: figures differ by CPU and are ``edge check``'s to print.
"""

from __future__ import annotations

import json
import string
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from benchmarks.studies import pages
from edge import registry
from edge.exporting import check
from edge.targets import runtime
from edge.terminal.console import console
from edge.terminal.tables import check_table

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "compatibility.json"
COMMAND = "make compatibility"
PAGE = pages.DOCS / "reference" / "what-runs-where.md"

Verdicts = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Verdict and reasons by network and runtime, see :func:`edge.exporting.check.verdicts`."""


@click.command()
@click.option("--model", default=None, help="Networks to measure; all without it.")
def main(model: str | None) -> None:
    """Build and run networks, and write both files."""
    names = registry.networks() if model is None else tuple(model.split(","))
    request = check.Request(names, runtime.names())
    with console(verbose=False) as ours:
        report = check.check(request, ours)
        ours.print(check_table(report))
    skipped = {f"{cell.target}: {cell.skipped}" for cell in report.cells if cell.skipped}
    if skipped:
        raise click.ClickException(f"Nothing was written: {'; '.join(sorted(skipped))}")
    kept = json.loads(GOLDEN.read_text()) if model is not None else {}
    found = dict(sorted({**kept, **check.verdicts(report.cells)}.items()))
    GOLDEN.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    pages.write(PAGE, COMMAND, markdown(found))


def markdown(found: Verdicts) -> str:
    """Return the table; a letter stands for a reason, and the reasons follow."""
    runtimes = list(next(iter(found.values())))
    letters: dict[str, str] = {}
    rows = [
        f"| {mode} | {' | '.join(_cell(cells[name], letters) for name in runtimes)} |"
        for mode, cells in sorted(found.items())
    ]
    head = [f"| network | {' | '.join(runtimes)} |", f"| --- {'| --- ' * len(runtimes)}|"]
    notes = [f"- {letter}: {why}" for why, letter in letters.items()]
    return "\n".join([*head, *rows, "", *notes]) + "\n"


def _cell(cell: Mapping[str, Any], letters: dict[str, str]) -> str:
    """The verdict with its letters, new reasons given the next."""
    found = []
    for reason in cell["reasons"]:
        why = reason["why"] + (f" ({reason['fix']})" if reason["fix"] else "")
        found.append(letters.setdefault(why, string.ascii_letters[len(letters)]))
    return " ".join([cell["verdict"], *found])


if __name__ == "__main__":
    main()
