# SPDX-License-Identifier: BSD-3-Clause
"""Take a trained EEG decoder to the device that is worn; :mod:`edge.api` has the functions."""

from __future__ import annotations

from edge.patches import torch_import

torch_import.install()  # so that braindecode can be imported beside a CPU build of torch

__all__ = ["bench", "export", "load", "run", "train", "verify"]

TYPE_CHECKING = False  # typing takes longer to import than everything here together
if TYPE_CHECKING:
    from typing import Any

    from benchmarks.api import bench
    from edge.api import export, load, run, train, verify
else:  # hidden from type checkers, which would take any name for granted

    def __getattr__(name: str) -> Any:
        """Import the API when it is first used, so that ``import edge`` stays light."""
        if name not in __all__:
            raise AttributeError(f"module 'edge' has no attribute {name!r}")
        from edge import api
        from quantize import plugins

        if hasattr(api, name):
            return getattr(api, name)
        return plugins.load("edge.api", name, "function")  # of a package above this one


def __dir__() -> list[str]:
    return [*globals(), *__all__]
