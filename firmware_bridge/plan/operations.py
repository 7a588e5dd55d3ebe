# SPDX-License-Identifier: BSD-3-Clause
"""Turn a graph's nodes into what the C engine runs, fused where that saves memory and time.

There are three rewritings, all of them exact because they evaluate the reference itself:

* a chain of element-wise int8 functions of one tensor becomes a :class:`Lookup` of 256 entries, be
  it an ELU, a LeakyReLU or ``x * sigmoid(x)``;
* a lookup behind a convolution, and the convolution's own ReLU, join it (:class:`TabledConv`);
* mix, temporal filter, activation and the first pool become a :class:`Stem`, which runs in tiles of
  samples so that the largest tensors never exist.

What is left of a graph is handed to the emitters as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from quantize.graph.arithmetic import INT8_MAX, INT8_MIN
from quantize.graph.qgraph import Array, AveragePool, Conv, Node, QGraph

Table = tuple[int, ...]
"""int8 outputs for the inputs -128 ... 127, in that order."""

IDENTITY: Table = tuple(range(INT8_MIN, INT8_MAX + 1))


@dataclass(frozen=True)
class Lookup:
    """A table of 256 entries: ``output[i] = table[input[i] + 128]``."""

    output: str
    input: str
    table: Table

    kind: ClassVar[str] = "lookup"


@dataclass(frozen=True)
class TabledConv:
    """An int8 convolution whose outputs go through a table where there is one."""

    output: str
    node: Conv
    table: Table | None

    kind: ClassVar[str] = "tabled_conv"

    @property
    def input(self) -> str:
        """The tensor that it reads."""
        return self.node.input


@dataclass(frozen=True)
class Stem:
    """Mix, temporal filter, table and pool over a whole window, computed in tiles."""

    output: str
    mix: Conv
    temporal: Conv
    table: Table
    pool: AveragePool

    kind: ClassVar[str] = "stem"

    @property
    def input(self) -> str:
        """The tensor that it reads."""
        return self.mix.input


Operation = Node | Lookup | TabledConv | Stem


def reads(operation: Operation) -> tuple[str, ...]:
    """Return the names of the tensors that an operation reads."""
    if isinstance(operation, Lookup | TabledConv | Stem):
        return (operation.input,)
    return operation.inputs


def schedule(graph: QGraph) -> tuple[Operation, ...]:
    """Return a graph's operations up to its head, in the order in which they run."""
    nodes: list[Operation] = list(graph.nodes[: graph.nodes.index(graph.head) + 1])
    return tuple(_fuse_stem(graph, _fuse_tables(graph, _collapse(graph, nodes))))


@dataclass
class _Functions:
    """Which tensors are element-wise functions of which, and their 256 values."""

    graph: QGraph
    roots: dict[str, str] = field(default_factory=dict)
    values: dict[str, Array] = field(default_factory=dict)

    def root(self, name: str) -> str:
        return self.roots.get(name, name)

    def visit(self, node: Node) -> None:
        """Record a node's output if it is a function of one int8 tensor of the same shape."""
        roots = {self.root(name) for name in node.inputs}
        if node.reach != "value" or len(roots) != 1:
            return
        (root,) = roots
        source = self.graph[root]
        same_shape = self.graph[node.output].shape == source.shape
        if source.quant is None or not same_shape:
            return
        every = np.arange(INT8_MIN, INT8_MAX + 1, dtype=np.int8).reshape(1, 1, -1, 1)
        inputs = {name: self.values.get(name, every) for name in node.inputs}
        self.roots[node.output] = root
        self.values[node.output] = node.evaluate(self.graph, inputs)

    def table(self, name: str) -> Table:
        return tuple(int(value) for value in self.values[name].ravel())


