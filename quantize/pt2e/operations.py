# SPDX-License-Identifier: BSD-3-Clause
"""List PyTorch's operations that become one of a graph: how each is read, and its scale in int8.

A convolution is not among them; :mod:`quantize.pt2e.extract` reads it with its constants.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import torch
from torch.fx import Node as TorchNode

from quantize.graph.qgraph import (
    FLOAT_ONLY,
    Activation,
    Arithmetic,
    AveragePool,
    LeakyRelu,
    Maximum,
    MaxPool,
    Mean,
    Multiply,
    Node,
    Relu,
    Reshape,
)

aten = torch.ops.aten

Scale = Literal["own", "input", "pool"] | tuple[float, int]
"""What the integers of an output are scaled with: what calibration finds for it, the scale of what
it reads, either of the two by the length of a pool, or a fixed scale and zero point."""

Read = Callable[[str, Sequence[str], TorchNode], Node | None]
"""From the name of the output, the names of the inputs and PyTorch's node to ours; None where its
arguments are not among those that ours has."""


@dataclass(frozen=True)
class Reader:
    """How one of PyTorch's operations becomes one of a graph.

    Attributes
    ----------
    read
        What makes our node of PyTorch's.
    scale
        See :data:`Scale`.
    has_int8
        Whether it has an int8 form at all.
    """

    read: Read
    scale: Scale = "own"
    has_int8: bool = True


def time(pair: Any) -> int:
    """Return the time component of a (1, n) pair."""
    return int(pair[-1])


def _average_pool(name: str, sources: Sequence[str], node: TorchNode) -> Node:
    return AveragePool(name, sources[0], time(node.args[1]), time(node.args[2]))


def _max_pool(name: str, sources: Sequence[str], node: TorchNode) -> Node | None:
    return MaxPool(name, sources[0], time(node.args[1]), time(node.args[2]))


def _mean(name: str, sources: Sequence[str], node: TorchNode) -> Node | None:
    return Mean(name, sources[0]) if node.args[1] == [2, 3] else None


def _relu(name: str, sources: Sequence[str], _: TorchNode) -> Node:
    return Relu(name, sources[0])


def _leaky_relu(name: str, sources: Sequence[str], node: TorchNode) -> Node:
    slope: Any = node.args[1] if len(node.args) > 1 else 0.01
    return LeakyRelu(name, sources[0], float(np.float32(slope)))


def _multiply(name: str, sources: Sequence[str], _: TorchNode) -> Node:
    return Multiply(name, sources[0], sources[-1])


def _maximum(name: str, sources: Sequence[str], node: TorchNode) -> Node:
    return Maximum(name, sources[0], "channels" if node.args[1] == [1] else "time")


def _reshape(name: str, sources: Sequence[str], _: TorchNode) -> Node:
    return Reshape(name, sources[0])


def _activation(function: Any, scale: Scale = "own") -> Reader:
    def read(name: str, sources: Sequence[str], _: TorchNode) -> Node:
        return Activation(name, sources[0], function)

    return Reader(read, scale, function not in FLOAT_ONLY)


def _arithmetic(function: Any) -> Reader:
    def read(name: str, sources: Sequence[str], node: TorchNode) -> Node | None:
        if len(sources) != 2 or node.kwargs:
            return None
        return Arithmetic(name, sources[0], sources[1], function)

    return Reader(read, has_int8=function not in FLOAT_ONLY)


READERS: Mapping[Any, Reader] = MappingProxyType(
    {
        aten.add.Tensor: _arithmetic("add"),
        aten.amax.default: Reader(_maximum, "input"),
        aten.avg_pool2d.default: Reader(_average_pool, "pool"),
        aten.div.Tensor: _arithmetic("div"),
        aten.elu.default: _activation("elu"),
        aten.exp.default: _activation("exp"),
        aten.flatten.using_ints: Reader(_reshape, "input"),
        aten.gelu.default: _activation("gelu"),
        aten.leaky_relu.default: Reader(_leaky_relu),
        aten.log.default: _activation("log"),
        aten.max_pool2d.default: Reader(_max_pool, "input"),
        aten.mean.dim: Reader(_mean),
        aten.mul.Tensor: Reader(_multiply),
        aten.relu.default: Reader(_relu, "input"),
        aten.reshape.default: Reader(_reshape, "input"),
        aten.sigmoid.default: _activation("sigmoid", (1 / 256, -128)),
        aten.sqrt.default: _activation("sqrt"),
        aten.sub.Tensor: _arithmetic("sub"),
        aten.tanh.default: _activation("tanh", (1 / 128, 0)),
        aten.view.default: Reader(_reshape, "input"),
    }
)
"""Readers by PyTorch's operation."""
