# SPDX-License-Identifier: BSD-3-Clause
"""Read ``.npy`` and ``.npz`` files that somebody else made, each header before its data.

``numpy.load`` allocates what a header claims and inflates what an archive holds. Here every array's
type, shape and size are known and allowed before a byte of it is read, so that no file costs more
than it may.
"""

from __future__ import annotations

import math
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from quantize.errors import IncompatibleError
from quantize.reading import MIB, open_regular

MAX_ARRAYS = 10_000
MAX_AXES = 8
MAX_DIRECTORY = 2 * MIB
MAX_HEADER = 4096
INFLATION = 100
"""How much larger than in the archive an array may be, where it is larger than
:data:`SMALL_BYTES`; signals come to a few times, zeros to a thousand."""
SMALL_BYTES = 64 * MIB

_HEADER = re.compile(
    rb"\{'descr': '(?P<descr>[<>|=]?[biufcSU]\d{1,6})', 'fortran_order': (?P<order>True|False), "
    rb"'shape': \((?P<shape>(?:\d+, ?)*(?:\d+)?)\),? ?\} *\n?"
)
_MAGIC = b"\x93NUMPY"

Array = NDArray[Any]


@dataclass(frozen=True)
class Header:
    """What is known of an array before it is read."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool

    @property
    def n_bytes(self) -> int:
        """The size of the data."""
        return math.prod(self.shape) * self.dtype.itemsize


Judge = Callable[[str, Header], None]
"""Raises for an array that is not expected; called with its name before its data are read."""


def anything(name: str, header: Header) -> None:
    """Accept every array; for readers that look at arrays later."""


def read_npz(path: Path, limit: int, judge: Judge = anything) -> dict[str, Array]:
    """Return all arrays of an ``.npz`` file with ``limit`` bytes of data at most.

    Raises
    ------
    UsageError
        When the file does not exist or cannot be opened.
    IncompatibleError
        When it is no archive of plain arrays, is damaged, or holds more than is allowed.
    """
    with open_regular(path) as file:
        return decode_npz(file, str(path), limit, judge)


def decode_npz(file: BinaryIO, where: str, limit: int, judge: Judge = anything) -> dict[str, Array]:
    """Return all arrays of an open ``.npz``; ``where`` opens the complaint.

    Raises
    ------
    IncompatibleError
        As :func:`read_npz`.
    """
    try:
        _check_directory(file, where)
        with zipfile.ZipFile(file) as archive:
            return _members(archive, where, limit, judge)
    except (
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        OSError,
        RuntimeError,  # an encrypted member
        ValueError,
    ) as error:
        raise IncompatibleError(
            f"{where!r} is not an .npz file, or is damaged: {_line(error)}."
        ) from None


def _check_directory(file: BinaryIO, where: str) -> None:
    """Raise for an archive whose list of members is too long to be read."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 22))
    end = file.read(22)
    if end[:4] != b"PK\5\6":
        raise IncompatibleError(f"{where!r} is not an .npz file, or is cut off.")
    length = int.from_bytes(end[12:16], "little")
    file.seek(max(0, size - 42))
    locator = file.read(20)
    if locator[:4] == b"PK\6\7":  # the record of archives beyond 4 GiB, which zipfile prefers
        file.seek(min(int.from_bytes(locator[8:16], "little"), size))
        length = max(length, int.from_bytes(file.read(56)[40:48], "little"))
    if length > MAX_DIRECTORY:
        raise IncompatibleError(f"{where!r} lists its arrays in {length} bytes, which is too much.")
    file.seek(0)


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")[:120]


def _members(archive: zipfile.ZipFile, where: str, limit: int, judge: Judge) -> dict[str, Array]:
    members = archive.infolist()
    if len(members) > MAX_ARRAYS:
        raise IncompatibleError(f"{where!r} holds {len(members)} arrays; {MAX_ARRAYS} are read.")
    names = [member.filename.removesuffix(".npy") for member in members]
    if not all(names):
        raise IncompatibleError(f"{where!r} holds an array without a name.")
    if len(set(names)) < len(names):
        raise IncompatibleError(f"{where!r} holds an array twice.")
    total = sum(member.file_size for member in members)
    if total > limit:
        raise IncompatibleError(f"{where!r} holds {total} bytes of arrays; {limit} are read.")
    packed = sum(member.compress_size for member in members)
    if total > SMALL_BYTES and total > INFLATION * max(packed, 1):
        raise IncompatibleError(
            f"{where!r} holds {total} bytes of arrays in {packed}; no signal is so regular."
        )
    found: dict[str, Array] = {}
    for name, member in zip(names, members, strict=True):
        with archive.open(member) as stream:
            found[name] = _array(stream, f"{where!r}, {name!r:.80}", name, member.file_size, judge)
    return found


