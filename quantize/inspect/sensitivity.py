# SPDX-License-Identifier: BSD-3-Clause
"""Measure which tensor costs the accuracy: quantize each alone, and leave each alone in float.

Quantization is simulated on the float graph: a tensor or a weight is rounded to its int8 values and
taken back to float, and everything else is computed in float32. What stands before the place that
differs is computed once. Biases are the float ones, so a report also shows what bias correction has
to take off.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from quantize.graph import reference
from quantize.graph.measures import evenly, sqnr_db
from quantize.graph.qgraph import Conv, Node, QGraph, Quant, Quantize

Array = NDArray[Any]
Kind = Literal["activation", "weight"]

MAX_WINDOWS = 96
"""Windows simulated at most, spread evenly."""
WEIGHT = ".weight"


@dataclass(frozen=True)
class Figures:
    """How logits with some rounding compare with those without.

    Attributes
    ----------
    sqnr_db
        :func:`quantize.graph.measures.sqnr_db`; None where they are equal.
    logit_error
        Root mean square difference of a logit, relative to the root mean square logit.
    agreement
        Share of windows with the same decision.
    """

    sqnr_db: float | None
    logit_error: float
    agreement: float


@dataclass(frozen=True)
class Effect:
    """What rounding one tensor does: alone, and what is left when it alone is spared."""

    item: str
    kind: Kind
    alone: Figures
    spared: Figures


@dataclass(frozen=True)
class Sensitivity:
    """All effects, the costliest first, and what rounding everything gives."""

    n_windows: int
    everything: Figures
    effects: tuple[Effect, ...]

    def document(self) -> dict[str, Any]:
        """Return the report as JSON holds it."""
        return {"schema_version": 1, **asdict(self)}


def measure(float_graph: QGraph, graph: QGraph, windows: NDArray[np.float32]) -> Sensitivity:
    """Simulate every tensor's rounding.

    Parameters
    ----------
    float_graph, graph
        The same network in float and in int8 (:func:`quantize.pipeline.quantize` gives both).
    windows
        (n, n_chans, n_times) float32, scaled.
    """
    some = windows[evenly(len(windows), MAX_WINDOWS, down=True)]
    simulation = Simulation(float_graph, graph, some)
    everything = simulation.items
    effects = [
        Effect(
            item,
            "weight" if item.endswith(WEIGHT) else "activation",
            simulation.figures({item}),
            simulation.figures(everything - {item}),
        )
        for item in simulation.ordered
    ]
    effects.sort(key=lambda effect: -effect.alone.logit_error)
    return Sensitivity(len(some), simulation.figures(everything), tuple(effects))


class Simulation:
    """A network on some windows, with any set of its tensors and weights rounded.

    Attributes
    ----------
    ordered
        Everything that can be rounded: ``input``, names of tensors, ``NAME.weight``.
    """

    def __init__(self, float_graph: QGraph, graph: QGraph, windows: NDArray[np.float32]) -> None:
        self.float_graph, self.graph = float_graph, graph
        self.quants = _activations(graph)
        self.ordered = tuple(self._ordered())
        self.items = frozenset(self.ordered)
        self.input = reference.to_input(float_graph, windows)
        self._float = self.compute({}, 0, frozenset())
        self._rounded = self.compute({}, 0, self.items)

    def _ordered(self) -> Iterator[str]:
        if self.graph.input in self.quants:
            yield self.graph.input
        for node in self.float_graph.nodes:
            if f"{node.output}.weight_scale" in self.graph.constants:
                yield f"{node.output}{WEIGHT}"
            if node.output in self.quants:
                yield node.output

    def figures(self, rounded: Collection[str]) -> Figures:
        """Compare logits with these items rounded with those of none."""
        return compare(self.logits(rounded), self._float[self.float_graph.output])

    def logits(self, rounded: Collection[str]) -> Array:
        """Compute logits (n_windows, n_outputs) float32 with these items rounded."""
        chosen = frozenset(rounded)
        starts = (
            (self._first_change(chosen), self._float),
            (self._first_change(self.items - chosen), self._rounded),
        )
        start, base = max(starts, key=lambda pair: pair[0])
        return self.compute(base, start, chosen)[self.float_graph.output]

    def _first_change(self, items: Collection[str]) -> int:
        """The first node whose output depends on whether some items are rounded."""
        outputs = [node.output for node in self.float_graph.nodes]
        if self.graph.input in items:
            return 0
        found = (outputs.index(item.removesuffix(WEIGHT)) for item in items)
        return min(found, default=len(outputs))

    def compute(
        self, base: Mapping[str, Array], start: int, rounded: frozenset[str]
    ) -> dict[str, Array]:
        """Compute every tensor; those before the node ``start`` are taken from ``base``."""
        source = self.float_graph.input
        values: dict[str, Array] = {source: self._round(source, self.input, rounded)}
        for i, node in enumerate(self.float_graph.nodes):
            if i < start:
                values[node.output] = base[node.output]
                continue
            value = node.evaluate(self._graph_for(node, rounded), values)
            values[node.output] = self._round(node.output, value, rounded)
        return values

    def _round(self, name: str, value: Array, rounded: frozenset[str]) -> Array:
        if name not in rounded:
            return value
        quant = self.quants[name]
        return reference.dequantize(reference.quantize(value, quant), quant)

    def _graph_for(self, node: Node, rounded: frozenset[str]) -> QGraph:
        """The float graph, the node's weights rounded where they are to be."""
        name = f"{node.output}{WEIGHT}"
        if not isinstance(node, Conv) or name not in rounded:
            return self.float_graph
        scale = self.graph.constants[f"{node.output}.weight_scale"]
        shape = (1, 1, 1, -1) if node.depthwise else (-1, 1, 1, 1)
        weight = self.graph.constants[name].astype(np.float32) * scale.reshape(shape)
        constants = {
            name: weight,
            f"{node.output}.bias": self.float_graph.constants[f"{node.output}.bias"],
        }
        graph = self.float_graph
        return QGraph(graph.input, graph.output, graph.tensors, graph.nodes, constants)


def _activations(graph: QGraph) -> Mapping[str, Quant]:
    """Quantization of what is stored in int8, under the name that it has in the float graph."""
    stored = {tensor.name: tensor.quant for tensor in graph.tensors if tensor.quant is not None}
    edges = {n.input: graph.quant(n.output) for n in graph.nodes if isinstance(n, Quantize)}
    return {**stored, **edges}


TINY = 1e-30
"""Stands for the energy of logits that are all zero, so that an error beside them is large."""


def compare(logits: Array, wanted: Array) -> Figures:
    """Compare logits (n_windows, n_outputs) with those that were wanted."""
    noise = float(np.square(logits - wanted, dtype=np.float64).sum())
    signal = float(np.square(wanted, dtype=np.float64).sum())
    return Figures(
        sqnr_db=sqnr_db(wanted, logits),
        logit_error=float(np.sqrt(noise / max(signal, TINY))),
        agreement=float((logits.argmax(1) == wanted.argmax(1)).mean()),
    )
