# SPDX-License-Identifier: BSD-3-Clause
"""Describe tensors that still lie in a file: what they are is known, their values are not read yet.

A file is judged by what it says of its tensors, names and shapes, against the network that they
should fit. Values are read last, and only those that fit, so that a hostile file costs neither
memory nor time.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import torch

from edge.errors import IncompatibleError
from quantize.reading import open_regular

MAX_FILE_BYTES = 1 << 30
"""Largest file that is opened. A checkpoint of this network has a few hundred kilobytes, and with
an optimizer's state three times as many."""
MAX_HEADER_BYTES = 1 << 20
"""Largest description of a file's tensors, be it a pickle or JSON; the authors' have 12 kB."""
MAX_STORAGE_BYTES = 1 << 28
"""Most bytes of tensors that are read from one file."""
MAX_RANK = 8


class MalformedError(Exception):
    """Raised for a file that is not what its format says."""


@dataclass(frozen=True)
class Stored:
    """A tensor of a checkpoint whose values are read when they are asked for.

    Attributes
    ----------
    shape
        Its shape.
    read
        Returns its values. Raises :class:`MalformedError` where the file does not hold them.
    """

    shape: tuple[int, ...]
    read: Callable[[], torch.Tensor]


State = Mapping[str, Stored]
"""Tensors by name, as in PyTorch's ``state_dict``."""


def in_memory(tensors: Mapping[str, torch.Tensor]) -> State:
    """Describe tensors that are in memory already."""
    return {name: _kept(value) for name, value in tensors.items()}


def _kept(value: torch.Tensor) -> Stored:
    return Stored(tuple(value.shape), lambda: value)


@contextmanager
def opened(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """Open a file of weights, and yield it with its size in bytes.

    Raises
    ------
    IncompatibleError
        When it is not a regular file (a pipe, a device and a folder have no size), or too large
        for a checkpoint.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > MAX_FILE_BYTES:
            raise IncompatibleError(
                f"{path} has {size / 1e6:,.0f} MB, and a checkpoint at most "
                f"{MAX_FILE_BYTES / 1e6:,.0f}. Save the weights alone: "
                f"torch.save(model.state_dict(), FILE)."
            )
        yield file, size


def refuse_shape(shape: object, what: str) -> tuple[int, ...]:
    """Return a shape as a tuple.

    Raises
    ------
    MalformedError
        When it is not a sequence of sizes that a computer has.
    """
    if not isinstance(shape, tuple | list) or len(shape) > MAX_RANK:
        raise MalformedError(f"{what} has a shape that cannot be")
    if not all(map(_is_size, shape)):
        raise MalformedError(f"{what} has a shape that cannot be")
    return tuple(shape)


def _is_size(value: object) -> bool:
    return type(value) is int and 0 <= value < 1 << 40


def refuse_budget(n_bytes: int, what: str) -> None:
    """Raise if reading ``n_bytes`` would be too much.

    Raises
    ------
    MalformedError
        Above :data:`MAX_STORAGE_BYTES`.
    """
    if n_bytes > MAX_STORAGE_BYTES:
        raise MalformedError(
            f"{what} has {n_bytes / 1e6:,.0f} MB, at most {MAX_STORAGE_BYTES / 1e6:,.0f} are read"
        )


def view(
    data: bytes, dtype: torch.dtype, shape: tuple[int, ...], stride: tuple[int, ...], offset: int
) -> torch.Tensor:
    """Copy a strided tensor out of bytes.

    Parameters
    ----------
    data
        The storage, little-endian values of ``dtype``.
    shape, stride, offset
        As PyTorch has them, in values.

    Raises
    ------
    MalformedError
        When it reaches beyond the storage.
    """
    size = dtype.itemsize
    if math.prod(shape) == 0:
        return torch.empty(shape, dtype=dtype)
    last = offset + sum((n - 1) * step for n, step in zip(shape, stride, strict=True))
    if (last + 1) * size > len(data):
        raise MalformedError(f"a tensor of shape {shape} reaches beyond its storage")
    flat = torch.frombuffer(bytearray(data), dtype=dtype, count=len(data) // size)
    return flat.as_strided(shape, stride, offset).clone()


def shown(value: object) -> str:
    """Write a value from a file so that it can be printed: numbers and text alone are spelt out."""
    if isinstance(value, str | int | float | None):
        text = repr(value)
        return text if len(text) <= 80 else f"{text[:77]}..."
    return f"a {type(value).__name__}"


def printable(name: object) -> str:
    """Write a name from a file so that it can be printed: no control characters, not too long."""
    text = repr(str(name))[1:-1]
    return text if len(text) <= 80 else f"{text[:77]}..."
