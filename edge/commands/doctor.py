# SPDX-License-Identifier: BSD-3-Clause
"""Provide ``edge doctor``, which says what is installed and what installs the rest."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from edge.terminal.options import common, print_json, run

if TYPE_CHECKING:
    from rich.table import Table

    from edge.commands._examine import Finding
    from edge.terminal.console import Console


@click.command("doctor", epilog="Example: edge doctor")
@common
def command(as_json: bool, verbose: bool) -> None:
    """Say what is installed, and the line that installs what is not."""

    def work(console: Console) -> None:
        from edge.commands._examine import examine

        findings = examine()
        if as_json:
            print_json(console, {"findings": [dataclasses.asdict(f) for f in findings]})
        else:
            console.print(table(findings))

    run(work, verbose)


def table(findings: Sequence[Finding]) -> Table:
    """Return the report for people."""
    from rich.table import Table

    made = Table(title="edge doctor", title_justify="left")
    for column in ("", "what", "found", "to do"):
        made.add_column(column)
    for kind, group in itertools.groupby(findings, lambda finding: finding.kind):
        for number, finding in enumerate(group):
            made.add_row(kind if number == 0 else "", finding.what, finding.found, finding.fix)
        made.add_section()
    return made
