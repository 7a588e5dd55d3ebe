# SPDX-License-Identifier: BSD-3-Clause
"""Lower to ExecuTorch without two searches that take more than half of its time.

XNNPACK looks for bilinear upsampling and for scaled dot product attention, and traces and
lowers a network of each, with variants, to know what they look like: four lowerings beside the one
that is wanted. A program that has neither resampling nor softmax cannot hold what they look for.
Each decomposition also lists PyTorch's composite operators anew, in every namespace, though nothing
registers operators meanwhile. The bytes of the program are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from unittest import mock

PATTERNS = {
    "ConvertToUpsampleBilinear2d": ("upsample", "interpolate", "index"),
    "ConvertToSDPAPass": ("softmax", "scaled_dot_product"),
}
"""XNNPACK's passes that search, and a part of the name of every operation that they could find."""


@contextmanager
def lean_lowering(operations: Iterable[str]) -> Iterator[None]:
    """Leave out what cannot be found in a program, inside the block.

    Parameters
    ----------
    operations
        Names of the program's operations.
    """
    from executorch.backends.xnnpack import _passes
    from torch._export import utils

    idle = idle_passes(operations)
    with (
        mock.patch.multiple(_passes, **dict.fromkeys(idle, _nothing_to_find())),
        mock.patch.object(utils, "_materialize_cpp_cia_ops", cache(utils._materialize_cpp_cia_ops)),
    ):
        yield


def idle_passes(operations: Iterable[str]) -> tuple[str, ...]:
    """Name the passes that find nothing among these operations."""
    names = tuple(operations)
    return tuple(
        pass_name
        for pass_name, parts in PATTERNS.items()
        if not any(part in name for name in names for part in parts)
    )


@cache
def _nothing_to_find() -> type[Any]:
    """Return a pass that leaves a program as it is."""
    from executorch.exir.pass_base import ExportPass
    from torch.fx.passes.infra.pass_base import PassResult

    class NothingToFind(ExportPass):  # type: ignore[misc]  # untyped base
        def call(self, graph_module: Any) -> Any:
            return PassResult(graph_module, False)

    return NothingToFind
