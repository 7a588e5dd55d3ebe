# SPDX-License-Identifier: BSD-3-Clause
"""Capture what C++ prints; runtimes say why they fail on file descriptor 2 and nowhere else."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def captured() -> Iterator[list[str]]:
    """Yield a list that holds what file descriptor 2 was given when the block has ended."""
    text: list[str] = []
    kept = os.dup(2)
    with tempfile.NamedTemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield text
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            text.append(Path(file.name).read_text(errors="replace"))
