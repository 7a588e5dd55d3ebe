# SPDX-License-Identifier: BSD-3-Clause
"""Let tests compile the libraries once where nothing else keeps what was compiled.

``make export`` installs without compiling, since that takes a third of a gigabyte, and where
``PYTHONDONTWRITEBYTECODE`` is set no import keeps what it compiled either: importing PyTorch and
its companions then takes 14 s instead of 7, in each of hundreds of processes.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path


def is_compiled(package: str) -> bool:
    """Whether a package lies compiled where it is installed; True for one that is not there."""
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        return True
    return (Path(found.origin).parent / "__pycache__").is_dir()


def keep(folder: Path) -> None:
    """Keep what this process and its children compile in a folder of its own."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix = str(folder)
    sys.dont_write_bytecode = False
