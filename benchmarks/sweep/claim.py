# SPDX-License-Identifier: BSD-3-Clause
"""Do a piece of work at most once: claim it by a lock that dies with its process.

A finished piece is a file or folder that appears whole, by renaming. Whoever holds the lock looks
for it again before starting, so that work which another process finished meanwhile is not done
twice. Work of a process that was killed is free again as soon as it is dead, because the kernel
gives its ``flock`` back. On a shared file system that needs NFS 4, or any other with locks.

The library filelock is not used: a model's lock is held by several who read at once, which it has
in a SQLite file, not for network file systems, or by leases, which outlive a killed process.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def held(lock: Path, *, shared: bool = False) -> Iterator[None]:
    """Wait for a lock and hold it, alone or with others who share it.

    Its file stays, because taking it away would race.
    """
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield


def is_free(lock: Path) -> bool:
    """Return whether nobody holds a lock at the moment."""
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def once(done: Path, lock: Path, make: Callable[[], None]) -> bool:
    """Make ``done`` unless it exists.

    Parameters
    ----------
    make
        Makes ``done`` appear, whole, as its last act.

    Returns
    -------
    bool
        Whether it was made here.
    """
    if done.exists():
        return False
    with held(lock):
        if done.exists():
            return False
        make()
    return True


def write(path: Path, document: Mapping[str, Any]) -> None:
    """Write JSON that appears whole."""
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
    temporary.replace(path)


def journal(path: Path, **entry: Any) -> None:
    """Add a line, whoever else is writing."""
    with path.open("a") as file:
        file.write(json.dumps(entry, sort_keys=True) + "\n")
