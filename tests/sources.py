# SPDX-License-Identifier: BSD-3-Clause
"""What targets write from, made of graphs alone or of a network that was quantized by hand."""

from __future__ import annotations

from torch import nn
from torch.fx import Graph, GraphModule

from edge.targets.base import Lowered, Sources
from quantize.graph.qgraph import QGraph
from quantize.pipeline import Quantized


def of_graphs(
    floats: QGraph, integers: QGraph | None = None, ch_names: tuple[str, ...] = ()
) -> Sources:
    """For targets that read nothing but a graph: PyTorch's forms compute nothing."""
    lowered = Lowered(floats, nn.Identity(), ch_names)
    if integers is None:
        return Sources(lowered)
    return Sources(lowered, Quantized(integers, GraphModule(nn.Module(), Graph()), floats, {}))


def of_network(net: nn.Module, floats: QGraph, integers: QGraph, converted: GraphModule) -> Sources:
    """For every target; ``integers`` was extracted from ``converted``."""
    return Sources(Lowered(floats, net), Quantized(integers, converted, floats, {}))
