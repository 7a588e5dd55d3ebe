# SPDX-License-Identifier: BSD-3-Clause
"""Refuse a network that does not fit its targets, before anything is written.

What a network needs is read from its graph, and what a runtime can do is the table in its module;
:func:`edge.targets.base.judge` compares the two. ``edge export`` asks for the targets that it was
given, ``edge check`` for every network and runtime, which it then runs.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence

from edge import registry
from edge.checkpoint import build
from edge.errors import IncompatibleError
from edge.families.base import lower
from edge.spec import ModelSpec, Verdict, describe
from edge.targets import base as target
from edge.targets import runtime
from edge.targets.base import ABSENT
from quantize.graph.qgraph import QGraph
from quantize.pt2e import ptq
from quantize.pt2e.extract import extract


def refuse(graph: QGraph, targets: Iterable[str], *, full_int8: bool) -> None:
    """Raise when a target cannot run an int8 graph, or not all of it in int8 where that is asked.

    Raises
    ------
    IncompatibleError
        With every reason for every target, and what would work.
    """
    problems: dict[str, list[str]] = {}
    works: dict[str, list[str]] = {}
    for name in targets:
        judged = runtime.judge_target(graph, name)
        blocked = judged.verdict == Verdict.BLOCKED
        if blocked or (full_int8 and judged.verdict != Verdict.FULL):
            for line in describe(judged.reasons):
                problems.setdefault(line, []).append(name)
            if modes := modes_in_full(name):
                works.setdefault(f"--mode {', '.join(modes)}", []).append(name)
    if problems:
        asked = "--full-int8" if full_int8 else "--int8"
        why = "".join(f" {', '.join(names)}: {line}." for line, names in problems.items())
        help_ = "".join(
            f" In int8 throughout on {', '.join(names)}: {line}." for line, names in works.items()
        )
        raise IncompatibleError(
            f"{asked} is not possible for these targets.{why}{help_} "
            f"Name other --targets, or leave {asked} out."
        )


def say_what_else(graph: QGraph, targets: Sequence[str], note: Callable[[str], None]) -> None:
    """Name the runtimes that an export does not run and that cannot run this graph."""
    for name in targets:
        for other, chosen in runtime.of_target(name).items():
            judged = target.judge(graph, chosen.ABILITIES)
            if not chosen.IN_EXPORT and judged.verdict == Verdict.BLOCKED:
                lines = "; ".join(describe(judged.reasons))
                note(f"note: the {name} file will not run in {other}: {lines}")


def modes_in_full(name: str) -> tuple[str, ...]:
    """Return the networks whose every operation a target computes in int8, by default."""
    chosen = runtime.of_target(name).values()
    tables = [runtime.ABILITIES for runtime in chosen if runtime.IN_EXPORT]
    return tuple(
        mode
        for mode in registry.networks()
        if all(table.get(needs, ABSENT).int8 for table in tables for needs in _needs(mode))
    )


@functools.cache
def _needs(mode: str) -> frozenset[str]:
    """Operations of a network; their kinds do not depend on its size."""
    spec = ModelSpec(mode, n_chans=2, n_times=1000, n_outputs=2)
    net = lower(build.build(spec).module, spec)
    graph = extract(ptq.trace(net, spec.n_chans, spec.n_times))
    return frozenset(node.needs(graph) for node in graph.nodes)
