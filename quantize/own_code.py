# SPDX-License-Identifier: BSD-3-Clause
"""A hash of our own source code: it says which code made something, and is a cache key."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""Where our packages lie side by side, in this repository or in an installation."""

NOT_CODE = (".pyc", ".md")


@functools.cache
def sha256(*places: str) -> str:
    """The hash of every file below some places, which are given relative to :data:`ROOT`.

    Neither a commit, which says nothing about what is changed, nor a version, which stays the same
    between two releases, tells two makers apart.
    """
    found = hashlib.sha256()
    for file in _files(places):
        name = file.relative_to(ROOT).as_posix()
        found.update(f"{name} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return found.hexdigest()


def _files(places: tuple[str, ...]) -> Iterator[Path]:
    for place in places:
        path = ROOT / place
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and file.suffix not in NOT_CODE:
                yield file
