# SPDX-License-Identifier: BSD-3-Clause
"""The operation ``arithmetic``: the sum, difference or quotient of two tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from quantize.graph.arithmetic import Int64, multiply, quantize_multiplier, saturate
from quantize.graph.operations.base import FLOAT_ONLY, Reach, Sums, Values
from quantize.graph.operations.binary import Binary
from quantize.graph.tensors import Array

if TYPE_CHECKING:
    from quantize.graph.qgraph import QGraph

HEAD_ROOM = 20
"""Bits by which both values are shifted to the left before they are brought to one scale."""

FUNCTIONS: Mapping[str, Callable[[Any, Any], Any]] = MappingProxyType(
    {"add": np.add, "sub": np.subtract, "div": np.divide}
)

Factor = tuple[Int64, Int64]
"""A multiplier and its shift."""


@dataclass(frozen=True)
class Arithmetic(Binary):
    """The sum, difference or quotient of two tensors, the second broadcast to the first.

    Quotients are float only.
    """

    function: Literal["add", "sub", "div"]

    kind: ClassVar[str] = "arithmetic"
    names: ClassVar[tuple[str, ...]] = tuple(FUNCTIONS)
    reach: ClassVar[Reach] = "value"

    @property
    def without_int8(self) -> str:
        """``div``, if that is the function."""
        return self.function if self.function in FLOAT_ONLY else ""

    def needs(self, graph: QGraph) -> str:
        """Return the function."""
        return self.function

    def sums(self, graph: QGraph) -> Sums | None:
        """Bound the sum of both values with their head room."""
        return Sums(np.array([2 ** (HEAD_ROOM + 8)]), np.array([self.factor(graph)]))

    def factor(self, graph: QGraph) -> float:
        """Return the real factor of the sum's requantization."""
        return self._twice(graph) / (float(2**HEAD_ROOM) * graph.quant(self.output).scale32)

    def factors(self, graph: QGraph) -> tuple[Factor, Factor]:
        """Return multipliers and shifts that bring both inputs to twice the larger scale."""
        twice = self._twice(graph)
        first, second = (
            quantize_multiplier(graph.quant(name).scale32 / twice) for name in self.inputs
        )
        return first, second

    def _twice(self, graph: QGraph) -> float:
        return 2 * max(graph.quant(name).scale32 for name in self.inputs)

    def in_int8(self, graph: QGraph, values: Values) -> Array:
        """Bring both to twice the larger scale, 20 bits finer; requantize their sum.

        Raises
        ------
        ValueError
            For a quotient.
        """
        if self.function == "div":
            raise ValueError(f"{self.output}: quotients have no int8 form")
        left, right = (
            multiply((values[name].astype(np.int64) - graph.quant(name).zero_point) << HEAD_ROOM,
                     *factor)
            for name, factor in zip(self.inputs, self.factors(graph), strict=True)
        )  # fmt: skip
        total = FUNCTIONS[self.function](left, right)
        last = quantize_multiplier(self.factor(graph))
        return saturate(multiply(total, *last) + graph.quant(self.output).zero_point)

    def in_float(self, graph: QGraph, values: Values) -> Array:
        """Add, subtract or divide."""
        result: Array = FUNCTIONS[self.function](values[self.input], values[self.other])
        return result
