# SPDX-License-Identifier: BSD-3-Clause
"""Compute a sliding window's logits from what changed, to the same bits as the whole window.

The pools of a network are anchored at the window's start. When the window moves on by a multiple of
the input pool's stride, every value that does not see an edge of the window is what it was, one
place to the left. Only what sees zeros beyond an edge is another value in every window:

* on the left, values "as if the window began here" are computed for every window that will be,
  while its samples are at hand, and kept until the window is full;
* on the right, values "as if the window ended here" are computed for every decision.

The part of a network that is local in time is cut into :class:`Stage` s wherever a kernel longer
than one sample reads. What such a kernel reads is kept, as much of it as will be read again. Behind
the last stage (a gate looks at all of time) every decision runs the graph as it is. No torch is
needed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from quantize.errors import IncompatibleError, UsageError
from quantize.graph import reference
from quantize.graph.layouts import with_height
from quantize.graph.outputs import refuse_others
from quantize.graph.qgraph import Array, Conv, Node, QGraph
from quantize.graph.spans import Field, Span


@dataclass(frozen=True)
class Stage:
    """The nodes from one kept tensor to the next."""

    entry: str
    exit: str
    nodes: tuple[Node, ...]
    field: Field
    before: Span
    after: Span

    @property
    def fresh(self) -> int:
        """The first interior position of the exit that the last decision did not have."""
        return max(self.after.low, self.after.high - self.after.step)

    @property
    def oldest(self) -> int:
        """The first interior position of the entry that is ever read."""
        after, before, field = self.after, self.before, self.field
        reads = [before.high]
        if after.high > after.low:
            reads.append(field.begin(self.fresh))
        if after.low:
            reads.append(before.low + after.ahead * before.step)
        if after.high < after.n:
            reads.append(field.begin(after.high))
        return max(min(reads), before.low)


def pool_stride(graph: QGraph) -> int:
    """Return the samples between neighbouring tokens: the stride of the first pool."""
    stride, found = 1, False
    for node in graph.nodes:
        if node.reach == "neighbourhood" and not isinstance(node, Conv):
            stride, found = stride * node.kernel(graph)[1], True
        elif found:
            break
    return stride


def refuse_hop(graph: QGraph, hop: int) -> None:
    """Raise unless windows ``hop`` samples apart share their interior.

    Raises
    ------
    UsageError
        With the nearest hop that does.
    """
    stride = pool_stride(graph)
    if hop < 1 or hop % stride:
        nearest = max(round(hop / stride), 1) * stride
        raise UsageError(
            f"A hop of {hop} samples is not a multiple of the input pool's stride of {stride}, so "
            f"windows would share nothing. The nearest hop is {nearest} samples."
        )


def plan(graph: QGraph, hop: int) -> tuple[Stage, ...]:
    """Return the stages of a graph, in the order in which they run.

    Raises
    ------
    UsageError
        When the hop is not a multiple of the input pool's stride.
    IncompatibleError
        When the graph does not begin with something local in time.
    """
    refuse_hop(graph, hop)
    nodes = _local(graph)
    cuts = [i for i in range(len(nodes)) if _is_cut(graph, nodes, i)]
    if not cuts:
        raise IncompatibleError("Nothing of this graph is local in time, so it cannot be streamed.")
    ends = [i for i in cuts if i == cuts[-1] or nodes[i + 1].kernel(graph)[0] > 1]
    n_times = graph[graph.input].shape[2]
    span = Span(n_times, 0, n_times, hop, n_times // hop)
    entry, first, stages = graph.input, 0, []
    for end in ends:
        stage = _stage(graph, entry, nodes[first : end + 1], span)
        if end == ends[-1]:  # its left positions are wide: they wait for the decision
            stage = replace(stage, after=replace(stage.after, ahead=0))
        stages.append(stage)
        entry, first, span = stage.exit, end + 1, stage.after
    return tuple(stages)


def _local(graph: QGraph) -> list[Node]:
    """The nodes up to the first that looks at all of time or thins the tokens out."""
    found: list[Node] = []
    jump = {graph.input: 1}
    for node in graph.nodes:
        names = node.inputs
        aligned = len({graph[name].shape[2] for name in names}) == 1
        if node.reach == "everything" or node == graph.head or not aligned:
            break
        jump[node.output] = jump[node.input] * node.kernel(graph)[1]
        if jump[node.output] > pool_stride(graph):
            break
        found.append(node)
    return found


def _is_cut(graph: QGraph, nodes: Sequence[Node], i: int) -> bool:
    """Whether all that is read behind node ``i`` is its output or comes later."""
    before = {graph.input, *(node.output for node in nodes[: i + 1])}
    later = graph.nodes[i + 1 :]
    return before.intersection(name for node in later for name in node.inputs) == {nodes[i].output}


def _stage(graph: QGraph, entry: str, nodes: Sequence[Node], before: Span) -> Stage:
    fields = {entry: Field()}
    for node in nodes:
        fields[node.output] = fields[node.input].behind(*node.kernel(graph))
    exit_, field = nodes[-1].output, fields[nodes[-1].output]
    n = graph[exit_].shape[2]
    low, high = field.inside(before.low, before.high)
    low = min(low, n)
    high = max(low, min(high, n))
    step = before.step // field.stride
    ahead = high // step if low == 0 else (before.high - field.end(low - 1)) // before.step
    after = Span(n, low, high, step, max(0, min(ahead, before.ahead)))
    return Stage(entry, exit_, tuple(nodes), field, before, after)


class _Kept:
    """A tensor between stages: what of it will be read again. Values are (positions, channels)."""

    def __init__(self, span: Span, oldest: int, empty: Array) -> None:
        self.span = span
        self.origin = oldest
        self.interior = np.repeat(empty[None], span.high - oldest, 0)
        self.left: deque[Array] = deque([np.repeat(empty[None], span.low, 0)] * (span.ahead + 1))
        self.right = empty[None][:0]

    def read(self, ahead: int, begin: int, end: int) -> Array:
        """Positions [begin, end) of the window that many decisions ahead."""
        span, shift = self.span, ahead * self.span.step
        left = self.left[ahead][begin : span.low] if begin < span.low else self.right[:0]
        first = max(begin, span.low) + shift - self.origin
        last = (end if ahead else min(end, span.high)) + shift - self.origin
        inner = self.interior[max(first, 0) : max(last, 0)]
        right = self.right[max(begin - span.high, 0) : max(end - span.high, 0)]
        return np.concatenate([left[: end - begin], inner, right[:0] if ahead else right])

    def renew(self, left: Array, fresh: Array, right: Array) -> None:
        """Move on by one decision."""
        self.left.popleft()
        self.left.append(left)
        kept = self.span.high - self.origin
        joined = np.concatenate([self.interior, fresh])
        self.interior = joined[len(joined) - kept :]
        self.right = right


def _positions(graph: QGraph, stage: Stage, kept: _Kept, ahead: int, begin: int, end: int) -> Array:
    """Positions [begin, end) of a stage's exit in the window that many decisions ahead."""
    if begin >= end:
        return np.zeros((0, graph[stage.exit].shape[-1]), _type(graph, stage.exit))
    first, last = stage.field.begin(begin), stage.field.end(end - 1)
    from_start, to_end = first < 0, last > stage.before.n
    x = kept.read(ahead, max(first, 0), min(last, stage.before.n))
    values = {stage.entry: with_height(x[None])}
    for node in stage.nodes:
        if isinstance(node, Conv):
            edges = (node.pad[0] if from_start else 0, node.pad[1] if to_end else 0)
            node = replace(node, pad=edges)  # noqa: PLW2901
        values[node.output] = node.evaluate(graph, values)
    skipped = begin if from_start else 0
    return values[stage.exit][0, 0, skipped : skipped + end - begin]