def read_npy(path: Path, limit: int, judge: Judge = anything) -> Array:
    """Return the array of an ``.npy`` file of ``limit`` bytes at most.

    Raises
    ------
    UsageError, IncompatibleError
        As :func:`read_npz`.
    """
    with open_regular(path) as file:
        size = file.seek(0, 2)
        file.seek(0)
        if size > limit:
            raise IncompatibleError(f"{str(path)!r} holds {size} bytes; at most {limit} are read.")
        return _array(file, repr(str(path)), "", size, judge)


def _array(stream: IO[bytes], where: str, name: str, size: int, judge: Judge) -> Array:
    header, n_header = _header(stream, where)
    if n_header + header.n_bytes != size:
        raise IncompatibleError(
            f"{where} is cut off or padded: its header says {header.n_bytes} bytes of data and "
            f"{size - n_header} are there."
        )
    judge(name, header)
    data = bytearray(stream.read(header.n_bytes))
    if len(data) != header.n_bytes:
        raise IncompatibleError(f"{where} is cut off.")
    if not data:
        return np.zeros(header.shape, header.dtype)
    flat = np.frombuffer(data, header.dtype)
    if header.dtype.kind == "U" and not _is_text(flat):
        raise IncompatibleError(f"{where} holds text that is not Unicode.")
    return flat.reshape(header.shape, order="F" if header.fortran else "C")


def _is_text(values: Array) -> bool:
    """Whether stored code points are all of Unicode, surrogates left out."""
    points = values.view(f"{values.dtype.byteorder}u4")
    return not ((points > 0x10FFFF) | ((points >= 0xD800) & (points < 0xE000))).any()


def _header(stream: IO[bytes], where: str) -> tuple[Header, int]:
    """The header of an array, and how many bytes it takes."""
    opening = stream.read(8)
    if opening[:6] != _MAGIC or opening[6:7] not in (b"\x01", b"\x02", b"\x03"):
        raise IncompatibleError(f"{where} is not an array in NumPy's format.")
    n_length = 2 if opening[6] == 1 else 4
    length = int.from_bytes(stream.read(n_length), "little")
    if length > MAX_HEADER:
        raise IncompatibleError(f"{where} has a header of {length} bytes; {MAX_HEADER} are read.")
    text = stream.read(length)
    found = _HEADER.fullmatch(text)
    if found is None:
        raise IncompatibleError(f"{where} is not an array of plain numbers or text.")
    shape = tuple(int(word) for word in found["shape"].decode().split(",") if word.strip())
    if len(shape) > MAX_AXES or math.prod(max(n, 1) for n in shape) > 2**48:
        raise IncompatibleError(f"{where} has a shape that no signal has.")
    try:
        kind = np.dtype(found["descr"].decode())
    except TypeError:
        raise IncompatibleError(f"{where} is of a type that NumPy does not know.") from None
    header = Header(kind, shape, found["order"] == b"True")
    return header, 8 + n_length + length


def expected(shapes: Mapping[str, tuple[tuple[int, ...] | None, str]], where: str) -> Judge:
    """Return a judge that knows every array: its name, shape (None for any) and type.

    Raises
    ------
    IncompatibleError
        From the judge, for an array that is not what it should be.
    """

    def judge(name: str, header: Header) -> None:
        if name not in shapes:
            raise IncompatibleError(f"{where} holds an array {name!r:.80} that nothing needs.")
        shape, kind = shapes[name]
        if header.dtype != np.dtype(kind) or (shape is not None and header.shape != shape):
            raise IncompatibleError(
                f"{where}: {name!r} is {header.dtype}{header.shape!r:.60} and should be "
                f"{kind}{'' if shape is None else shape}."
            )

    return judge
