# SPDX-License-Identifier: BSD-3-Clause
"""The operation ``leaky_relu``: negative values are scaled down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from quantize.graph.arithmetic import multiply, quantize_multiplier, saturate
from quantize.graph.operations.base import Node, Reach, Shape, Sums, Values, refuse
from quantize.graph.tensors import Array

if TYPE_CHECKING:
    from quantize.graph.qgraph import QGraph

LARGEST_SLOPE = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class LeakyRelu(Node):
    """The function that is ``x`` where positive and ``slope * x`` where negative."""

    slope: float

    kind: ClassVar[str] = "leaky_relu"
    names: ClassVar[tuple[str, ...]] = ("leaky_relu",)
    reach: ClassVar[Reach] = "value"

    def output_shape(self, graph: QGraph) -> Shape:
        """Return its input's shape."""
        if not 0 <= self.slope <= LARGEST_SLOPE:
            refuse(self.output, f"its slope is {self.slope}; it must be a number from 0 on")
        return graph[self.input].shape

    def sums(self, graph: QGraph) -> Sums | None:
        """Bound the centred values; there are two factors."""
        ratio = graph.quant(self.input).scale32 / graph.quant(self.output).scale32
        return Sums(np.array([255, 255]), np.array([ratio, ratio * self.slope]))

    def in_int8(self, graph: QGraph, values: Values) -> Array:
        """Requantize with one of two factors, which TFLite rounds to float32 on the way."""
        source, target = graph.quant(self.input), graph.quant(self.output)
        centred = values[self.input].astype(np.int64) - source.zero_point
        ratio = float(np.float32(source.scale) / np.float32(target.scale))
        slope = float(np.float32(np.float32(source.scale) * np.float32(self.slope)))
        slope = float(np.float32(np.float32(slope) / np.float32(target.scale)))
        positive = multiply(centred, *quantize_multiplier(ratio))
        negative = multiply(centred, *quantize_multiplier(slope))
        return saturate(np.where(centred >= 0, positive, negative) + target.zero_point)

    def in_float(self, graph: QGraph, values: Values) -> Array:
        """Scale negative values."""
        x = values[self.input]
        return np.where(x >= 0, x, np.float32(self.slope) * x)
