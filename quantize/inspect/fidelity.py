# SPDX-License-Identifier: BSD-3-Clause
"""Measure how well every tensor of the integer graph follows the float network.

Both see the same windows. What reaches a tensor holds the errors of everything before it, unlike in
:mod:`quantize.inspect.sensitivity`, which rounds one tensor at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantize.graph import reference
from quantize.graph.measures import evenly, sqnr_db
from quantize.graph.qgraph import Dequantize, QGraph, Quantize

Array = NDArray[Any]

MAX_WINDOWS = 32
"""Windows traced at most, spread evenly."""


@dataclass(frozen=True)
class TensorFidelity:
    """The SQNR of one tensor, ``10 log10(sum ref**2 / sum (ref - out)**2)``."""

    name: str
    sqnr_db: float | None


def measure(
    float_graph: QGraph, graph: QGraph, windows: NDArray[np.float32]
) -> tuple[TensorFidelity, ...]:
    """Measure every tensor that both graphs have, in the order of computation.

    Parameters
    ----------
    float_graph, graph
        The same network in float and in int8 (:func:`quantize.pipeline.quantize` gives both).
    windows
        (n, n_chans, n_times) float32, scaled.
    """
    some = windows[evenly(len(windows), MAX_WINDOWS, down=True)]
    wanted = reference.trace(float_graph, some)
    found = _real(graph, reference.trace(graph, some))
    return tuple(
        TensorFidelity(name, sqnr_db(wanted[name], found[name])) for name in wanted if name in found
    )


def _real(graph: QGraph, values: dict[str, Array]) -> dict[str, Array]:
    """Tensors in float under their own names; what is only converted stands for what it was."""
    conversions = {n.output for n in graph.nodes if isinstance(n, Quantize | Dequantize)}
    return {
        name: value if graph[name].quant is None else reference.dequantize(value, graph.quant(name))
        for name, value in values.items()
        if name not in conversions
    }
