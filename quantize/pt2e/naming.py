# SPDX-License-Identifier: BSD-3-Clause
"""Name the nodes of a PyTorch graph: the module's path, or the path and the operation."""

from __future__ import annotations

from collections.abc import Iterable

from torch.fx import Node


def is_compute(node: Node) -> bool:
    """Return whether a node computes something; conversions to and from int8 do not."""
    return node.op == "call_function" and "quantize" not in str(node.target)


def operation(node: Node) -> str:
    """Return ``conv2d`` for ``torch.ops.aten.conv2d.default``."""
    return str(node.target).split(".")[1]


def path(node: Node) -> str:
    """Return the path of the innermost module that made the node, ``""`` at the top."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    return str(stack[-1][0]) if stack else ""


def names(nodes: Iterable[Node]) -> dict[Node, str]:
    """Return a unique, readable name for every compute node.

    A module that computes one thing lends its own name (``gate.conv``); what a module with
    children computes itself is named after the operation (``gate.mean``).
    """
    compute = [node for node in nodes if is_compute(node)]
    paths = {path(node) for node in compute}
    named: dict[Node, str] = {}
    taken: set[str] = set()
    for node in compute:
        own = path(node)
        contains = own == "" or any(other.startswith(own + ".") for other in paths)
        alone = sum(path(other) == own for other in compute) == 1
        base = own if alone and not contains else ".".join(filter(None, (own, operation(node))))
        name, count = base, 2
        while name in taken:
            name, count = f"{base}_{count}", count + 1
        taken.add(name)
        named[node] = name
    return named


def within(name: str, parts: Iterable[str]) -> bool:
    """Return whether a node's name lies in one of the named parts."""
    return any(name == part or name.startswith(part + ".") for part in parts)