def _collapse(graph: QGraph, operations: Sequence[Operation]) -> list[Operation]:
    """Replace chains of element-wise nodes by lookups; drop what nobody reads any more."""
    functions = _Functions(graph)
    kept: list[Node] = []
    for node in operations:
        assert not isinstance(node, Lookup | TabledConv | Stem)
        functions.visit(node)
        if node.output not in functions.roots or graph[node.output].quant is None:
            kept.append(node)
    needed = {name for node in kept for name in node.inputs} | _given(graph)
    collapsed: list[Operation] = []
    for node in operations:
        if node.output in functions.roots and graph[node.output].quant is not None:
            if node.output in needed:
                root = functions.root(node.output)
                collapsed.append(Lookup(node.output, root, functions.table(node.output)))
        else:
            assert not isinstance(node, Lookup | TabledConv | Stem)
            collapsed.append(node)
    return _without_unread(graph, collapsed)


def _given(graph: QGraph) -> set[str]:
    """Tensors that are read when the network has run."""
    return {graph.head.output, *graph.others.values()}


def _without_unread(graph: QGraph, operations: Sequence[Operation]) -> list[Operation]:
    """Drop operations whose output nothing reads, last ones first."""
    needed = _given(graph)
    kept: list[Operation] = []
    for operation in reversed(operations):
        if operation.output in needed:
            kept.append(operation)
            needed.update(reads(operation))
    return kept[::-1]


def readers(operations: Sequence[Operation]) -> Mapping[str, list[Operation]]:
    """Return the operations that read each tensor."""
    found: dict[str, list[Operation]] = {}
    for operation in operations:
        for name in reads(operation):
            found.setdefault(name, []).append(operation)
    return found


def _fuse_tables(graph: QGraph, operations: Sequence[Operation]) -> list[Operation]:
    """Let int8 convolutions apply the lookup behind them, and their ReLU, as a table."""
    by_input = readers(operations)
    fused: list[Operation] = []
    taken: set[str] = set()
    for operation in operations:
        if operation.output in taken:
            continue
        if not isinstance(operation, Conv) or graph[operation.output].quant is None:
            fused.append(operation)
            continue
        table, output = _clamp_table(graph, operation), operation.output
        behind = by_input.get(operation.output, [])
        alone = len(behind) == 1 and operation.output not in _given(graph)
        if alone and isinstance(lookup := behind[0], Lookup):
            table = tuple(lookup.table[q - INT8_MIN] for q in table or IDENTITY)
            output = lookup.output
            taken.add(output)
        fused.append(TabledConv(output, operation, table))
    return fused


def _clamp_table(graph: QGraph, node: Conv) -> Table | None:
    """A fused ReLU as a table: clamped at the zero point; where that is the lowest, it is there."""
    zero = graph.quant(node.output).zero_point
    if not node.relu or zero == INT8_MIN:
        return None
    return tuple(max(q, zero) for q in IDENTITY)


def _fuse_stem(graph: QGraph, operations: Sequence[Operation]) -> Iterator[Operation]:
    """Replace mix, temporal filter and first pool, where a graph begins with them."""
    match operations:
        case [TabledConv() as mix, TabledConv() as temporal, AveragePool() as pool, *rest] if (
            _is_stem(graph, mix, temporal, pool, readers(operations))
        ):
            table = temporal.table or IDENTITY
            yield Stem(pool.output, mix.node, temporal.node, table, pool)
            yield from rest
        case _:
            yield from operations


def _is_stem(
    graph: QGraph,
    mix: TabledConv,
    temporal: TabledConv,
    pool: AveragePool,
    by_input: Mapping[str, list[Operation]],
) -> bool:
    weight = graph.constants[f"{mix.node.output}.weight"]
    pointwise = weight.shape[2] == 1 and not mix.node.depthwise and mix.node.pad == (0, 0)
    chained = mix.input == graph.input and temporal.input == mix.output
    return (
        pointwise
        and chained
        and mix.table is None
        and mix.node.stride == temporal.node.stride == 1
        and (temporal.node.depthwise or graph[mix.output].shape[-1] == 1)
        and pool.input == temporal.output
        and graph[pool.output].quant is not None
        and len(by_input[mix.output]) == len(by_input[temporal.output]) == 1
        and not _given(graph).intersection((mix.output, temporal.output))
    )


def is_alias(operation: Operation) -> bool:
    """Return whether an operation only renames what it reads."""
    return isinstance(operation, Node) and operation.renames
