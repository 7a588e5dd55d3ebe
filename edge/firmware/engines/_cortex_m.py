# SPDX-License-Identifier: BSD-3-Clause
"""Write a ``.pte`` for ``--engine executorch``, int8 throughout, with the reference's integers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edge.errors import AccuracyError, IncompatibleError
from edge.targets.executorch import cortex_m
from edge.targets.executorch.cortex_m import operators
from firmware_bridge.project.project import Golden
from quantize.graph import reference
from quantize.graph.layouts import with_height
from quantize.graph.operations.binary import Binary
from quantize.graph.qgraph import AveragePool, Node, QGraph


@dataclass(frozen=True)
class Program:
    """A ``.pte`` file, the operators it calls (``namespace::name.overload``), its memory plan.

    ``planned_bytes`` are the buffers that the caller gives, the window's among them.
    """

    data: bytes
    ops: tuple[str, ...]
    planned_bytes: tuple[int, ...]


def narrowed(graph: QGraph, wide: Golden) -> Golden:
    """Return golden vectors whose logits have 8 bits, as ExecuTorch's Cortex-M operators do."""
    logits = reference.finish(graph, graph.nodes, {graph.input: with_height(wide.windows)}).stored
    return replace(wide, logits=logits)


def write(graph: QGraph, core: str, golden: Golden) -> Program:
    """Write the program for a core, after comparing it with the golden logits.

    Raises
    ------
    IncompatibleError
        For a node that the backend cannot compute.
    AccuracyError
        When the operators' Python implementations give other integers than the reference.
    """
    import torch

    net = network(graph, operators())
    windows = [torch.from_numpy(w.copy())[None, None].permute(0, 3, 1, 2) for w in golden.windows]
    with torch.no_grad():
        logits = np.concatenate([net(window).numpy() for window in windows])
    steps = np.abs(logits.astype(int) - golden.logits).max()
    if steps:
        raise AccuracyError(
            f"ExecuTorch's Cortex-M operators are {steps} steps off the reference on the golden "
            f"windows. Nothing was written."
        )
    return _program(cortex_m.lower(net, windows[0], core))


def _program(lowered: Any) -> Program:
    """With what its runtime must have."""
    from executorch.exir._serialize._program import deserialize_pte_binary

    data = bytes(lowered.buffer)
    plan = deserialize_pte_binary(data).program.execution_plan[0]
    ops = sorted(f"{op.name}.{op.overload}".rstrip(".") for op in plan.operators)
    return Program(data, tuple(ops), tuple(plan.non_const_buffer_sizes[1:]))


def network(graph: QGraph, ops: Any) -> Any:
    """Build :func:`edge.targets.executorch.cortex_m.network` of a graph in int8 throughout.

    Raises
    ------
    IncompatibleError
        For a node that the backend cannot compute.
    """
    refuse(graph)
    return cortex_m.network(graph, ops)


def refuse(graph: QGraph) -> None:
    """Raise for the first node that the backend cannot compute.

    Raises
    ------
    IncompatibleError
        With the node, and what computes it.
    """
    for node in graph.nodes:
        why = "no kernel in float" if graph.is_float(node) else _missing(graph, node)
        if why:
            raise IncompatibleError(
                f"Node {node.output!r} is a {node.kind!r}, for which ExecuTorch's Cortex-M backend "
                f"has {why}. Type --engine c, which computes it."
            )


def _missing(graph: QGraph, node: Node) -> str:
    """Why an int8 node cannot be written; empty where it can."""
    if node.converts:  # beside a node in float, which is refused
        return ""
    if node.kind not in cortex_m.WRITERS:
        return "no operator"
    if isinstance(node, AveragePool) and not node.requantizes(graph):
        return "no pool with this rounding"
    if node.without_int8:
        return "no quotient"
    if isinstance(node, Binary):
        a, b = graph[node.input].shape, graph[node.other].shape
        broadcasts = (a, (1, 1, 1, a[-1]), (1, 1, a[-2], 1))
        return "" if b in broadcasts else f"no {node.kind} with this broadcast"
    return ""
