# SPDX-License-Identifier: BSD-3-Clause
"""The operation ``activation``: a function of one value, in int8 a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from quantize.graph import lookup
from quantize.graph.arithmetic import INT8_MIN
from quantize.graph.operations.base import FLOAT_ONLY, Node, Reach, Shape, Values
from quantize.graph.tensors import Array

if TYPE_CHECKING:
    from quantize.graph.qgraph import QGraph


@dataclass(frozen=True)
class Activation(Node):
    """A function of one value; in int8 a 256-entry table (:mod:`quantize.graph.lookup`).

    Those of :data:`FLOAT_ONLY` compute in float32 alone.
    """

    function: Literal["elu", "gelu", "sigmoid", "tanh", "exp", "log", "sqrt"]

    kind: ClassVar[str] = "activation"
    names: ClassVar[tuple[str, ...]] = tuple(lookup.FUNCTIONS)
    reach: ClassVar[Reach] = "value"

    @property
    def without_int8(self) -> str:
        """The function, if it is one of those."""
        return self.function if self.function in FLOAT_ONLY else ""

    def needs(self, graph: QGraph) -> str:
        """Return the function."""
        return self.function

    def output_shape(self, graph: QGraph) -> Shape:
        """Return its input's shape."""
        return graph[self.input].shape

    def in_int8(self, graph: QGraph, values: Values) -> Array:
        """Look every value up."""
        source, target = graph.quant(self.input), graph.quant(self.output)
        table = lookup.table(self.function, source, target)
        return table[values[self.input].astype(np.int64) - INT8_MIN]

    def in_float(self, graph: QGraph, values: Values) -> Array:
        """Apply the function, rounded once."""
        return lookup.apply(self.function, values[self.input])
