# SPDX-License-Identifier: BSD-3-Clause
"""Import braindecode where torchaudio's native part cannot be loaded.

braindecode imports torchaudio. PyPI's Linux wheel of torchaudio is linked against CUDA and fails to
load beside a CPU build of torch, though braindecode needs none of its native functions. When, and
only when, the real import fails, its extension module is replaced by a stub that says that the
native parts are absent.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from functools import cache
from pathlib import Path
from typing import Any


@cache
def ensure_torchaudio() -> bool:
    """Make ``import torchaudio`` work; True with its native extension, False with the stub."""
    try:
        import torchaudio  # noqa: F401  (the import itself is the test)
    except (ImportError, OSError):
        _import_with_stub()
        return False
    return True


def _import_with_stub() -> None:
    spec = importlib.util.find_spec("torchaudio")
    if spec is None or not spec.submodule_search_locations:
        return  # not installed at all: braindecode's own error names it
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchaudio"]:
        del sys.modules[name]

    def unchanged(function: Any) -> Any:
        return function

    stub = types.ModuleType("torchaudio._extension")
    stub.__path__ = [str(Path(spec.submodule_search_locations[0]) / "_extension")]
    vars(stub).update(
        _IS_TORCHAUDIO_EXT_AVAILABLE=False,
        _IS_ALIGN_AVAILABLE=False,
        fail_if_no_align=unchanged,
    )
    sys.modules["torchaudio._extension"] = stub
    importlib.import_module("torchaudio")
