# SPDX-License-Identifier: BSD-3-Clause
"""Parts of README that a command writes, between two marks."""

from __future__ import annotations

from benchmarks.measure.machine import ROOT

README = ROOT / "README.md"


def spliced(text: str, command: str, part: str) -> str:
    """README's text with another part between the marks of a command."""
    begin, end = f"<!-- {command} -->\n", f"<!-- end of what {command} wrote -->"
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}{part}{end}{after}"


def write(command: str, part: str) -> None:
    """Replace what a command wrote before."""
    README.write_text(spliced(README.read_text(), command, part))
