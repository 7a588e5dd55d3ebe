# SPDX-License-Identifier: BSD-3-Clause
"""Name what a network may give beside its logits.

Each is a tensor that the graph has anyway, so that giving it out costs nothing but its copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantize.errors import IncompatibleError, UsageError, invalid_value
from quantize.graph.qgraph import LOGITS, QGraph
from quantize.graph.reference import dequantize

VALUES: Mapping[str, Callable[[QGraph], str]] = MappingProxyType(
    {
        LOGITS: lambda graph: graph.output,
        "features": lambda graph: graph.head.input,
    }
)
"""From a graph to the tensor of a value that may be given out; ``features`` is what the head reads,
braindecode's ``return_features=True``."""


def refuse(names: Iterable[str]) -> None:
    """Raise for an output that does not exist, or if the logits are missing.

    Raises
    ------
    UsageError
        With the names that there are.
    """
    for name in (names := tuple(names)):
        if name not in VALUES:
            raise UsageError(invalid_value("--outputs", name, tuple(VALUES)))
    if LOGITS not in names:
        raise UsageError(
            f"--outputs {','.join(names)} leaves the logits out, which decide and are measured. "
            f"Type: --outputs {','.join((LOGITS, *names))}"
        )


def give(graph: QGraph, names: Iterable[str]) -> QGraph:
    """Return the graph with values of :data:`VALUES` given out; logits always are."""
    wanted = set(names) - {LOGITS}
    return replace(graph, others={n: find(graph) for n, find in VALUES.items() if n in wanted})


def real(graph: QGraph, name: str, stored: NDArray[Any]) -> NDArray[np.float32]:
    """Return an output of n windows as float32 (n, n_values), in PyTorch's order."""
    quant = graph[graph.outputs[name]].quant
    return flat(stored if quant is None else dequantize(stored, quant))


def flat(values: NDArray[Any]) -> NDArray[np.float32]:
    """Flatten (n, 1, n_times, n_channels) to (n, n_channels * n_times), as PyTorch does."""
    turned = values.transpose(0, 3, 1, 2) if values.ndim == 4 else values
    return np.ascontiguousarray(turned, np.float32).reshape(len(values), -1)


def refuse_others(graph: QGraph, who: str) -> None:
    """Raise if something that gives logits only is asked for more.

    Raises
    ------
    IncompatibleError
        Naming what the graph gives, and what to type.
    """
    if graph.others:
        names = ", ".join(graph.others)
        raise IncompatibleError(
            f"{who} gives logits only, and this bundle was exported with {names} too. "
            f"Export it again without --outputs."
        )
