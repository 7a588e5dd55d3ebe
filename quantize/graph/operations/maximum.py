# SPDX-License-Identifier: BSD-3-Clause
"""The operation ``maximum``: the largest value over all of time or over all channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from quantize.graph.operations.base import Node, Shape, Values
from quantize.graph.tensors import Array

if TYPE_CHECKING:
    from quantize.graph.qgraph import QGraph


@dataclass(frozen=True)
class Maximum(Node):
    """The largest value over all of time or over all channels, quantized as its input is.

    (1, 1, n_times, n_channels) -> (1, 1, 1, n_channels) or (1, 1, n_times, 1).
    """

    over: Literal["time", "channels"]

    kind: ClassVar[str] = "maximum"
    names: ClassVar[tuple[str, ...]] = ("max_over_channels", "max_over_time")
    keeps_quant: ClassVar[bool] = True

    @property
    def axis(self) -> int:
        """The axis of a tensor that it goes over."""
        return 2 if self.over == "time" else 3

    def needs(self, graph: QGraph) -> str:
        """Return which of the two it is."""
        return f"max_over_{self.over}"

    def output_shape(self, graph: QGraph) -> Shape:
        """Return its input's shape with one value along the axis."""
        shape = graph[self.input].shape
        return (1, 1, 1, shape[3]) if self.over == "time" else (1, 1, shape[2], 1)

    def in_int8(self, graph: QGraph, values: Values) -> Array:
        """Return the largest of the stored values."""
        return np.asarray(values[self.input].max(self.axis, keepdims=True))

    def in_float(self, graph: QGraph, values: Values) -> Array:
        """Return the largest value."""
        return self.in_int8(graph, values)
