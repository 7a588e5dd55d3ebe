"""Where a bundle can be measured: a device is a file in ``benchmarks/runners``.

``cortex-m4`` is ``cortex_m4.py``; a device with an address, ``ssh://user@host``, is found by what
stands before the ``://``, and its file says in ``ADDRESS`` how the rest is written.
"""

from __future__ import annotations

import importlib
from typing import Any

from benchmarks.findings import Runner
from edge import registry
from edge.errors import UsageError, invalid_value

PACKAGE = "benchmarks.runners"


def names() -> tuple[str, ...]:
    """What ``--device`` takes."""
    return tuple(_shown(name) for name in registry.names(PACKAGE))


def load(device: str) -> Runner:
    """The runner of a device.

    Raises
    ------
    UsageError
        When there is none of that name.
    """
    scheme, separator, _ = device.partition("://")
    file = scheme.replace("-", "_")
    there = registry.names(PACKAGE)
    if file not in there or (_address(file) != "") != (separator != ""):
        raise UsageError(invalid_value("--device", device, names()))
    runner: Any = importlib.import_module(f"{PACKAGE}.{file}")
    found: Runner = runner
    return found


def _shown(file: str) -> str:
    return f"{file.replace('_', '-')}{_address(file)}"


def _address(file: str) -> str:
    address: str = getattr(importlib.import_module(f"{PACKAGE}.{file}"), "ADDRESS", "")
    return address
