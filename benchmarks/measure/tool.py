# SPDX-License-Identifier: BSD-3-Clause
"""Hash our own source code, as a cache key."""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path

from edge.patches.versions import versions

ROOT = Path(__file__).resolve().parents[2]
MAKERS = ("edge", "quantize", "firmware_bridge")
"""Packages that a bundle is made by, shipped weights included."""


@functools.cache
def sha256(*places: str) -> str:
    """Hash every file below some places of this repository or installation.

    Neither a commit, which says nothing about what is changed, nor a version, which stays the same
    between two releases, tells two makers apart.
    """
    found = hashlib.sha256()
    for place in places or MAKERS:
        path = ROOT / place
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and file.suffix not in (".pyc", ".md"):
                name = file.relative_to(ROOT).as_posix()
                found.update(f"{name} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return found.hexdigest()


def key(*others: str) -> str:
    """Return a key of bundles and of what ``others`` make: our code, and what is installed."""
    words = [sha256(), *(sha256(other) for other in others), json.dumps(versions())]
    return hashlib.sha256(" ".join(words).encode()).hexdigest()
