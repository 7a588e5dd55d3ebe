# SPDX-License-Identifier: BSD-3-Clause
"""Recordings that are text: lines of numbers between separators, behind some lines of header.

A line that is torn, a number that is none, a decimal comma: each is refused with the line it is in.
Only the columns that are asked for are turned into numbers.
"""

from __future__ import annotations

import csv
import re
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from edge.data.description import Samples
from edge.errors import UsageError, listing

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
HEAD_BYTES = 1 << 16
"""What is looked at to know a file; no header of any format comes near it."""
MOST_BYTES = 4 << 30
"""A text file is read whole; at 250 Hz this is a whole day of 16 channels."""
SHOWN = 8
"""Columns that a message lists."""
DECIMAL_COMMA = re.compile(r"\s*[+-]?\d+,\d+\s*$")
NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$")


def head(path: Path) -> list[str]:
    """Return the first lines of a text file, or none if it is not one."""
    with path.open("rb") as stream:
        start = stream.read(HEAD_BYTES)
    if b"\0" in start and not start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return []
    lines = start.decode(_marked(start) or "latin-1", errors="ignore").splitlines()
    return lines[:-1] if len(start) == HEAD_BYTES else lines


def is_number(text: str) -> bool:
    """Return whether a field is a number and nothing else."""
    return bool(NUMBER.match(text))


def fields(line: str, separator: str = ",") -> list[str]:
    """Return the fields of a line, without the blanks around them."""
    return [field.strip() for field in next(csv.reader([line], delimiter=separator), [])]


def separator_of(path: Path, line: str) -> str:
    """Return the separator between a line's fields.

    Raises
    ------
    UsageError
        When there is none, or two of them stand there equally often.
    """
    counts = {each: line.count(each) for each in SEPARATORS}
    best = max(counts, key=lambda each: counts[each])
    if counts[best] == 0:
        raise UsageError(
            f"{str(path)!r} has one column only: no commas, semicolons or tabs stand in {line!r}."
        )
    others = [SEPARATORS[each] for each in counts if each != best and counts[each] == counts[best]]
    if others:
        raise UsageError(
            f"{str(path)!r} mixes {SEPARATORS[best]} and {others[0]} as separators in {line!r}. "
            f"Export it with one of them."
        )
    return best


