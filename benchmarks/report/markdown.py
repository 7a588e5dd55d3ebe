# SPDX-License-Identifier: BSD-3-Clause
"""Write a document as Markdown; a figure becomes the words that describe it."""

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


def render(document: Document) -> str:
    """Return the text; it is the same for the same document."""
    lines = [f"# {document.title}", "", document.subtitle, ""]
    if document.warning:
        lines += [f"**{document.warning}**", ""]
    lines += ["## Summary", "", "| question | answer | |", "| --- | --- | --- |"]
    lines += [_row([tile.label, f"**{tile.value}**", tile.detail]) for tile in document.tiles]
    for section in document.sections:
        lines += ["", *_section(section)]
    lines += ["", f"Written by {document.generator}."]
    return "\n".join(lines) + "\n"


def _section(section: Section) -> Iterator[str]:
    yield f"## {section.title}"
    yield from _blocks(section.blocks)
    for part in section.parts:
        yield ""
        yield f"### {part.title}"
        yield from _blocks(part.blocks)


def _blocks(blocks: Sequence[Block]) -> Iterator[str]:
    for block in blocks:
        yield ""
        match block:
            case Words():
                mark = "- " if block.items else ""
                yield ("\n" if block.items else "\n\n").join(mark + line for line in block.lines)
            case Absent():
                yield f"> Not here: {block}. {block.why}."
            case Commands():
                yield "\n".join(("```console", *(f"$ {line}" for line in block.lines), "```"))
            case Figure():
                yield f"*{block.title}.* {block.alternative}"
            case Table():
                yield "\n".join(_table(block))


def _table(table: Table) -> Iterator[str]:
    yield _row([column.heading for column in table.columns])
    yield _row(["---:" if column.numeric else "---" for column in table.columns])
    for cells in table.rows:
        yield _row([cell.text for cell in cells])
    yield ""
    yield table.caption


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
