# SPDX-License-Identifier: BSD-3-Clause
"""The operation ``reshape``: the same values under another shape."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from quantize.graph.operations.base import Node, Shape, Values, refuse
from quantize.graph.tensors import Array

if TYPE_CHECKING:
    from quantize.graph.qgraph import QGraph


@dataclass(frozen=True)
class Reshape(Node):
    """A tensor's values under another shape, with the same quantization."""

    kind: ClassVar[str] = "reshape"
    names: ClassVar[tuple[str, ...]] = ("reshape",)
    keeps_quant: ClassVar[bool] = True
    renames: ClassVar[bool] = True

    def output_shape(self, graph: QGraph) -> Shape:
        """Return the shape that the graph gives its output, which must hold as many values."""
        shape, own = graph[self.input].shape, graph[self.output].shape
        if math.prod(own) != math.prod(shape):
            refuse(self.output, f"{shape} cannot be reshaped to {own}")
        return own

    def in_int8(self, graph: QGraph, values: Values) -> Array:
        """Return the stored values."""
        x = values[self.input]
        return x.reshape(len(x), *graph[self.output].shape[1:])

    def in_float(self, graph: QGraph, values: Values) -> Array:
        """Return the values."""
        return self.in_int8(graph, values)
