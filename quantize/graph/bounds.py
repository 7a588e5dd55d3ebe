# SPDX-License-Identifier: BSD-3-Clause
"""Prove how large the sums of an integer graph can become, for every possible window.

A sum is an accumulator before it is requantized. Each operation bounds its own
(:meth:`quantize.graph.operations.base.Node.sums`), whatever int8 values come in, of stored as of
centred values, so that the bound holds for the reference and for C.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from quantize.graph.operations.base import Sums
from quantize.graph.qgraph import Node, QGraph, Quant

LIMIT = 2**31
"""What no sum may reach."""


@dataclass(frozen=True)
class Accumulator:
    """A sum in 32 bits: the bound that was proved for it, and what may go in.

    Attributes
    ----------
    node
        Name of the tensor that the operation writes.
    operation
        What sums, as ``qgraph.json`` calls it.
    bound
        No magnitude in 32 bits exceeds it, neither the sum's nor that of the sum once a factor
        above one has shifted it to the left.
    inputs
        The lowest and the highest real value of each tensor that goes in, by its name. They are
        all that 8 bits can hold; what lies beyond is cut off before, so nothing else goes in.
    """

    node: str
    operation: str
    bound: int
    inputs: Mapping[str, tuple[float, float]]


def accumulators(graph: QGraph) -> tuple[Accumulator, ...]:
    """Return every sum of a graph with its proved bound, in the order of the nodes."""
    found = ((node, of(graph, node)) for node in graph.nodes)
    return tuple(
        Accumulator(
            node=node.output,
            operation=node.kind,
            bound=_largest(graph, node, sums),
            inputs={name: real_range(graph.quant(name)) for name in node.inputs},
        )
        for node, sums in found
        if sums is not None
    )


def _largest(graph: QGraph, node: Node, sums: Sums) -> int:
    """Logits of 16 bits are scaled in 64 bits, where nothing is shifted out of 32."""
    wide = graph.quant(node.output).bits == 16
    return int(sums.bound.max()) if wide else sums.shifted


def real_range(quant: Quant) -> tuple[float, float]:
    """Return the lowest and the highest real value that integers can stand for."""
    low, high = (quant.scale32 * (limit - quant.zero_point) for limit in quant.limits)
    return low, high


def of(graph: QGraph, node: Node) -> Sums | None:
    """Return the sums of a node that computes in integers; None if it has none."""
    if graph[node.output].quant is None or graph[node.input].quant is None:
        return None
    return node.sums(graph)
