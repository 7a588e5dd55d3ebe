# SPDX-License-Identifier: BSD-3-Clause
"""Quantize a lowered network: calibration windows go in, the integer graph comes out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from torch import nn
from torch.fx import GraphModule

from quantize.graph.qgraph import QGraph
from quantize.pt2e import ptq, qdq
from quantize.pt2e.extract import extract
from quantize.recipe import Recipe
from quantize.refine import correction, head, ranges
from quantize.refine.equalize import equalize, mixed_pair
from quantize.refine.ranges import Percentiles


@dataclass(frozen=True, eq=False)
class Quantized:
    """The results of quantization: the integer graph and PyTorch's form of it.

    Attributes
    ----------
    graph
        The integer graph that targets are written from.
    converted
        PyTorch's graph that it was extracted from, before biases and logits were settled.
    float_graph
        The network before rounding, equalized: its tensors are what the integers stand for.
    percentiles
        What was found for the range of every tensor; empty where the recipe has one for all.
    gates
        The network's parts that multiply what flows past them.
    """

    graph: QGraph
    converted: GraphModule
    float_graph: QGraph
    percentiles: Percentiles
    gates: tuple[str, ...] = ()

    @cached_property
    def qdq(self) -> GraphModule:
        """PyTorch's form of the integer graph, for targets that lower PyTorch graphs."""
        return qdq.derive(self.converted, self.graph, self.gates)


def quantize(
    net: nn.Module,
    windows: NDArray[np.float32],
    recipe: Recipe,
    percentiles: Percentiles | None = None,
) -> Quantized:
    """Equalize, observe, choose ranges, convert, extract and correct, as the recipe says.

    Parameters
    ----------
    net
        Lowered network in float32, (batch, n_chans, 1, n_times) -> (batch, n_outputs). Its
        ``gates``, where it has them, name parts that multiply what flows past them.
    windows
        (n_windows, n_chans, n_times) float32, scaled; from the training part only.
    percentiles
        What an earlier call found for the same network and windows; saves finding it again.
    """
    gates: tuple[str, ...] = getattr(net, "gates", ())
    balanced, float_graph = net, extract(ptq.trace(net, *windows.shape[1:]))
    if recipe.equalize and (pair := mixed_pair(float_graph)) is not None:
        balanced = equalize(net, windows, pair)
        float_graph = extract(ptq.trace(balanced, *windows.shape[1:]))
    observed = ptq.observe(balanced, windows, recipe)
    if percentiles is None:
        percentiles = ranges.choose(observed, float_graph, windows) if recipe.fit_ranges else {}
    ranges.apply(observed, percentiles)
    converted = ptq.convert(observed)
    graph = extract(converted)
    if recipe.correct_bias:
        graph = correction.correct(graph, float_graph, windows, gates)
    return Quantized(head.fit(graph, windows), converted, float_graph, percentiles, gates)
