# SPDX-License-Identifier: BSD-3-Clause
"""Read a file that somebody else made: regular, of a stated size, inside its folder, and once.

Whatever is wrong becomes one line that names the file. Nothing here waits: a FIFO or a device is
opened without blocking and refused before it is read.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from quantize.errors import IncompatibleError, UsageError

MIB = 2**20
MAX_FILE_BYTES = 256 * MIB
"""Of any file of a bundle."""

MAX_DEPTH = 4
"""Folders in folders of a bundle."""
MAX_FILES = 10_000
"""Entries of a folder that is walked."""


def read_bytes(path: Path, limit: int) -> bytes:
    """Return the content of a regular file of at most ``limit`` bytes; links are followed.

    Raises
    ------
    UsageError
        When it does not exist or cannot be opened.
    IncompatibleError
        When it is no regular file, or larger.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > limit:
            raise IncompatibleError(
                f"{str(path)!r} holds {size} bytes; at most {limit} are read of such a file."
            )
        data = file.read(limit + 1)  # it may grow meanwhile
    if len(data) > limit:
        raise IncompatibleError(f"{str(path)!r} grows while it is read.")
    return data


def sha256(path: Path) -> str:
    """The hash of a regular file of at most :data:`MAX_FILE_BYTES`.

    Raises
    ------
    UsageError, IncompatibleError
        As :func:`read_bytes`.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > MAX_FILE_BYTES:
            raise IncompatibleError(
                f"{str(path)!r} holds {size} bytes; at most {MAX_FILE_BYTES} are read of such a "
                f"file."
            )
        found = hashlib.sha256()
        while part := file.read(MIB):
            found.update(part)
    return found.hexdigest()


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading, without waiting for anything that is none.

    Raises
    ------
    UsageError, IncompatibleError
        As :func:`read_bytes`.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise UsageError(f"{str(path)!r} does not exist.") from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        said = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"Cannot read {str(path)!r}: {said}.") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise IncompatibleError(f"{str(path)!r} is not a regular file.")
    return os.fdopen(descriptor, "rb")


def inside(folder: Path, name: str) -> Path:
    """Return the path of a file that a document names, if it is a plain name in ``folder``.

    Raises
    ------
    IncompatibleError
        When the name is absolute, climbs out, is written in an odd way, or when it or a folder on
        its way is a link.
    """
    parts = PurePosixPath(name).parts
    odd = not parts or str(PurePosixPath(*parts)) != name or "\\" in name
    if odd or name.startswith("/") or ".." in parts or not name.isprintable():
        raise IncompatibleError(
            f"{str(folder)!r} names a file {name!r:.120}; only plain names inside the folder are "
            f"allowed."
        )
    path = folder
    for part in parts:
        path = path / part
        if path.is_symlink():
            raise IncompatibleError(f"{str(path)!r} is a link; only regular files are allowed.")
    return path


def walk(folder: Path) -> Iterator[str]:
    """Return the names of all files below a folder, relative to it with ``/``, sorted.

    Raises
    ------
    IncompatibleError
        When something there is neither a regular file nor a folder, or there are too many.
    """
    names = list(_walk(folder, "", 0))
    if len(names) > MAX_FILES:
        raise IncompatibleError(f"{str(folder)!r} holds more than {MAX_FILES} files.")
    yield from sorted(names)


def _walk(folder: Path, prefix: str, depth: int) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for count, entry in enumerate(entries):
            if count > MAX_FILES or depth > MAX_DEPTH:
                raise IncompatibleError(
                    f"{str(folder)!r} is deeper than {MAX_DEPTH} folders, or holds more than "
                    f"{MAX_FILES} files."
                )
            name = f"{prefix}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(Path(entry.path), f"{name}/", depth + 1)
            elif entry.is_file(follow_symlinks=False):
                yield name
            else:
                raise IncompatibleError(
                    f"{entry.path!r} is a link or a device; only regular files are allowed."
                )