@dataclass(frozen=True)
class Layout:
    """How a table lies in its file.

    Attributes
    ----------
    names
        Of all columns, in order.
    n_header
        Lines before the first row.
    comment
        Lines that begin with it are no rows; empty for none.
    encoding
        Of its texts; None for UTF-8 or, where that fails, Latin-1.
    optional
        Fields that a row may have behind its columns.
    """

    path: Path
    names: tuple[str, ...]
    separator: str
    n_header: int
    comment: str = ""
    encoding: str | None = None
    optional: int = 0

    def require(self, names: Sequence[str], what: str) -> None:
        """Raise unless the columns are there, each once.

        Raises
        ------
        UsageError
            With those that are missing, or there twice.
        """
        missing = [name for name in names if name not in self.names]
        twice = sorted({name for name in names if self.names.count(name) > 1})
        if missing:
            shown = ", ".join(name for name in self.names[:SHOWN] if name)
            more = f" and {len(self.names) - SHOWN} more" if len(self.names) > SHOWN else ""
            raise UsageError(
                f"{str(self.path)!r} is {what} without its column {listing(missing)}; it has "
                f"{shown}{more}."
            )
        if twice:
            raise UsageError(f"{str(self.path)!r} has the column {listing(twice)} twice.")


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of a table: ``numbers`` (n_rows, n_columns), ``texts`` one list for each column.

    ``lines`` are the numbers of the rows' lines, from 1.
    """

    layout: Layout
    numbers: Samples
    texts: dict[str, list[str]]
    lines: Sequence[int]


def load(
    layout: Layout,
    numeric: Sequence[str],
    textual: Sequence[str] = (),
    blank_is_nan: bool = False,
) -> Table:
    """Read some columns of a table.

    Parameters
    ----------
    blank_is_nan
        Whether a number may be absent; refused otherwise.

    Raises
    ------
    UsageError
        When a line is torn or holds something else than numbers, or there are no rows.
    """
    path = layout.path
    if path.stat().st_size > MOST_BYTES:
        raise UsageError(
            f"{str(path)!r} has {path.stat().st_size / 2**30:.1f} GiB; text is read up to "
            f"{MOST_BYTES >> 30} GiB. Cut it, or convert it to EDF."
        )
    try:
        return _load(layout, numeric, textual, blank_is_nan, layout.encoding or _encoding(path))
    except UnicodeDecodeError as error:
        if layout.encoding is not None:
            raise UsageError(f"{str(path)!r} is not in {layout.encoding!r}: {error}.") from None
        return _load(layout, numeric, textual, blank_is_nan, "latin-1")


def _load(
    layout: Layout,
    numeric: Sequence[str],
    textual: Sequence[str],
    blank_is_nan: bool,
    encoding: str,
) -> Table:
    columns = [layout.names.index(name) for name in numeric]
    texts: list[list[str]] = [[] for _ in textual]
    text_columns = [layout.names.index(name) for name in textual]
    values, lines = array("d"), array("q")
    with _opened(layout.path, encoding) as stream:
        for line, row in _rows(layout, stream):
            try:
                values.extend([float(row[i]) for i in columns])
            except ValueError:
                values = values[: len(lines) * len(columns)]
                values.extend(_odd_row(layout, line, row, columns, blank_is_nan))
            for kept, i in zip(texts, text_columns, strict=True):
                kept.append(row[i].strip())
            lines.append(line)
    if not lines:
        raise UsageError(f"{str(layout.path)!r} has a header and no rows.")
    numbers = np.frombuffer(values, np.float64).reshape(len(lines), len(columns))
    return Table(layout, numbers, dict(zip(textual, texts, strict=True)), lines)


def _rows(layout: Layout, stream: TextIO) -> Iterator[tuple[int, list[str]]]:
    """Every row with its line's number.

    Raises
    ------
    UsageError
        When a line has another number of fields than there are columns.
    """
    for _ in range(layout.n_header):
        stream.readline()
    reader = csv.reader(stream, delimiter=layout.separator)
    width = len(layout.names)
    for row in reader:
        if len(row) not in (width, width + layout.optional):
            if not row or (layout.comment and row[0].startswith(layout.comment)):
                continue
            raise _torn(layout, layout.n_header + reader.line_num, row, next(reader, None) is None)
        yield layout.n_header + reader.line_num, row


def _torn(layout: Layout, line: int, row: Sequence[str], is_last: bool) -> UsageError:
    width = len(layout.names)
    where = f"{str(layout.path)!r} has {len(row)} of {width} fields in line {line}"
    if is_last and len(row) < width:
        return UsageError(f"{where}: the recording was cut off there. Delete the line.")
    if len(row) == 1 and any(row[0].count(s) == width - 1 for s in SEPARATORS):
        return UsageError(f"{where}: its separator is another. Export it with one.")
    if len(row) > width and layout.separator == ",":
        return UsageError(
            f"{where}. If its numbers have decimal commas, export it with decimal points."
        )
    return UsageError(f"{where}: the line is torn. Delete it, or export the file again.")


def _odd_row(
    layout: Layout, line: int, row: Sequence[str], columns: Sequence[int], blank_is_nan: bool
) -> list[float]:
    """A row with blanks as numbers, where it may have any."""
    if blank_is_nan:
        row = [field if field.strip() else "nan" for field in row]
    for i in columns:
        try:
            float(row[i])
        except ValueError:
            field, name = row[i], layout.names[i]
            break
    else:
        return [float(row[i]) for i in columns]
    where = f"column {name!r:.80}, line {line}"
    why = f"{str(layout.path)!r} has {field!r:.60} in {where}, which is no number"
    if DECIMAL_COMMA.match(field):
        raise UsageError(f"{why}: decimal commas. Export it with decimal points.")
    raise UsageError(f"{why}.")


@contextmanager
def _opened(path: Path, encoding: str) -> Iterator[TextIO]:
    """A text file; what the csv module cannot make sense of is one line."""
    with path.open(encoding=encoding, newline="") as stream:
        try:
            yield stream
        except csv.Error as error:
            raise UsageError(f"{str(path)!r} is not a table: {error}.") from error


def _encoding(path: Path) -> str:
    with path.open("rb") as stream:
        return _marked(stream.read(4)) or "utf-8"


def _marked(start: bytes) -> str:
    """The encoding that a file's first bytes announce; empty for none."""
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    return "utf-8-sig" if start.startswith(b"\xef\xbb\xbf") else ""
