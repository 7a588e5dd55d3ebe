# SPDX-License-Identifier: BSD-3-Clause
"""A runtime runs the file of a target; each is a module in ``edge/targets/runtimes``.

A target (``--targets``) is a file that is written, and a runtime is something that runs it. One
file may have several: a ``.tflite`` file runs in LiteRT with and without its delegate and in
TensorFlow Lite Micro, and they differ in what they can do. ``edge check`` has a column for each
runtime. A runtime module has

``TARGET``
    the target whose file it runs; empty where only ``edge check`` makes one;
``IN_EXPORT``
    its name among the target's ``RUNTIMES``; empty where an export does not run it;
``RUNS_WITH``
    distributions or programs that it needs; ``a|b`` where either will do;
``ABILITIES``
    a table of what it computes in int8, see :mod:`edge.targets.base`;
``EXACT``
    whether its int8 logits must equal the reference exactly, see :mod:`edge.targets.base`;
``build(sources)``
    a function that writes the int8 network and loads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from edge import registry
from edge.spec import Verdict
from edge.targets import base as target
from edge.targets.base import Ability, Judgement, Session, Sources
from quantize.graph.qgraph import QGraph


@dataclass(frozen=True)
class Built:
    """A network that is loaded in a runtime, with its sizes.

    Attributes
    ----------
    session
        Ready to run.
    n_bytes
        Size of what was exported.
    memory_bytes
        What the runtime plans for tensors; None where it does not say.
    """

    session: Session
    n_bytes: int
    memory_bytes: int | None = None


class Runtime(Protocol):
    """The interface of a runtime module, see above."""

    TARGET: str
    IN_EXPORT: str
    RUNS_WITH: tuple[str, ...]
    ABILITIES: Mapping[str, Ability]
    EXACT: bool

    def build(self, sources: Sources) -> Built:
        """Write the int8 network and load it.

        Raises
        ------
        MissingToolError
            When the runtime is not installed.
        """


def names() -> tuple[str, ...]:
    """Return the name of every runtime, as ``edge check --target`` takes it."""
    return registry.names(registry.RUNTIMES)


def load(name: str, parameter: str = "--target") -> Runtime:
    """Import the runtime of a name; ``parameter`` is where the user typed it."""
    module: Any = registry.load(registry.RUNTIMES, name, parameter)
    chosen: Runtime = module
    return chosen


def of_target(name: str) -> dict[str, Runtime]:
    """Return the runtimes of a target's file, by name."""
    every: Mapping[str, Any] = registry.every(registry.RUNTIMES)
    return {runtime: chosen for runtime, chosen in every.items() if name == chosen.TARGET}


def judge_target(graph: QGraph, name: str) -> Judgement:
    """Judge a graph for a target: the worst of the runtimes that an export runs it on."""
    tables = [chosen.ABILITIES for chosen in of_target(name).values() if chosen.IN_EXPORT]
    found = [target.judge(graph, table) for table in tables]
    worst = max((judged.verdict for judged in found), key=list(Verdict).index)
    alike = (judged.reasons for judged in found if judged.verdict == worst)
    return Judgement(worst, tuple(dict.fromkeys(reason for group in alike for reason in group)))
