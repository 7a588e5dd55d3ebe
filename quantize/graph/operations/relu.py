# SPDX-License-Identifier: BSD-3-Clause
"""The operation ``relu``: a clamp at zero that no convolution computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from quantize.graph.operations.base import Node, Reach, Shape, Values
from quantize.graph.tensors import Array

if TYPE_CHECKING:
    from quantize.graph.qgraph import QGraph


@dataclass(frozen=True)
class Relu(Node):
    """The function ``max(x, 0)`` where no convolution computes it; it keeps its input's scale."""

    kind: ClassVar[str] = "relu"
    names: ClassVar[tuple[str, ...]] = ("relu",)
    reach: ClassVar[Reach] = "value"
    keeps_quant: ClassVar[bool] = True

    def output_shape(self, graph: QGraph) -> Shape:
        """Return its input's shape."""
        return graph[self.input].shape

    def in_int8(self, graph: QGraph, values: Values) -> Array:
        """Clamp at the integer that stands for zero."""
        return np.maximum(values[self.input], np.int8(graph.quant(self.input).zero_point))

    def in_float(self, graph: QGraph, values: Values) -> Array:
        """Clamp at zero."""
        return np.maximum(values[self.input], np.float32(0))
