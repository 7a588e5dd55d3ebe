# SPDX-License-Identifier: BSD-3-Clause
"""Correct biases: take off what quantization adds to a convolution's outputs on average.

Rounding errors of single samples vanish in the pools behind them. Errors that all samples share do
not: weights are rounded the same way every time, ranges are clipped on one side. The mean
difference to float over calibration windows goes into each channel's bias (Nagel et al. 2019,
arXiv:1906.04721, section 4.2), convolution by convolution, each seeing what the ones before it were
corrected to; of convolutions in a row, only the last one is corrected. Windows with the largest
differences are left out, because outliers would move all others.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantize.graph import reference
from quantize.graph.measures import evenly
from quantize.graph.qgraph import Conv, QGraph
from quantize.pt2e import naming

Array = NDArray[Any]

MAX_WINDOWS = 96
TRIM = 10
"""One in ten windows is left out on either side of the mean."""


def correct(
    graph: QGraph,
    float_graph: QGraph,
    windows: NDArray[np.float32],
    untouched: tuple[str, ...] = (),
) -> QGraph:
    """Return the int8 graph with corrected biases.

    Parameters
    ----------
    graph, float_graph
        The same network in int8 and in float; tensors of the same name are compared.
    windows
        (n, n_chans, n_times) float32, scaled; from the training part only.
    untouched
        Parts that are not corrected: a gate multiplies, and a mean says little about its error.
    """
    x = windows[evenly(len(windows), MAX_WINDOWS, down=True)]
    wanted = reference.trace(float_graph, x)
    constants = dict(graph.constants)
    corrected = replace(graph, constants=constants)
    values: dict[str, Array] = {graph.input: reference.to_input(graph, x)}
    for node in graph.nodes:
        if is_corrected(graph, node, untouched):
            assert isinstance(node, Conv)
            step_of = step(graph, node)
            got = node.accumulate(corrected, values[node.input]) * step_of
            ideal = wanted[node.output]
            if node.relu:
                got = np.maximum(got, 0)
            steps = np.rint(_trimmed_mean((ideal - got).mean((1, 2))) / step_of)
            bias = constants[f"{node.output}.bias"] + steps
            constants[f"{node.output}.bias"] = np.clip(bias, -(2**31), 2**31 - 1).astype(np.int32)
        values[node.output] = node.evaluate(corrected, values)
    return corrected


def step(graph: QGraph, node: Conv) -> Array:
    """What one step of a convolution's sums stands for, per channel."""
    scale: Array = graph.constants[f"{node.output}.weight_scale"]
    return scale * np.float32(graph.quant(node.input).scale)


def is_corrected(graph: QGraph, node: Any, untouched: tuple[str, ...]) -> bool:
    """Whether a convolution is int8, not untouched, and the last before something nonlinear.

    What a convolution hands to another one alone, that one takes off: a bias of its own would gain
    nothing (0.02 dB less on 16 models), and zeros are stored once for all that have them.
    """
    is_int8 = isinstance(node, Conv) and graph[node.output].quant is not None
    if not is_int8 or naming.within(node.output, untouched):
        return False
    readers = [reader for reader in graph.nodes if node.output in reader.inputs]
    return node.relu or len(readers) != 1 or not is_corrected(graph, readers[0], untouched)


def _trimmed_mean(differences: Array) -> Array:
    """Mean over windows (n, n_channels) without the extremes of each channel."""
    cut = len(differences) // TRIM
    return np.asarray(np.sort(differences, axis=0)[cut : len(differences) - cut].mean(0))
