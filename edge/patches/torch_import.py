# SPDX-License-Identifier: BSD-3-Clause
"""Let braindecode import torchaudio where torchaudio's native part cannot be loaded.

braindecode imports torchaudio and needs none of its native functions. PyPI's Linux wheel of
torchaudio (2.11 is the newest; there is none for torch 2.13) is linked against CUDA, so that beside
a CPU build of torch ``import braindecode`` ends with an OSError. :func:`install` puts a finder in
front of Python's own. It acts on one module only, when braindecode is what is being imported and
the native library has just failed to load; torchaudio then comes up as its own code does where its
wheel was built without that library.

It can go when PyPI has a torchaudio that loads beside the torch we pin, or when braindecode no
longer imports it.
"""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder

TYPE_CHECKING = (
    False  # every "import edge" waits for this module: typing and importlib.abc are slow
)
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.abc import Loader, MetaPathFinder
    from importlib.machinery import ModuleSpec
    from types import ModuleType
else:
    Loader = MetaPathFinder = object

EXTENSION = "torchaudio._extension"
"""The module of torchaudio that loads its native library."""
ASKER = "braindecode"


def install() -> None:
    """Add the finder, once; nothing is imported by this."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    """Finds :data:`EXTENSION` where Python does, and loads it with a way out."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != EXTENSION or ASKER not in sys.modules:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(Loader):
    """Runs a module, and where its library cannot be loaded, runs it as if there were none."""

    def __init__(self, real: Loader) -> None:
        self.real = real

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.real.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        try:
            self.real.exec_module(module)
        except (ImportError, OSError, RuntimeError):  # linked to CUDA, or to another torch
            utils = sys.modules.get(f"{EXTENSION}.utils")
            if utils is None:  # something else is wrong; torchaudio's own error says what
                raise
            load = vars(utils)["_load_lib"]
            vars(utils)["_load_lib"] = lambda _: False
            try:
                self.real.exec_module(module)
            finally:
                vars(utils)["_load_lib"] = load
