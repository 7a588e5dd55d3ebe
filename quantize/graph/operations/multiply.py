# SPDX-License-Identifier: BSD-3-Clause
"""The operation ``multiply``: the product of two tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from quantize.graph import arithmetic
from quantize.graph.arithmetic import quantize_multiplier, saturate
from quantize.graph.operations.base import Reach, Sums, Values
from quantize.graph.operations.binary import Binary
from quantize.graph.tensors import Array

if TYPE_CHECKING:
    from quantize.graph.qgraph import QGraph


@dataclass(frozen=True)
class Multiply(Binary):
    """The product of two tensors, the second broadcast to the first."""

    kind: ClassVar[str] = "multiply"
    names: ClassVar[tuple[str, ...]] = ("multiply",)
    reach: ClassVar[Reach] = "value"

    def sums(self, graph: QGraph) -> Sums | None:
        """Bound the product of two centred values."""
        return Sums(np.array([2**16]), np.array([self.factor(graph)]))

    def factor(self, graph: QGraph) -> float:
        """Return the real factor of the requantization."""
        a, b, target = (graph.quant(name) for name in (*self.inputs, self.output))
        return a.scale32 * b.scale32 / target.scale32

    def in_int8(self, graph: QGraph, values: Values) -> Array:
        """Multiply the centred values and requantize their product."""
        x, other = (
            values[name].astype(np.int64) - graph.quant(name).zero_point for name in self.inputs
        )
        factor = quantize_multiplier(self.factor(graph))
        scaled = arithmetic.multiply(x * other, *factor)
        return saturate(scaled + graph.quant(self.output).zero_point)

    def in_float(self, graph: QGraph, values: Values) -> Array:
        """Multiply."""
        return values[self.input] * values[self.other]
