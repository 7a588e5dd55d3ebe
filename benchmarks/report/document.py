# SPDX-License-Identifier: BSD-3-Clause
"""Hold a report as plain data: sections of words, tables and figures, before any format.

HTML, Markdown and CSV are written from the same :class:`Document`; nothing here knows of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Column:
    """A column; a ``numeric`` one is right-aligned and sorted by value, ``code`` is a hash."""

    title: str
    unit: str = ""
    numeric: bool = False
    code: bool = False

    @property
    def heading(self) -> str:
        """Title and unit."""
        return f"{self.title} ({self.unit})" if self.unit else self.title


@dataclass(frozen=True)
class Cell:
    """What a table shows in one place.

    Attributes
    ----------
    sort
        What the column is sorted by, where that is not the text; None sorts last.
    tone
        ``good``, ``fair``, ``bad`` or empty; never the only carrier of a meaning.
    """

    text: str
    sort: float | None = None
    tone: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of cells under columns; ``name`` is unique in a document."""

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Figure:
    """An SVG with its title and what it shows in words, for those who cannot see it."""

    name: str
    title: str
    alternative: str
    svg: str


@dataclass(frozen=True)
class Words:
    """Paragraphs, or items of a list if ``items`` is set."""

    lines: tuple[str, ...]
    items: bool = False


@dataclass(frozen=True)
class Absent:
    """Something a report could show, and why this one does not; ``who`` are bundles."""

    what: str
    why: str
    who: str = ""

    def __str__(self) -> str:
        return f"{self.what} of {self.who}" if self.who else self.what


@dataclass(frozen=True)
class Commands:
    """Lines to type, in order."""

    lines: tuple[str, ...]


Block = Words | Table | Figure | Absent | Commands


@dataclass(frozen=True)
class Part:
    """Blocks under a heading of their own, which can be ``folded`` away."""

    title: str
    blocks: tuple[Block, ...]
    folded: bool = False


@dataclass(frozen=True)
class Section:
    """A chapter; ``name`` is its anchor."""

    name: str
    title: str
    blocks: tuple[Block, ...]
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True)
class Tile:
    """One answer of the summary: what was asked, the answer in large, and what it rests on."""

    label: str
    value: str
    detail: str
    tone: str = ""


@dataclass(frozen=True)
class Document:
    """A whole report."""

    title: str
    subtitle: str
    warning: str
    tiles: tuple[Tile, ...]
    sections: tuple[Section, ...]
    generator: str = field(default="eeg-edge")


def text(value: str, sort: float | None = None, tone: str = "") -> Cell:
    """Return a cell of words."""
    return Cell(value, sort, tone)


def number(value: float | None, form: str = "", absent: str = "") -> Cell:
    """Return a cell of a number; ``absent`` is shown where there is none."""
    return Cell(absent) if value is None else Cell(format(value, form), float(value))


def interval(value: float, low: float, high: float, form: str, tone: str = "") -> Cell:
    """Return a cell of a number with its interval, sorted by the number."""
    return Cell(f"{value:{form}} [{low:{form}}, {high:{form}}]", value, tone)


def row(*cells: Cell | str) -> tuple[Cell, ...]:
    """Return the cells of a row; plain words are taken as they are."""
    return tuple(Cell(cell) if isinstance(cell, str) else cell for cell in cells)


def words(*lines: str) -> Words:
    """Return paragraphs."""
    return Words(tuple(lines))


def absences(blocks: Sequence[Block]) -> list[Absent]:
    """Return what is missing among blocks."""
    return [block for block in blocks if isinstance(block, Absent)]


def gathered(blocks: Sequence[Block]) -> tuple[Block, ...]:
    """Return blocks whose absences come last, each said once for all whom it concerns."""
    who: dict[tuple[str, str], list[str]] = {}
    for absent in absences(blocks):
        who.setdefault((absent.what, absent.why), []).append(absent.who)
    there = [block for block in blocks if not isinstance(block, Absent)]
    missing = [Absent(*key, ", ".join(filter(None, names))) for key, names in who.items()]
    return (*there, *missing)
