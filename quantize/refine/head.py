# SPDX-License-Identifier: BSD-3-Clause
"""Give the logits 16 bits and the range of the sums that int8 really gives.

Eight bits would cost more than all the rest of some networks' rounding, and would let logits tie.
What float says about outlier windows is no guide to the range: their inputs saturate in int8, so
the sums of the head stay far below.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from quantize.graph import reference
from quantize.graph.arithmetic import INT8_MAX
from quantize.graph.qgraph import FINER, QGraph, Quant, with_logits


def widened(graph: QGraph) -> QGraph:
    """Widen int8 logits to int16 without changing their range."""
    quant = graph[graph.output].quant
    if quant is None or quant.bits == 16:
        return graph
    return with_logits(graph, Quant(quant.scale / FINER, 0, bits=16))


def fit(graph: QGraph, windows: NDArray[np.float32]) -> QGraph:
    """Quantize the logits of an int8 graph for the sums that they take on ``windows``.

    Their steps are not finer than those of the sums, so that a factor between the two is at most 1.

    Parameters
    ----------
    graph
        With its final weights and biases.
    windows
        (n, n_chans, n_times) float32, scaled; from the training part only. All are run: what
        matters is the largest sum.
    """
    if graph[graph.head.output].quant is None:
        return graph
    largest = np.abs(reference.run(graph, windows).unrounded).max()
    scale = max(largest / (FINER * INT8_MAX), graph.accumulator_scale().max())
    return with_logits(graph, Quant(float(np.float32(scale)), 0, bits=16))
