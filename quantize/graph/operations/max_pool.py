# SPDX-License-Identifier: BSD-3-Clause
"""The operation ``max_pool``: the largest of a window of samples."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from quantize.graph.operations.base import Node, Reach, Shape, Values
from quantize.graph.operations.sliding import positions, taps
from quantize.graph.tensors import Array

if TYPE_CHECKING:
    from quantize.graph.qgraph import QGraph


@dataclass(frozen=True)
class MaxPool(Node):
    """The largest of ``length`` samples every ``stride``, over whole windows only."""

    length: int
    stride: int

    kind: ClassVar[str] = "max_pool"
    names: ClassVar[tuple[str, ...]] = ("max_pool",)
    reach: ClassVar[Reach] = "neighbourhood"
    keeps_quant: ClassVar[bool] = True

    def output_shape(self, graph: QGraph) -> Shape:
        """Return a position for every whole window."""
        _, _, n_times, n_chans = graph[self.input].shape
        return (1, 1, positions(self.output, n_times, self.length, self.stride), n_chans)

    def kernel(self, graph: QGraph) -> tuple[int, int, int]:
        """Return length and stride; nothing is padded."""
        return self.length, self.stride, 0

    def in_int8(self, graph: QGraph, values: Values) -> Array:
        """Return the largest of the stored values."""
        return functools.reduce(np.maximum, taps(values[self.input], self.length, self.stride))

    def in_float(self, graph: QGraph, values: Values) -> Array:
        """Return the largest value."""
        return self.in_int8(graph, values)
