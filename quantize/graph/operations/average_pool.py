# SPDX-License-Identifier: BSD-3-Clause
"""The operation ``average_pool``: the mean over a window of samples."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from quantize.graph.arithmetic import divide_rounding, multiply, quantize_multiplier, saturate
from quantize.graph.operations.base import Node, Reach, Shape, Sums, Values
from quantize.graph.operations.sliding import positions, taps
from quantize.graph.tensors import Array

if TYPE_CHECKING:
    from quantize.graph.qgraph import QGraph

POOL_WEIGHT = 127
"""Weights of a requantizing pool. With weights 1 the multiplier lies near 1 and its shift is one or
two bits, and rounding twice then errs by a step in up to a quarter of the values."""


@dataclass(frozen=True)
class AveragePool(Node):
    """The mean over ``length`` samples every ``stride``, over whole windows only.

    With equal quantization before and after it is TFLite's AVERAGE_POOL_2D (rounded mean of the
    stored values); otherwise it is a depthwise convolution with weights :data:`POOL_WEIGHT` of
    scale ``1 / (POOL_WEIGHT * length)``.
    """

    length: int
    stride: int

    kind: ClassVar[str] = "average_pool"
    names: ClassVar[tuple[str, ...]] = ("average_pool", "requantized_average_pool")
    reach: ClassVar[Reach] = "neighbourhood"

    @property
    def weight_scale(self) -> np.float32:
        """The scale of the weights where the pool requantizes."""
        return np.float32(1 / (POOL_WEIGHT * self.length))

    def requantizes(self, graph: QGraph) -> bool:
        """Return whether the quantization differs before and after it."""
        return graph[self.input].quant != graph[self.output].quant

    def needs(self, graph: QGraph) -> str:
        """Return whether it is a pool or a convolution to a runtime."""
        return "requantized_average_pool" if self.requantizes(graph) else "average_pool"

    def output_shape(self, graph: QGraph) -> Shape:
        """Return a position for every whole window."""
        _, _, n_times, n_chans = graph[self.input].shape
        return (1, 1, positions(self.output, n_times, self.length, self.stride), n_chans)

    def macs(self, graph: QGraph) -> int:
        """Return one for every value that is added."""
        return math.prod(graph[self.output].shape) * self.length

    def kernel(self, graph: QGraph) -> tuple[int, int, int]:
        """Return length and stride; nothing is padded."""
        return self.length, self.stride, 0

    def sums(self, graph: QGraph) -> Sums | None:
        """Bound the sums, which are weighted where it requantizes and rounded where it does not."""
        if not self.requantizes(graph):
            return Sums(np.array([128 * self.length + self.length // 2]), np.zeros(0))
        return Sums(np.array([256 * POOL_WEIGHT * self.length]), np.array([self.factor(graph)]))

    def factor(self, graph: QGraph) -> float:
        """Return the real factor of the requantization."""
        source, target = graph.quant(self.input), graph.quant(self.output)
        return source.scale32 * float(self.weight_scale) / target.scale32

    def in_int8(self, graph: QGraph, values: Values) -> Array:
        """Divide the sums, or multiply them as a convolution's."""
        source, target = graph.quant(self.input), graph.quant(self.output)
        sums = self._sums_of(values[self.input].astype(np.int64))
        if source == target:
            return saturate(divide_rounding(sums, self.length))
        centred = POOL_WEIGHT * (sums - self.length * source.zero_point)
        factor = quantize_multiplier(self.factor(graph))
        return saturate(multiply(centred, *factor) + target.zero_point)

    def in_float(self, graph: QGraph, values: Values) -> Array:
        """Return the mean of every window."""
        return self._sums_of(values[self.input]) * np.float32(1 / self.length)

    def _sums_of(self, x: Array) -> Array:
        return functools.reduce(np.add, taps(x, self.length, self.stride))
