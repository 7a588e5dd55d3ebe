# SPDX-License-Identifier: BSD-3-Clause
"""Open what ``torch.save`` wrote, without PyTorch, in its present form and its old one.

The present form is a zip archive whose members are not compressed: ``NAME/data.pkl`` describes the
object, ``NAME/data/KEY`` holds the values of a storage. The form from before PyTorch 1.6 is five
pickles and then the storages, each behind its number of values.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import torch

from edge.checkpoint import pickled
from edge.checkpoint.stored import (
    MAX_HEADER_BYTES,
    MalformedError,
    Stored,
    opened,
    printable,
    refuse_budget,
    view,
)

MAX_MEMBERS = 10_000
"""Most members of an archive; a network of 30 tensors with its optimizer's state has 100."""

DTYPES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
"""Types of values by the name of their storage."""

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
ZIP_MAGIC = b"PK\x03\x04"


@dataclass
class TorchFile:
    """The object that a file describes, and the way to its storages.

    Attributes
    ----------
    value
        Plain data with :class:`~edge.checkpoint.pickled.Tensor` in it.
    fetch
        Returns the bytes of a storage.
    """

    value: Any
    fetch: Callable[[pickled.Storage], bytes]
    fetched: dict[str, bytes] = field(default_factory=dict)

    def stored(self, tensor: pickled.Tensor) -> Stored:
        """Describe one of the file's tensors."""
        return Stored(tensor.shape, lambda: self._values(tensor))

    def _values(self, tensor: pickled.Tensor) -> torch.Tensor:
        storage = tensor.storage
        if storage.key not in self.fetched:
            known = sum(map(len, self.fetched.values()))
            refuse_budget(known + storage.n_values * _dtype(storage).itemsize, "what it holds")
            self.fetched[storage.key] = self.fetch(storage)
        data = self.fetched[storage.key]
        return view(data, _dtype(storage), tensor.shape, tensor.stride, tensor.offset)


def _dtype(storage: pickled.Storage) -> torch.dtype:
    if storage.kind not in DTYPES:
        raise MalformedError(f"it holds values of type {printable(storage.kind)}")
    return DTYPES[storage.kind]


def read(path: Path) -> TorchFile:
    """Read the description of what a file holds; values are read when they are asked for.

    Raises
    ------
    IncompatibleError
        When it is not a regular file, or too large.
    ForbiddenError
        When it names a function that is not followed; see :mod:`edge.checkpoint.pickled`.
    MalformedError
        When ``torch.save`` did not write it.
    """
    with opened(path) as (file, size):
        begin = file.read(len(ZIP_MAGIC))
        return _archive(path, file, size) if begin == ZIP_MAGIC else _legacy(path, file)


def _archive(path: Path, file: BinaryIO, size: int) -> TorchFile:
    _refuse_directory(file, size)
    with _zip(file) as archive:
        members = {info.filename: info for info in archive.infolist()}
        descriptions = [name for name in members if name.endswith("/data.pkl")]
        if len(descriptions) != 1 or len(members) != len(archive.infolist()):
            raise MalformedError("its archive is not laid out as torch.save does")
        root = descriptions[0].removesuffix("data.pkl")
        order = f"{root}byteorder"
        if order in members and _member(archive, members[order], 16) != b"little":
            raise MalformedError("its values are written big end first")
        text = _member(archive, members[descriptions[0]], MAX_HEADER_BYTES)
    value = pickled.load(io.BytesIO(text))

    def fetch(storage: pickled.Storage) -> bytes:
        info = members.get(f"{root}data/{storage.key}")
        wanted = storage.n_values * _dtype(storage).itemsize
        if info is None or info.file_size != wanted:
            raise MalformedError("a storage is missing, or has another size than it should")
        with opened(path) as (again, _), _zip(again) as archive:
            return _member(archive, info, wanted)

    return TorchFile(value, fetch)


