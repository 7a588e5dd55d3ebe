# SPDX-License-Identifier: BSD-3-Clause
"""Write tables into the documentation, each between two marks with its command."""

from __future__ import annotations

from pathlib import Path

from benchmarks.measure.machine import ROOT

DOCS = ROOT / "docs"


def spliced(text: str, command: str, part: str) -> str:
    """Return the text of a page with ``part`` between the marks of a command.

    Raises
    ------
    ValueError
        When the page has no such marks.
    """
    begin, end = f"<!-- {command} -->\n", f"<!-- end of what {command} wrote -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"there is no part between {begin.strip()!r} and {end!r}")
    return f"{before}{begin}{part}{end}{after}"


def write(page: Path, command: str, part: str) -> None:
    """Replace what a command wrote into a page before."""
    page.write_text(spliced(page.read_text(), command, part))
