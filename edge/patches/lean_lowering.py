# SPDX-License-Identifier: BSD-3-Clause
"""Lower to ExecuTorch without two searches that take more than half of its time.

XNNPACK looks for bilinear upsampling and for scaled dot product attention, and traces and
lowers a network of each, with variants, to know what they look like: four lowerings beside the one
that is wanted. A program that has neither resampling nor softmax cannot hold what they look for.
Each decomposition also lists PyTorch's composite operators anew, in every namespace, though nothing
registers operators meanwhile. The bytes of the program are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any

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

    idle = dict.fromkeys(idle_passes(operations), _nothing_to_find())
    once = cache(utils._materialize_cpp_cia_ops)
    with _replaced(_passes, idle), _replaced(utils, {"_materialize_cpp_cia_ops": once}):
        yield


@contextmanager
def _replaced(module: ModuleType, values: Mapping[str, Any]) -> Iterator[None]:
    """Give names of a module other values inside the block."""
    before = {name: getattr(module, name) for name in values}
    vars(module).update(values)
    try:
        yield
    finally:
        vars(module).update(before)


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
