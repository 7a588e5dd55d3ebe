# SPDX-License-Identifier: BSD-3-Clause
"""Give named values of a :class:`QGraph` out of PyTorch's form of the same network."""

from __future__ import annotations

import copy

from torch.fx import GraphModule, Node
from torch.fx.graph import CodeGen

from quantize.graph.qgraph import QGraph
from quantize.pt2e import naming


def give(module: GraphModule, graph: QGraph) -> GraphModule:
    """Return a copy that gives (logits, *others) as the graph does, or the module for logits alone.

    Parameters
    ----------
    module
        What ``graph`` was extracted from, in float or between quantize and dequantize nodes.
    """
    if not graph.others:
        return module
    tapped = copy.deepcopy(module)
    end = tapped.graph.output_node()
    (logits,) = end.all_input_nodes
    others = (_value(tapped, graph, tensor) for tensor in graph.others.values())
    end.args = ((logits, *others),)
    tapped.graph.set_codegen(CodeGen())  # a plain tuple, where there was one value's tree
    tapped.recompile()
    return tapped


def _value(module: GraphModule, graph: QGraph, tensor: str) -> Node:
    """The node whose value a tensor is, in float: dequantized where it was rounded to int8."""
    nodes = {name: node for node, name in naming.names(module.graph.nodes).items()}
    source = tensor.removesuffix(".int8").removesuffix(".float")  # as extract calls conversions
    node = nodes[source]
    if source == tensor and graph[tensor].quant is None:
        return node
    for step in ("quantize_per_tensor", "dequantize_per_tensor"):
        node = next(user for user in node.users if step in str(user.target))
    with module.graph.inserting_after(node):  # of its own: delegates cannot give out what is read
        return module.graph.node_copy(node)
