# SPDX-License-Identifier: BSD-3-Clause
"""Write a ``.tflite`` file operator by operator, with the reference's integers."""

from __future__ import annotations

from typing import Any

import numpy as np

from edge.targets.base import writer_of
from edge.targets.tflite.operations import VERSIONS, WIDE_VERSIONS, WRITERS
from quantize.graph.qgraph import Node, QGraph


def encode(graph: QGraph) -> bytes:
    """Return the ``.tflite`` file of a graph, the same bytes whenever the graph is the same."""
    return Writer(graph).run()


class Writer:
    """One file in the making, which the functions of :mod:`edge.targets.tflite.operations` fill.

    Attributes
    ----------
    schema
        The official schema classes.
    graph
        What is written.
    file
        Its tensors, constants and operators so far.
    indices
        Index in the file of every tensor of the graph that has been written, by name.
    """

    def __init__(self, graph: QGraph) -> None:
        from ai_edge_litert import schema_py_generated as schema

        from edge.targets.tflite.flatbuffer import FileBuilder

        self.schema: Any = schema
        self.graph = graph
        self.file = FileBuilder("eeg-edge")
        self.indices: dict[str, int] = {}

    def run(self) -> bytes:
        """Write every node and return the file."""
        self._activation(self.graph.input)
        for node in self.graph.nodes:
            self._activation(node.output)
            writer_of(WRITERS, node, "tflite")(self, node)
        source, names = self.graph.input, self.graph.outputs
        outputs = [self.indices[name] for name in names.values()]
        if self.graph.others:
            self.file.signature(
                {source: self.indices[source]}, dict(zip(names, outputs, strict=True))
            )
        return self.file.finish([self.indices[source]], outputs)

    def _activation(self, name: str) -> None:
        tensor = self.graph[name]
        self.indices[name] = self.file.tensor(name, tensor.shape, tensor.quant)

    def emit(self, code: str, node: Node, options: Any = None, extra: tuple[int, ...] = ()) -> None:
        """Add the operator of a node; it reads the node's input, then ``extra``."""
        inputs = (self.indices[node.input], *extra)
        self.file.operator(
            code, self.version(code, node.output), inputs, self.indices[node.output], options
        )

    def version(self, code: str, output: str) -> int:
        """Return the version of an operator that writes a tensor of the graph."""
        quant = self.graph[output].quant
        if quant is not None and quant.bits == 16:
            return WIDE_VERSIONS[code]
        return VERSIONS[code][quant is not None]

    def integers(self, name: str, values: list[int]) -> int:
        """Add a constant of int32 and return its index."""
        return self.file.constant(name, np.array(values, np.int32), None)