def _type(graph: QGraph, name: str) -> np.dtype[Any]:
    quant = graph[name].quant
    return np.dtype(np.float32) if quant is None else quant.dtype


@dataclass(frozen=True, eq=False)
class Step:
    """A decision: the number of the window's last sample, from 0, and the window's logits."""

    sample: int
    logits: reference.Logits


class Streaming:
    """A graph, float or integer, that is fed with samples as they come.

    Integers are :func:`quantize.graph.reference.run` 's on every window, bit for bit; floats are
    up to the order of their sums.

    Parameters
    ----------
    hop
        Samples between decisions, a multiple of the input pool's stride. The first decision falls
        on the sample that completes the first window.

    Raises
    ------
    IncompatibleError
        When the graph gives more than logits.
    """

    def __init__(self, graph: QGraph, hop: int) -> None:
        refuse_others(graph, "Streaming")
        self.graph = graph
        self.hop = hop
        self.stages = plan(graph, hop)
        self.rest = graph.nodes[sum(len(stage.nodes) for stage in self.stages) :]
        self.reset()

    def reset(self) -> None:
        """Forget all samples."""
        self._kept: list[_Kept] = []
        spans = [stage.before for stage in self.stages]
        oldest = [stage.oldest for stage in self.stages]
        names = [stage.entry for stage in self.stages]
        last = self.stages[-1]
        for name, span, first in zip(
            [*names, last.exit], [*spans, last.after], [*oldest, last.after.low], strict=True
        ):
            empty: Array = np.zeros(self.graph[name].shape[-1], _type(self.graph, name))
            self._kept.append(_Kept(span, first, empty))
        self._n_samples = 0
        self._waiting = self._kept[0].interior[:0]

    @property
    def n_times(self) -> int:
        """The samples of a window."""
        return self.stages[0].before.n

    def push(self, frames: Array) -> list[Step]:
        """Take samples (n, n_chans) of the input's type; give the decisions that they complete."""
        frames = np.concatenate([self._waiting, np.asarray(frames, self._waiting.dtype)])
        first = self._n_samples - len(self._waiting)
        found = []
        begin = 0
        while (end := self._due(first + begin) - first) <= len(frames):
            self._advance(frames[begin:end])
            if first + end >= self.n_times:
                found.append(Step(first + end - 1, self._decide()))
            begin = end
        self._waiting = frames[begin:]
        self._n_samples = first + len(frames)
        return found

    def _due(self, n_samples: int) -> int:
        """The next number of samples at which the window moves on: n_times modulo the hop."""
        return n_samples + self.hop - (n_samples - self.n_times) % self.hop

    def _advance(self, samples: Array) -> None:
        nothing = samples[:0]
        self._kept[0].renew(nothing, samples, nothing)
        for stage, before, after in zip(self.stages, self._kept, self._kept[1:], strict=False):
            span, graph = stage.after, self.graph
            after.renew(
                _positions(graph, stage, before, span.ahead, 0, span.low),
                _positions(graph, stage, before, 0, stage.fresh, span.high),
                _positions(graph, stage, before, 0, span.high, span.n),
            )

    def _decide(self) -> reference.Logits:
        last = self.stages[-1]
        values = {last.exit: with_height(self._kept[-1].read(0, 0, last.after.n)[None])}
        return reference.finish(self.graph, self.rest, values)


def all_windows(frames: Array, n_times: int, hop: int) -> Array:
    """Return every window of a signal (n_samples, n_chans) that streaming decides on.

    Returns
    -------
    array
        (n_windows, n_times, n_chans).
    """
    count = max(0, (len(frames) - n_times) // hop + 1)
    starts = range(0, count * hop, hop)
    shape = (0, n_times, frames.shape[1])
    return np.stack([frames[s : s + n_times] for s in starts]) if count else np.zeros(shape)
