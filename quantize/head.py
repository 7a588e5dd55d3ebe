"""The logits' range: that of the sums which int8 really gives, on calibration windows.

What float says about outlier windows is no guide: their inputs saturate in int8, and so the sums of
the head stay far below. A range for float's logits wastes half of the 256 steps on some networks.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch.fx import GraphModule

from quantize import naming, reference
from quantize.arithmetic import INT8_MAX, INT8_MIN
from quantize.qgraph import QGraph, Quant


def fit(graph: QGraph, windows: NDArray[np.float32]) -> QGraph:
    """The int8 graph, its logits quantized for the sums on ``windows``.

    Parameters
    ----------
    graph
        With its final weights and biases.
    windows
        (n, n_chans, n_times) float32, scaled; from the training part only. All are run: what
        matters is the largest sum.
    """
    sums = reference.run(graph, windows).unrounded
    low, high = min(float(sums.min()), 0.0), max(float(sums.max()), 0.0)
    if low == high:
        return graph
    scale = float(np.float32((high - low) / (INT8_MAX - INT8_MIN)))
    quant = Quant(scale, int(np.clip(np.rint(INT8_MIN - low / scale), INT8_MIN, INT8_MAX)))
    same = {graph.head.output, graph.output}
    tensors = (replace(t, quant=quant) if t.name in same else t for t in graph.tensors)
    return replace(graph, tensors=tuple(tensors))


def write_back(qdq: GraphModule, graph: QGraph) -> None:
    """Give PyTorch's Q/DQ graph the same logits."""
    names = naming.names(qdq.graph.nodes)
    quant = graph.quant(graph.output)
    node = next(node for node, name in names.items() if name == graph.head.output)
    assert node.target is torch.ops.aten.conv2d.default
    while node.op != "output":
        node = next(iter(node.users))
        if node.op == "call_function" and not naming.is_compute(node):
            node.args = (node.args[0], quant.scale, quant.zero_point, *node.args[3:])
    qdq.recompile()
