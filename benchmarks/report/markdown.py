# SPDX-License-Identifier: BSD-3-Clause
"""Write a document as Markdown; a figure becomes the words that describe it.

All text is escaped, so that no name of a subject, a folder or a channel is a link, HTML or a
formula.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.report.document import (
    Absent,
    Block,
    Commands,
    Document,
    Figure,
    Section,
    Table,
    Words,
)
from firmware_bridge import escaping

plain = escaping.markdown


def render(document: Document) -> str:
    """Return the text; it is the same for the same document."""
    lines = [f"# {plain(document.title)}", "", plain(document.subtitle), ""]
    if document.warning:
        lines += [f"**{plain(document.warning)}**", ""]
    lines += ["## Summary", "", "| question | answer | |", "| --- | --- | --- |"]
    lines += [
        f"| {plain(tile.label)} | **{plain(tile.value)}** | {plain(tile.detail)} |"
        for tile in document.tiles
    ]
    for section in document.sections:
        lines += ["", *_section(section)]
    lines += ["", f"Written by {plain(document.generator)}."]
    return "\n".join(lines) + "\n"


def _section(section: Section) -> Iterator[str]:
    yield f"## {plain(section.title)}"
    yield from _blocks(section.blocks)
    for part in section.parts:
        yield ""
        yield f"### {plain(part.title)}"
        yield from _blocks(part.blocks)


def _blocks(blocks: Sequence[Block]) -> Iterator[str]:
    for block in blocks:
        yield ""
        match block:
            case Words():
                mark = "- " if block.items else ""
                yield ("\n" if block.items else "\n\n").join(
                    mark + plain(line) for line in block.lines
                )
            case Absent():
                yield f"> Not here: {plain(str(block))}. {plain(block.why)}."
            case Commands():
                typed = (f"$ {escaping.printable(line)}" for line in block.lines)
                yield "\n".join(("```console", *typed, "```"))
            case Figure():
                yield f"*{plain(block.title)}.* {plain(block.alternative)}"
            case Table():
                yield "\n".join(_table(block))


def _table(table: Table) -> Iterator[str]:
    yield _row([column.heading for column in table.columns])
    yield "| " + " | ".join("---:" if one.numeric else "---" for one in table.columns) + " |"
    for cells in table.rows:
        yield _row([cell.text for cell in cells])
    yield ""
    yield plain(table.caption)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(plain, cells)) + " |"
