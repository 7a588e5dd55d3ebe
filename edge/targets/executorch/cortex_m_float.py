# SPDX-License-Identifier: BSD-3-Clause
"""Nodes that stay in float in an ExecuTorch program for Cortex-M, in PyTorch's own operators."""

from __future__ import annotations

from typing import Any

from quantize.graph.qgraph import (
    Activation,
    Arithmetic,
    AveragePool,
    Conv,
    LeakyRelu,
    Maximum,
    Mean,
    Multiply,
    Node,
    QGraph,
    Relu,
)


def in_float(net: Any, graph: QGraph, node: Node, inputs: list[Any]) -> Any:
    """Compute a node in float as PyTorch does; ExecuTorch has a portable kernel for each.

    ``net`` keeps constants, and ``inputs`` are (1, n_channels, 1, n_times) float32.
    """
    import torch
    from torch.nn import functional

    x = inputs[0]
    match node:
        case Conv():
            return _conv(net, graph, node, x)
        case AveragePool():
            return functional.avg_pool2d(x, (1, node.length), (1, node.stride))
        case Mean():
            return x.mean(3, keepdim=True)
        case Activation():
            where = functional if node.function in ("elu", "gelu") else torch
            return getattr(where, node.function)(x)
        case Relu():
            return torch.relu(x)
        case LeakyRelu():
            return functional.leaky_relu(x, node.slope)
        case Maximum():
            return torch.amax(x, {"time": 3, "channels": 1}[node.over], keepdim=True)
        case Multiply():
            return x * inputs[1]
        case Arithmetic():
            return getattr(torch, node.function)(x, inputs[1])
        case _:
            raise AssertionError(f"{node.kind} is not a float operation")


def _conv(net: Any, graph: QGraph, node: Conv, x: Any) -> Any:
    import torch

    weight = net.constant(f"{node.output}.weight", graph.float_weight(node))
    bias = net.constant(f"{node.output}.bias", graph.constants[f"{node.output}.bias"])
    order, groups = ((3, 0, 1, 2), weight.shape[3]) if node.depthwise else ((0, 3, 1, 2), 1)
    x = torch.nn.functional.pad(x, tuple(node.pad)) if any(node.pad) else x
    y = torch.conv2d(x, weight.permute(order), bias, [1, node.stride], groups=groups)
    return torch.relu(y) if node.relu else y
