# SPDX-License-Identifier: BSD-3-Clause
"""The operations ``quantize`` and ``dequantize``, which stand where float32 and int8 meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from quantize.graph import tensors
from quantize.graph.operations.base import Node, Reach, Shape, Values
from quantize.graph.tensors import Array

if TYPE_CHECKING:
    from quantize.graph.qgraph import QGraph


@dataclass(frozen=True)
class _Conversion(Node):
    """An operation that reads one type and writes the other, value by value."""

    names: ClassVar[tuple[str, ...]] = ()
    reach: ClassVar[Reach] = "value"

    def output_shape(self, graph: QGraph) -> Shape:
        """Return its input's shape."""
        return graph[self.input].shape

    def in_float(self, graph: QGraph, values: Values) -> Array:
        """Return the same: one of its two ends is int8 always."""
        return self.in_int8(graph, values)


@dataclass(frozen=True)
class Quantize(_Conversion):
    """The conversion of float32 to int8."""

    kind: ClassVar[str] = "quantize"
    converts: ClassVar[tuple[bool, bool] | None] = (False, True)

    def in_int8(self, graph: QGraph, values: Values) -> Array:
        """Round every value to an integer."""
        return tensors.quantize(values[self.input], graph.quant(self.output))


@dataclass(frozen=True)
class Dequantize(_Conversion):
    """The conversion of int8 to float32."""

    kind: ClassVar[str] = "dequantize"
    converts: ClassVar[tuple[bool, bool] | None] = (True, False)

    def in_int8(self, graph: QGraph, values: Values) -> Array:
        """Return every integer as what it stands for."""
        return tensors.dequantize(values[self.input], graph.quant(self.input))
