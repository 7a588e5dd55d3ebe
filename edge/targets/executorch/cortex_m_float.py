# SPDX-License-Identifier: BSD-3-Clause
"""Nodes that stay in float in an ExecuTorch program for Cortex-M, in PyTorch's own operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from quantize.graph.qgraph import (
    Activation,
    Arithmetic,
    AveragePool,
    Conv,
    LeakyRelu,
    Maximum,
    MaxPool,
    Node,
    QGraph,
)


def in_float(net: Any, graph: QGraph, node: Node, inputs: list[Any]) -> Any:
    """Compute a node in float as PyTorch does; ExecuTorch has a portable kernel for each.

    ``net`` keeps constants, and ``inputs`` are (1, n_channels, 1, n_times) float32.
    """
    if isinstance(node, Conv):
        return _conv(net, graph, node, inputs[0])
    return WRITERS[node.kind](node, *inputs)


def _conv(net: Any, graph: QGraph, node: Conv, x: Any) -> Any:
    import torch

    weight = net.constant(f"{node.output}.weight", graph.float_weight(node))
    bias = net.constant(f"{node.output}.bias", graph.constants[f"{node.output}.bias"])
    order, groups = ((3, 0, 1, 2), weight.shape[3]) if node.depthwise else ((0, 3, 1, 2), 1)
    x = torch.nn.functional.pad(x, tuple(node.pad)) if any(node.pad) else x
    y = torch.conv2d(x, weight.permute(order), bias, [1, node.stride], groups=groups)
    return torch.relu(y) if node.relu else y


def _activation(node: Activation, x: Any) -> Any:
    import torch

    where = torch.nn.functional if node.function in ("elu", "gelu") else torch
    return getattr(where, node.function)(x)


def _arithmetic(node: Arithmetic, x: Any, other: Any) -> Any:
    import torch

    return getattr(torch, node.function)(x, other)


def _average_pool(node: AveragePool, x: Any) -> Any:
    import torch

    return torch.nn.functional.avg_pool2d(x, (1, node.length), (1, node.stride))


def _max_pool(node: MaxPool, x: Any) -> Any:
    import torch

    return torch.nn.functional.max_pool2d(x, (1, node.length), (1, node.stride))


def _leaky_relu(node: LeakyRelu, x: Any) -> Any:
    import torch

    return torch.nn.functional.leaky_relu(x, node.slope)


def _maximum(node: Maximum, x: Any) -> Any:
    return x.amax({"time": 3, "channels": 1}[node.over], keepdim=True)


WRITERS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "activation": _activation,
        "arithmetic": _arithmetic,
        "average_pool": _average_pool,
        "leaky_relu": _leaky_relu,
        "max_pool": _max_pool,
        "maximum": _maximum,
        "mean": lambda _, x: x.mean(3, keepdim=True),
        "multiply": lambda _, x, other: x * other,
        "relu": lambda _, x: x.relu(),
    }
)
"""Functions from a node without constants and what it reads to its value, by its ``kind``."""
