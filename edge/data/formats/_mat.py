# SPDX-License-Identifier: BSD-3-Clause
"""Check a MATLAB file before it is loaded: a broken one makes scipy's reader crash the process.

The format is MATLAB's own description of MAT-files of level 5. Every element says its type and its
length; a matrix says its class and dimensions, and a cell or structure holds as many matrices as
these give. What does not add up is refused. Files of other levels are left to their readers.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.errors import UsageError

MATRIX, COMPRESSED = 14, 15
BYTES_OF = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8, 16: 1, 17: 2, 18: 4}
"""Bytes of a value by the number of its type; 16 to 18 are UTF."""
CELL, STRUCT, CHAR, SPARSE = 1, 2, 4, 5
NUMERIC = range(6, 16)
DEEPEST = 50
HEADER_BYTES = 128
LARGEST_BYTES = 2**32
"""What the 32 bits of an element's length can say."""


class BrokenError(Exception):
    """Something in a file does not add up."""


@dataclass(frozen=True)
class Element:
    """An element: the number of its type, and its content."""

    kind: int
    content: memoryview


def refuse_broken(path: Path) -> None:
    """Raise where a MATLAB file of level 5 contradicts itself.

    Raises
    ------
    UsageError
        One line that says where.
    """
    with path.open("rb") as stream:
        head = stream.read(HEADER_BYTES)
        if head[124:128] not in (b"\x00\x01IM", b"\x01\x00MI"):
            return
        order = "<" if head[126:128] == b"IM" else ">"
        content = memoryview(stream.read())
    try:
        for element in _elements(content, order):
            _refuse_element(element, order)
    except (BrokenError, struct.error, zlib.error) as error:
        raise UsageError(
            f"{str(path)!r} is a broken MATLAB file: {error}. Fetch it again, or save it anew."
        ) from error


def _refuse_element(element: Element, order: str) -> None:
    if element.kind == COMPRESSED:
        inflating = zlib.decompressobj()
        inner_bytes = inflating.decompress(element.content, LARGEST_BYTES)
        if not inflating.eof:
            raise BrokenError("a compressed element that does not end")
        for inner in _elements(memoryview(inner_bytes), order):
            _refuse_element(inner, order)
    elif element.kind == MATRIX:
        _refuse_matrix(element.content, order, 0)
    elif element.kind not in BYTES_OF:
        raise BrokenError(f"an element of the type {element.kind}, which there is not")


def _elements(content: memoryview, order: str) -> Iterator[Element]:
    """Elements one after the other; each but a compressed one begins at a multiple of 8."""
    at = 0
    while at < len(content):
        kind, size = struct.unpack_from(f"{order}II", content, at)
        begin = at + 8
        if kind >> 16:  # a small one: type, length and up to four bytes in eight
            kind, size, begin = kind & 0xFFFF, kind >> 16, at + 4
            if size > 4:
                raise BrokenError(f"a small element of {size} bytes")
        if begin + size > len(content):
            raise BrokenError(f"an element of {size:,} bytes where {len(content) - begin:,} are")
        yield Element(kind, content[begin : begin + size])
        at = begin + size
        if kind != COMPRESSED:
            at += -at % 8


def _refuse_matrix(content: memoryview, order: str, depth: int) -> None:
    """Check one matrix and what it holds; one without content is empty."""
    if not len(content):
        return
    if depth > DEEPEST:
        raise BrokenError(f"structures {depth} deep")
    parts = list(_elements(content, order))
    if len(parts) < 3 or parts[0].kind != 6 or len(parts[0].content) != 8:
        raise BrokenError("a matrix without flags, dimensions and name")
    flags = struct.unpack_from(f"{order}I", parts[0].content)[0]
    array_class, is_complex = flags & 0xFF, bool(flags & 0x800)
    if array_class in (3, 16, 17):  # objects, functions: their layout is not described
        return
    count = _count(parts[1], order)
    rest = parts[3:]
    if array_class in (CELL, STRUCT):
        _refuse_members(rest, count, array_class == STRUCT, order, depth)
    elif array_class in NUMERIC or array_class == CHAR:
        _refuse_values(rest, count, is_complex, array_class == CHAR)
    elif array_class == SPARSE:
        _refuse_sparse(rest, is_complex)
    else:
        raise BrokenError(f"a matrix of the class {array_class}, which there is not")


def _count(part: Element, order: str) -> int:
    """How many members the dimensions give."""
    n = len(part.content) // 4
    if part.kind != 5 or n < 2 or n > 32 or len(part.content) % 4:
        raise BrokenError("dimensions that are none")
    sizes = struct.unpack_from(f"{order}{n}i", part.content)
    if min(sizes) < 0:
        raise BrokenError(f"dimensions {sizes}")
    return math.prod(sizes)


def _refuse_members(
    parts: list[Element], count: int, is_struct: bool, order: str, depth: int
) -> None:
    if is_struct:
        if len(parts) < 2 or parts[0].kind != 5 or len(parts[0].content) != 4:
            raise BrokenError("a structure without names of fields")
        length = struct.unpack_from(f"{order}i", parts[0].content)[0]
        names = parts[1].content
        if parts[1].kind not in (1, 2) or length < 1 or len(names) % length:
            raise BrokenError("names of fields that are none")
        for at in range(0, len(names), length):
            if not bytes(names[at : at + length]).partition(b"\0")[0].isascii():
                raise BrokenError("a name of a field that is no text")
        count *= len(names) // length
        parts = parts[2:]
    if len(parts) != count or any(part.kind != MATRIX for part in parts):
        raise BrokenError(f"{len(parts):,} members where its dimensions give {count:,}")
    for part in parts:
        _refuse_matrix(part.content, order, depth + 1)


def _refuse_values(parts: list[Element], count: int, is_complex: bool, is_text: bool) -> None:
    if not count and not parts:
        return
    if len(parts) != 1 + is_complex:
        raise BrokenError(f"{len(parts)} lists of values where {1 + is_complex} are due")
    for part in parts:
        if part.kind not in BYTES_OF or len(part.content) % BYTES_OF[part.kind]:
            raise BrokenError(f"values of the type {part.kind}")
        n = len(part.content) // BYTES_OF[part.kind]
        if n != count and not (is_text and (part.kind == 16 or not n)):
            raise BrokenError(f"{n:,} values where the dimensions give {count:,}")


def _refuse_sparse(parts: list[Element], is_complex: bool) -> None:
    if len(parts) != 3 + is_complex:
        raise BrokenError("a sparse matrix without its lists")
    for part in parts:
        if part.kind not in BYTES_OF or len(part.content) % BYTES_OF[part.kind]:
            raise BrokenError(f"values of the type {part.kind}")
