# SPDX-License-Identifier: BSD-3-Clause
"""Find the operation that first gives NaN or infinity, and on how many windows it does.

A gate divides and takes exponentials, so weights that are all finite can still give 0 / 0 or
infinity on some windows. A network that is not a number there would decide for the first class in
silence.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.errors import AccuracyError
from quantize.graph import reference
from quantize.graph.qgraph import QGraph

Windows = NDArray[np.float32]


def broken(logits: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which windows (n,) have logits (n, n_outputs) that are not finite."""
    return np.asarray(~np.isfinite(logits).all(1), bool)


def refuse(graph: QGraph, windows: Windows, where: NDArray[np.bool_], what: str) -> None:
    """Raise if the network gives NaN or infinity.

    Parameters
    ----------
    graph
        The network, float or in int8.
    windows
        (n, n_chans, n_times) float32, scaled.
    where
        (n,) whether it is none on a window, by whatever form of the network.
    what
        Which windows, and in which form: ``held-out windows``.

    Raises
    ------
    AccuracyError
        Naming the operation that begins it.
    """
    if not where.any():
        return
    first = int(where.argmax())
    found = culprit(graph, windows[first : first + 1])
    raise AccuracyError(
        f"The network is not a number on {int(where.sum())} of {len(windows)} {what}, the first "
        f"of them number {first}: {found or 'PyTorch makes it so'}. Nothing was written. Leave out "
        f"windows that are much louder than the others, or train the model again."
    )


def culprit(graph: QGraph, windows: Windows) -> str | None:
    """Name the first operation whose values are not finite; None if all are."""
    values = reference.trace(graph, windows)
    for node in graph.nodes:
        value = values[node.output]
        if not np.isfinite(value).all():
            kind = "NaN" if np.isnan(value).any() else "infinite"
            return f"{node.output} ({node.needs(graph)}) is {kind}"
    return None
