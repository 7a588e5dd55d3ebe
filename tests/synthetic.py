# SPDX-License-Identifier: BSD-3-Clause
"""Networks of any shape made of random numbers in numpy, without PyTorch, in milliseconds.

The same nodes as a lowered and quantized ``AttentionBaseNet``; scales are chosen so that no tensor
saturates and none is empty.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantize.graph import reference
from quantize.graph.qgraph import (
    Activation,
    AveragePool,
    Conv,
    Mean,
    Multiply,
    Node,
    QGraph,
    Quant,
    Reshape,
    Tensor,
    with_logits,
)
from quantize.graph.streaming import all_windows

LOGIT_SCALE = 2.0**-11


@dataclass(frozen=True)
class Shape:
    """What a synthetic network looks like."""

    n_chans: int = 3
    n_times: int = 120
    n_mixed: int = 5
    length: int = 9
    pool: int = 20
    stride: int = 5
    n_tokens: int = 4
    second: int = 5
    block_pool: int = 2
    n_outputs: int = 3
    gate: bool = True

    @property
    def pooled(self) -> int:
        """Tokens behind the first pool."""
        return (self.n_times + 2 * (self.length // 2) - self.length + 1 - self.pool) // (
            self.stride
        ) + 1

    @property
    def possible(self) -> bool:
        """Whether there is anything behind either pool."""
        filtered = self.n_times + 2 * (self.length // 2) - self.length + 1
        second = self.pooled + 2 * (self.second // 2) - self.second + 1
        return filtered >= self.pool and self.pooled >= 1 and second >= self.block_pool


class _Maker:
    """Nodes, tensors and constants in the making; ``int8`` decides the type of all of them."""

    def __init__(self, int8: bool, seed: int) -> None:
        self.int8 = int8
        self.rng = np.random.default_rng(seed)
        self.nodes: list[Node] = []
        self.tensors: list[Tensor] = []
        self.constants: dict[str, NDArray[Any]] = {}

    def tensor(self, name: str, shape: tuple[int, ...], like: str | None = None) -> str:
        scale = float(np.float32(self.rng.uniform(0.02, 0.04)))
        quant = Quant(scale, int(self.rng.integers(-40, 40)))
        if like is not None:
            quant = next(t.quant for t in self.tensors if t.name == like) or quant
        self.tensors.append(Tensor(name, shape, quant if self.int8 else None))
        return name

    def add(self, node: Node, n: int, channels: int, like: str | None = None) -> str:
        self.nodes.append(node)
        return self.tensor(node.output, (1, 1, n, channels), like)

    def conv(
        self, name: str, source: str, n: int, outputs: int, length: int = 1, depthwise: bool = False
    ) -> str:
        """A convolution with weights that keep the variance about what it is."""
        inputs = next(t.shape[-1] for t in self.tensors if t.name == source)
        shape = (1, 1, length, outputs) if depthwise else (outputs, 1, length, inputs)
        fan_in = length if depthwise else length * inputs
        weight = self.rng.normal(0, fan_in**-0.5, shape)
        bias = self.rng.normal(0, 0.3, outputs)
        pad = (length // 2, length // 2) if depthwise else (0, 0)
        made = self.add(Conv(name, source, depthwise, 1, pad, False), n, outputs)
        if not self.int8:
            self.constants[f"{name}.weight"] = weight.astype(np.float32)
            self.constants[f"{name}.bias"] = bias.astype(np.float32)
            return made
        axes = (0, 1, 2) if depthwise else (1, 2, 3)
        scale = (np.abs(weight).max(axes) / 127).astype(np.float32)
        per_output = scale if depthwise else scale[:, None, None, None]
        source_scale = next(t.quant.scale for t in self.tensors if t.name == source and t.quant)
        self.constants[f"{name}.weight"] = np.rint(weight / per_output).astype(np.int8)
        self.constants[f"{name}.weight_scale"] = scale
        self.constants[f"{name}.bias"] = np.rint(bias / (scale * source_scale)).astype(np.int32)
        return made


def network(shape: Shape, int8: bool = True, seed: int = 0) -> QGraph:
    """A random network; float32 or int8."""
    make, s = _Maker(int8, seed), shape
    x = make.tensor("x", (1, 1, s.n_times, s.n_chans))
    n = s.n_times + 2 * (s.length // 2) - s.length + 1
    x = make.conv("mix", x, s.n_times, s.n_mixed)
    x = make.conv("temporal", x, n, s.n_mixed, s.length, depthwise=True)
    x = make.add(Activation("temporal_act", x, "elu"), n, s.n_mixed)
    block = math.gcd(s.pool, s.stride)
    if block in (1, s.pool):
        x = make.add(AveragePool("stem_pool", x, s.pool, s.stride), s.pooled, s.n_mixed)
    else:
        n_blocks = (n - block) // block + 1
        x = make.add(AveragePool("stem_pool.blocks", x, block, block), n_blocks, s.n_mixed)
        windows = AveragePool("stem_pool.windows", x, s.pool // block, s.stride // block)
        x = make.add(windows, s.pooled, s.n_mixed)
    x = make.conv("expand", x, s.pooled, s.n_tokens)
    x = make.add(Activation("expand_act", x, "elu"), s.pooled, s.n_tokens)
    n = s.pooled + 2 * (s.second // 2) - s.second + 1
    x = make.conv("depthwise", x, n, s.n_tokens, s.second, depthwise=True)
    x = make.conv("pointwise", x, n, s.n_tokens)
    x = make.add(Activation("pointwise_act", x, "elu"), n, s.n_tokens)
    if s.gate:
        mean = make.add(Mean("gate.mean", x), 1, s.n_tokens)
        gate = make.conv("gate.conv", mean, 1, s.n_tokens)
        gate = make.add(Activation("gate.sigmoid", gate, "sigmoid"), 1, s.n_tokens)
        x = make.add(Multiply("gate.mul", x, gate), n, s.n_tokens)
    pooled = (n - s.block_pool) // s.block_pool + 1
    x = make.add(AveragePool("block_pool", x, s.block_pool, s.block_pool), pooled, s.n_tokens)
    x = make.conv("head", x, 1, s.n_outputs, pooled)
    make.nodes.append(Reshape("logits", x))
    make.tensor("logits", (1, s.n_outputs), like=x)
    made = QGraph("x", "logits", tuple(make.tensors), tuple(make.nodes), make.constants)
    return with_logits(made, Quant(LOGIT_SCALE, 0, bits=16)) if int8 else made


def windowed(graph: QGraph, hop: int, x: NDArray[np.generic]) -> reference.Logits:
    """The reference on every window of a signal (n, n_chans)."""
    windows = np.swapaxes(all_windows(x, graph[graph.input].shape[2], hop), 1, 2)
    quant = graph[graph.input].quant
    return reference.run(graph, windows if quant is None else reference.dequantize(windows, quant))
