# SPDX-License-Identifier: BSD-3-Clause
"""PyTorch's Q/DQ form of a finished integer graph, for the one target that lowers PyTorch graphs.

PyTorch's conversion leaves float operations between quantize and dequantize nodes. What was decided
about the integers after it (biases that take off a mean error, the range of the logits) is known to
the :class:`~quantize.graph.qgraph.QGraph` alone, and is written into a copy here, once, at the end.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.fx import GraphModule, Node

from quantize.graph.qgraph import Array, Conv, QGraph
from quantize.pt2e import naming
from quantize.refine import correction


def derive(converted: GraphModule, graph: QGraph, untouched: tuple[str, ...] = ()) -> GraphModule:
    """Return a copy of PyTorch's graph that computes with the integer graph's biases and logits.

    Parameters
    ----------
    converted
        What ``graph`` was extracted from.
    graph
        The integer graph in its final state.
    untouched
        Parts whose biases were not corrected.
    """
    qdq = copy.deepcopy(converted)
    names = naming.names(qdq.graph.nodes)
    _write_biases(qdq, graph, names, untouched)
    _write_logits(graph, names)
    qdq.graph.eliminate_dead_code()
    qdq.recompile()
    return qdq


def _write_biases(
    qdq: GraphModule, graph: QGraph, names: dict[Node, str], untouched: tuple[str, ...]
) -> None:
    """Give every corrected convolution the bias of the integer graph, in float."""
    convolutions = {node.output: node for node in graph.nodes if isinstance(node, Conv)}
    for node, name in names.items():
        conv = convolutions.get(name)
        is_conv = node.target is torch.ops.aten.conv2d.default
        if is_conv and conv is not None and correction.is_corrected(graph, conv, untouched):
            bias = graph.constants[f"{name}.bias"] * correction.step(graph, conv)
            _set_bias(qdq, node, f"corrected_{name.replace('.', '_')}", bias.astype(np.float32))


def _set_bias(qdq: GraphModule, node: Any, attribute: str, bias: Array) -> None:
    parameter = torch.nn.Parameter(torch.from_numpy(bias), requires_grad=False)
    qdq.register_parameter(attribute, parameter)
    arguments: Sequence[Any] = (*node.args, None)[: max(len(node.args), 3)]
    with qdq.graph.inserting_before(node):
        get = qdq.graph.get_attr(attribute)
    get.meta["val"] = parameter
    node.args = (*arguments[:2], get, *arguments[3:])


def _write_logits(graph: QGraph, names: dict[Node, str]) -> None:
    """Give the conversions behind the head the scale and type of the integer graph's logits."""
    quant = graph[graph.output].quant
    if quant is None:
        return
    stored = (quant.scale, quant.zero_point, *quant.limits, getattr(torch, quant.dtype.name))
    node = next(node for node, name in names.items() if name == graph.head.output)
    if node.target is not torch.ops.aten.conv2d.default:
        raise ValueError(f"{graph.head.output!r} is no convolution in PyTorch's graph")
    while node.op != "output":
        node = next(iter(node.users))
        if node.op == "call_function" and not naming.is_compute(node):
            node.args = (node.args[0], *stored)
