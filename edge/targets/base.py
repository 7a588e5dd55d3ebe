# SPDX-License-Identifier: BSD-3-Clause
"""A target writes the file of one runtime, and runs it; each is a module in ``edge/targets``.

A target module has

``SUFFIX``
    the suffix of its files; empty where it writes a folder of several files, which then has the
    target's name;
``PRECISIONS``
    what its files may compute in;
``ABILITIES``
    a table from what a node needs (:meth:`quantize.graph.operations.base.Node.needs`) to
    :class:`Ability`: what the runtime computes in int8;
``EXACT``
    whether int8 logits must equal the reference exactly; where part of the graph stays float, they
    may then differ by one step;
``write(sources, precision)``
    a function that returns the file as bytes, or the files of a folder by their names;
``WRITES_WITH``, ``RUNS_WITH``
    distributions or programs that ``write`` and ``RUNTIMES`` need; ``a|b`` where either will do;
``RUNTIMES``
    ways to run a file by name, the target's own name first: functions from what ``write`` returned
    to a :class:`Session` (:class:`Loader`). Every export runs them all and compares their logits.

A file gives the logits first and then whatever else its graph gives
(:mod:`quantize.graph.outputs`), in the graph's order and each in the layout of the file's input.

What a network needs is read from its graph. :func:`judge` compares it with a table of abilities.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from edge import registry
from edge.errors import IncompatibleError
from edge.spec import Precision, Reason, Verdict
from quantize.graph.qgraph import FLOAT_ONLY, LOGITS, OPERATIONS, Node, QGraph

if TYPE_CHECKING:
    from torch import nn

    from quantize.pipeline import Quantized

_W = TypeVar("_W")

Runnable = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True)
class Session:
    """A file of a target that is loaded and ready to run.

    Called, it is a :data:`Runnable`: scaled windows (n, n_chans, n_times) in float32 to logits
    (n, n_outputs) in float32. Its three steps stand apart because a benchmark times the second.

    Attributes
    ----------
    encode
        One window (n_chans, n_times) as the runtime takes it: layout, type, quantization.
    invoke
        The runtime's own call.
    decode
        What the runtime gave, as logits (n_outputs,) in float32, a copy.
    others
        The same for everything else that the artifact gives, by name: (n_values,) in float32 and
        PyTorch's order, a copy.
    """

    encode: Callable[[NDArray[np.float32]], Any]
    invoke: Callable[[Any], Any]
    decode: Callable[[Any], NDArray[np.float32]]
    others: Mapping[str, Callable[[Any], NDArray[np.float32]]] = field(default_factory=dict)

    def __call__(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits of every window, one after the other."""
        return self.values(windows)[LOGITS]

    def values(self, windows: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Return all that the file gives for every window, by name, (n, n_values) each."""
        decoders = {LOGITS: self.decode, **self.others}
        found: dict[str, list[NDArray[np.float32]]] = {name: [] for name in decoders}
        for window in windows:
            given = self.invoke(self.encode(window))
            for name, decode in decoders.items():
                found[name].append(decode(given))
        return {name: np.stack(rows) for name, rows in found.items()}


Content = bytes | Mapping[str, bytes]
"""An artifact: a file, or the files of a folder by their names in it."""


class Loader(Protocol):
    """A function that makes what ``write`` returned (:data:`Content`) ready to run.

    ``others`` are the names of what it gives beside the logits, in its order; ``threads`` how many
    the runtime may use.
    """

    def __call__(self, content: Any, others: Sequence[str] = (), threads: int = 1, /) -> Session:
        """Loaded, ready to run."""


@dataclass(frozen=True, eq=False)
class Lowered:
    """What is known of a network before quantization.

    Attributes
    ----------
    graph
        The network in float32.
    net
        The same as a module of PyTorch, (batch, n_chans, 1, n_times) -> (batch, n_outputs).
    ch_names
        Channels in the order of a window; empty where unknown.
    """

    graph: QGraph
    net: nn.Module
    ch_names: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Sources:
    """Everything that a file may be written from: what is known before and after quantization.

    A target that is written from a :class:`QGraph` needs :meth:`graph` alone, and no torch.

    Attributes
    ----------
    lowered
        The network in float32.
    quantized
        What quantization made of it; None where int8 was not asked for.
    """

    lowered: Lowered
    quantized: Quantized | None = None

    def graph(self, precision: Precision) -> QGraph:
        """Return the graph that a file of this precision computes.

        Raises
        ------
        ValueError
            For int8 where nothing was quantized.
        """
        return self.lowered.graph if precision == Precision.FLOAT else self.int8.graph

    @property
    def int8(self) -> Quantized:
        """What quantization made of the network.

        Raises
        ------
        ValueError
            Where nothing was quantized.
        """
        if self.quantized is None:
            raise ValueError("there is no int8 graph")
        return self.quantized

    @property
    def ch_names(self) -> tuple[str, ...]:
        """Channels in the order of a window; empty where unknown."""
        return self.lowered.ch_names


@dataclass(frozen=True)
class Ability:
    """Whether a runtime computes an operation in int8; if not, why, and what a user can do.

    ``runs`` is False where it does not compute it in float either.
    """

    int8: bool
    why: str = ""
    fix: str = ""
    runs: bool = True


ABSENT = Ability(
    int8=False,
    runs=False,
    why="the runtime has no such operation",
    fix="name another target, or train without it",
)
"""What an operation is to a table that has no row for it."""

FLOAT_HEAD = Ability(
    int8=False,
    why="int8 weights and inputs are summed in float32, so that logits never tie",
    fix="the tflite target has 16-bit logits",
)
"""The last layer where a target's file writes logits as float32."""


class Target(Protocol):
    """The interface of a target module, see above."""

    SUFFIX: str
    PRECISIONS: tuple[Precision, ...]
    ABILITIES: Mapping[str, Ability]
    EXACT: bool
    WRITES_WITH: tuple[str, ...]
    RUNS_WITH: tuple[str, ...]
    RUNTIMES: Mapping[str, Loader]

    def write(self, sources: Sources, precision: Precision) -> Content:
        """Return the file as bytes, or the files of a folder by their names."""


class Held(Protocol):
    """A target or a runtime that says how exact it is, see ``EXACT`` above."""

    EXACT: bool


@dataclass(frozen=True)
class Terms:
    """How far an output of a runtime may lie from the reference's values.

    Attributes
    ----------
    step
        What differences are counted in; None where the output is float.
    allowed
        How many of them; None for a runtime that is not exact.
    """

    step: float | None
    allowed: int | None


def terms(chosen: Held, graph: QGraph, output: str) -> Terms:
    """Return how far an output may lie: nowhere if exact, else counted in steps of 8 bits."""
    quant = graph[graph.outputs[output]].quant
    step = None if quant is None else quant.step
    if not chosen.EXACT:
        return Terms(step, None)
    if graph.float_nodes():
        return Terms(step, 1)
    return Terms(None if quant is None else quant.scale, 0)


def place(chosen: Target, name: str, precision: Precision) -> str:
    """Return where a bundle keeps what a target wrote: the name of a file, or of a folder."""
    return f"model.{name}.{precision}.{chosen.SUFFIX}" if chosen.SUFFIX else name


def default_names(int8: bool) -> tuple[str, ...]:
    """Return the targets of an export that names none: those that have such files."""
    every: Mapping[str, Any] = registry.every(registry.TARGETS)
    return tuple(name for name, one in every.items() if int8 or Precision.FLOAT in one.PRECISIONS)


def load(name: str, parameter: str = "--targets") -> Target:
    """Import the target of a name; ``parameter`` is where the user typed it."""
    module: Any = registry.load(registry.TARGETS, name, parameter)
    chosen: Target = module
    return chosen


def all_in_int8(why_float: str, kinds: Iterable[str]) -> Mapping[str, Ability]:
    """Return the table of a runtime that computes all in int8 that can be, and the rest in float.

    Parameters
    ----------
    why_float
        Why it computes :data:`quantize.graph.qgraph.FLOAT_ONLY` in float32.
    kinds
        The operations that it has a writer for, by ``kind``.
    """
    floats = dict.fromkeys(FLOAT_ONLY, Ability(int8=False, why=why_float))
    names = sorted({name for kind in kinds for name in OPERATIONS[kind].names} - {*FLOAT_ONLY})
    return MappingProxyType(floats | dict.fromkeys(names, Ability(int8=True)))


@dataclass(frozen=True)
class Judgement:
    """How well a graph fits a target, with reasons."""

    verdict: Verdict
    reasons: tuple[Reason, ...]

    @property
    def float_operations(self) -> tuple[str, ...]:
        """Names of the nodes that stay in float."""
        return tuple(reason.node for reason in self.reasons)


def why_float(graph: QGraph, node: Node) -> Ability:
    """Say why a node of an int8 graph computes in float32."""
    part = node.output.split(".")[0]
    inside = (n for n in graph.nodes if n.output.split(".")[0] == part)
    culprits = sorted({n.needs(graph) for n in inside}.intersection(FLOAT_ONLY))
    if culprits:
        why = f"the {part} stays in float32 as a whole, {', '.join(culprits)} having no int8 form"
        return Ability(False, why, "another --mode does without")
    return Ability(False, f"the recipe leaves the {part} in float32")


def judge(graph: QGraph, abilities: Mapping[str, Ability]) -> Judgement:
    """Compare a graph that should be int8 with the table of a target.

    BLOCKED where the runtime cannot compute some operation at all, MIXED where some node computes
    in float, FULL otherwise; with a reason for every such node.
    """
    blocked: list[Reason] = []
    floats: list[Reason] = []
    for node in graph.nodes:
        if node.converts:
            continue
        needs = node.needs(graph)
        ability = abilities.get(needs, ABSENT)
        if ability.runs and graph.is_float(node):
            ability = why_float(graph, node)
        if not ability.int8:
            found = floats if ability.runs else blocked
            found.append(Reason(node.output, needs, ability.why, ability.fix))
    if blocked:
        return Judgement(Verdict.BLOCKED, tuple(blocked))
    return Judgement(Verdict.MIXED if floats else Verdict.FULL, tuple(floats))


def writer_of(writers: Mapping[str, _W], node: Node, asked: str) -> _W:
    """Return what writes a node, from a target's table.

    :func:`judge` says beforehand which operations a target lacks; this is for a graph that went
    past it.

    Raises
    ------
    IncompatibleError
        When the table has nothing for the node's kind.
    """
    if node.kind not in writers:
        raise IncompatibleError(
            f"Node {node.output!r} needs {node.kind!r}, which the {asked} target cannot write. "
            f"Name other --targets."
        )
    return writers[node.kind]