def _refuse_directory(file: BinaryIO, size: int) -> None:
    """Raise where an archive's directory is too large to be listed in little memory."""
    length = min(size, 22 + 20 + (1 << 16))
    file.seek(size - length)
    tail = file.read(length)
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) < end + 22:
        raise MalformedError("its archive is cut off")
    n_members, n_bytes = struct.unpack("<HI", tail[end + 10 : end + 16])
    if b"PK\x06\x07" in tail[max(0, end - 20) : end]:  # a second, larger directory in its place
        locator = tail[end - 20 : end]
        (place,) = struct.unpack("<Q", locator[8:16])
        file.seek(min(place, size))
        record = file.read(56)
        if len(record) < 56 or record[:4] != b"PK\x06\x06":
            raise MalformedError("its archive is damaged")
        n_members, n_bytes = struct.unpack("<QQ", record[32:48])
    if n_members > MAX_MEMBERS or n_bytes > 256 * MAX_MEMBERS:
        raise MalformedError("its archive has more members than torch.save writes")
    file.seek(0)


def _zip(file: BinaryIO) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except Exception as error:  # zipfile raises whatever it stumbles over
        raise MalformedError("its archive is damaged") from error


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> bytes:
    """Read a member of an archive, at most ``limit`` bytes."""
    if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
        raise MalformedError("its archive is compressed, torch.save writes none such")
    if info.file_size > limit:
        raise MalformedError(f"{printable(info.filename)} is larger than it should be")
    try:
        with archive.open(info) as member:
            data = member.read(limit + 1)
    except Exception as error:  # zipfile raises whatever it stumbles over
        raise MalformedError("its archive is damaged") from error
    if len(data) != info.file_size:
        raise MalformedError("its archive is cut off")
    return data


def _legacy(path: Path, file: BinaryIO) -> TorchFile:
    """Read the form from before PyTorch 1.6: magic, version, system, object, keys, storages."""
    file.seek(0)
    head = io.BytesIO(file.read(MAX_HEADER_BYTES))
    if pickled.load(head) != LEGACY_MAGIC:
        raise MalformedError("torch.save did not write it")
    _version, system, value, keys = (pickled.load(head) for _ in range(4))
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise MalformedError("its values are written big end first")
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise MalformedError("its storages are not listed as torch.save does")
    places = _places(path, head.tell(), keys, value)

    def fetch(storage: pickled.Storage) -> bytes:
        wanted = storage.n_values * _dtype(storage).itemsize
        place = places.get(storage.key)
        if place is None or place[1] != storage.n_values:
            raise MalformedError("a storage is missing, or has another size than it should")
        with opened(path) as (again, _):
            again.seek(place[0])
            data = again.read(wanted)
        if len(data) != wanted:
            raise MalformedError("it is cut off")
        return data

    return TorchFile(value, fetch)


def _places(path: Path, start: int, keys: list[str], value: Any) -> dict[str, tuple[int, int]]:
    """Where every storage begins and how many values it has, by its key."""
    storages = {tensor.storage.key: tensor.storage for tensor in tensors(value).values()}
    places: dict[str, tuple[int, int]] = {}
    with opened(path) as (file, size):
        for key in keys[:MAX_MEMBERS]:
            file.seek(start)
            count = file.read(8)
            if len(count) < 8 or key not in storages:
                break  # of a tensor that is not one of the network's; nothing behind it is found
            (n_values,) = struct.unpack("<q", count)
            if not 0 <= n_values <= size:
                raise MalformedError("a storage is missing, or has another size than it should")
            places[key] = (start + 8, n_values)
            start += 8 + n_values * _dtype(storages[key]).itemsize
    return places


def tensors(value: Any) -> dict[int, pickled.Tensor]:
    """Return every tensor in plain data, by identity, however deep it lies."""
    found: dict[int, pickled.Tensor] = {}
    seen: set[int] = set()
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, pickled.Tensor):
            found[id(one)] = one
        elif isinstance(one, dict | list | tuple) and id(one) not in seen:
            seen.add(id(one))
            waiting += one.values() if isinstance(one, dict) else one
    return found
