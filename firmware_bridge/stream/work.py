# SPDX-License-Identifier: BSD-3-Clause
"""Estimate what the pieces of a beat cost, and lay them on the pushes of the next beat.

Estimates are about instructions of a Cortex-M4. They only decide what is done together with what;
``edge bench --stream --device cortex-m4`` counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from firmware_bridge.plan.operations import Operation, Stem, TabledConv, reads
from firmware_bridge.plan.source import time_and_channels
from firmware_bridge.stream.plan import StreamPlan, kernel_of
from quantize.graph.qgraph import Multiply, QGraph

PRODUCT = 2
"""Instructions for a product of a convolution, its loads and rounding included."""
READ = 2
"""For a value that is read otherwise."""
WRITTEN = 5
"""To round and store what was read."""
SCALED = 7
"""For a value of an element-wise product."""
OF_FLOAT = 40
"""For a value of an operation in float."""


@dataclass(frozen=True)
class Task:
    """A piece of a beat's work, as statements, and its estimated cost.

    ``when_due`` says that it is done only where a window ends.
    """

    text: str
    cost: int
    when_due: bool = False


def of_stem(graph: QGraph, plan: StreamPlan) -> int:
    """Estimate a beat of the stem: mix, filter and table."""
    stem = plan.stem_plan
    n_chans = time_and_channels(graph, graph.input)[1]
    outputs = stem.beat + stem.n_last + stem.pad
    mixed = plan.blocks.n_chans
    return mixed * (stem.beat * (n_chans + 6) + outputs * (stem.length + 6))


def of_blocks(plan: StreamPlan) -> int:
    """Estimate what moves the stem's blocks to where they are kept."""
    return 8 * plan.stem_plan.n_sums * plan.blocks.n_chans


def of_operation(graph: QGraph, operation: Operation, n: int | None = None) -> int:
    """Estimate an operation on ``n`` positions; on all of them without."""
    times, channels = time_and_channels(graph, operation.output)
    outputs = channels * (times if n is None else n)
    if graph[operation.output].quant is None:
        return OF_FLOAT * outputs
    if isinstance(operation, TabledConv):
        shape = graph.constants[f"{operation.node.output}.weight"].shape
        return PRODUCT * int(np.prod(shape)) * outputs // channels + READ * outputs
    if isinstance(operation, Multiply):
        return SCALED * outputs
    if isinstance(operation, Stem) or getattr(operation, "reach", "") == "neighbourhood":
        length = kernel_of(graph, operation)[0]
    else:
        source = time_and_channels(graph, reads(operation)[0])
        length = max(1, source[0] * source[1] // (times * channels))
    return (READ * length + WRITTEN) * outputs


def on_pushes(tasks: Sequence[Task], n: int) -> list[list[Task]]:
    """Lay tasks in their order on at most ``n`` pushes so that the dearest one is cheapest."""
    sums = [0, *accumulate(task.cost for task in tasks)]
    dearest = max(task.cost for task in tasks)
    limit = next(
        limit
        for limit in sorted({b - a for i, a in enumerate(sums) for b in sums[i:]})
        if limit >= dearest and len(_filled(tasks, limit)) <= n
    )
    return _filled(tasks, limit)


def _filled(tasks: Sequence[Task], limit: int) -> list[list[Task]]:
    """As many tasks a push as the limit allows."""
    found: list[list[Task]] = [[]]
    for task in tasks:
        if found[-1] and sum(one.cost for one in found[-1]) + task.cost > limit:
            found.append([])
        found[-1].append(task)
    return found
