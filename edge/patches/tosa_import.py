# SPDX-License-Identifier: BSD-3-Clause
"""Import ExecuTorch's Cortex-M backend where the TOSA serializer is not installed.

``executorch.backends.cortex_m`` imports passes of ExecuTorch's Arm backend, and that imports
``tosa_serializer`` for names of operators and types, which nothing of the Cortex-M backend uses.
The package that has it, tosa-tools (``executorch[ethos-u]``), takes 200 MB and puts packages called
``tests``, ``runner`` and ``json2numpy`` into the environment. When, and only when, the real import
fails, it is replaced by a stub that has any name.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
import types
from functools import cache

MODULE = "tosa_serializer"


class _Name:
    """A name of the stub, and the names in it."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __getattr__(self, name: str) -> _Name:
        return _name(name, f"{self.path}.")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Name) and other.path == self.path

    def __hash__(self) -> int:
        return hash(self.path)

    def __or__(self, _: object) -> type:
        return object

    __ror__ = __or__


def _name(name: str, prefix: str = "") -> _Name:
    if name.startswith("__"):
        raise AttributeError(name)
    return _Name(prefix + name)


@cache
def ensure_tosa() -> bool:
    """Make ``import tosa_serializer`` work; return whether it is the real one."""
    try:
        importlib.import_module(MODULE)
    except ImportError:
        stub = types.ModuleType(MODULE)
        stub.__spec__ = importlib.machinery.ModuleSpec(MODULE, None)
        vars(stub)["__getattr__"] = _name
        sys.modules[MODULE] = stub
        return False
    return True
