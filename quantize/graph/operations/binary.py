# SPDX-License-Identifier: BSD-3-Clause
"""Share what operations on two tensors have in common: the second is broadcast to the first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quantize.graph.operations.base import Node, Shape, refuse

if TYPE_CHECKING:
    from quantize.graph.qgraph import QGraph


@dataclass(frozen=True)
class Binary(Node):
    """An operation on ``input`` and ``other``, which is broadcast to it."""

    other: str

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of both tensors."""
        return (self.input, self.other)

    def output_shape(self, graph: QGraph) -> Shape:
        """Return the first tensor's shape."""
        shape, other = graph[self.input].shape, graph[self.other].shape
        if any(b not in (1, a) for a, b in zip(shape, other, strict=True)):
            refuse(self.output, f"{other} cannot be broadcast to {shape}")
        return shape
