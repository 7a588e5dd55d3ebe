# SPDX-License-Identifier: BSD-3-Clause
"""Plan what a streaming engine keeps, and which positions it computes at which beat.

The engine's beat is the stride of the input pool: so many samples are mixed and filtered at a time,
and every tensor moves on by a whole number of positions. A decision falls on every
``hop / stride``-th beat. :mod:`quantize.graph.streaming` has the mathematics; here it is applied to
operations instead of nodes, and the stem, which is one operation, is cut by filter outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from firmware_bridge.emit.stem import tiling
from firmware_bridge.plan.operations import Lookup, Operation, Stem, TabledConv, reads
from firmware_bridge.plan.source import time_and_channels
from quantize.errors import IncompatibleError
from quantize.graph.qgraph import Node, QGraph
from quantize.graph.spans import Field, Span
from quantize.graph.streaming import pool_stride, refuse_hop


@dataclass(frozen=True)
class StemPlan:
    """One beat of the stem, in outputs of the temporal filter.

    Attributes
    ----------
    beat
        Samples, and filter outputs, of a beat.
    length, pad
        Of the filter.
    block
        Outputs per block; a beat is ``n_fresh`` blocks.
    carried
        Outputs of a beat that begin a block which the next beat ends.
    n_left, n_right
        Blocks of a window that see zeros on its left, on its right.
    n_last
        Outputs behind the last that sees no edge, as if the window ended here.
    offset
        Where in this beat's outputs those of a window begin whose first outputs are computed.
    tail
        Outputs of the last left block that see no edge.
    span
        Of the blocks.
    """

    beat: int
    length: int
    pad: int
    block: int
    carried: int
    n_left: int
    n_right: int
    n_last: int
    offset: int
    tail: int
    span: Span

    @property
    def n_fresh(self) -> int:
        """The blocks that see no edge and end in a beat."""
        return self.beat // self.block

    @property
    def late(self) -> int:
        """The outputs of the next beat that the last left block needs; 0 if none."""
        return max(0, self.offset + self.tail - self.beat) if self.n_left else 0

    @property
    def row(self) -> int:
        """The mixed samples per channel: history, this beat (even), zeros behind the window."""
        return self.length - 1 + self.beat + max(self.n_last, self.beat % 2)

    @property
    def n_sums(self) -> int:
        """The block sums that a beat gives: fresh, left, right."""
        return self.n_fresh + self.n_left + self.n_right


@dataclass(frozen=True)
class Kept:
    """A tensor between stages, of which some positions are kept.

    Its buffer holds, one behind the other, the positions on the left where ``whole``, those of the
    interior from ``oldest`` on, and those on the right. What is left of windows ahead lies in a
    ring of ``slots``.
    """

    name: str
    n_chans: int
    item_bytes: int
    span: Span
    oldest: int
    whole: bool
    slots: int

    @property
    def origin(self) -> int:
        """The position that the buffer begins with."""
        return 0 if self.whole else self.oldest

    @property
    def rows(self) -> int:
        """Positions in the buffer."""
        return max(self.span.high, self.span.n) - self.origin

    @property
    def row_bytes(self) -> int:
        """The bytes of a position."""
        return self.n_chans * self.item_bytes


@dataclass(frozen=True)
class Segment:
    """Positions [begin, end) of a stage's exit, computed from [first, last) of its entry.

    ``pad`` zeros stand before ``first``; ``ahead`` is the window's distance in beats.
    """

    begin: int
    end: int
    first: int
    last: int
    pad: int
    ahead: int

    @property
    def n(self) -> int:
        """The number of positions."""
        return self.end - self.begin


@dataclass(frozen=True)
class StreamStage:
    """Operations between two kept tensors; only the first reads several positions."""

    operations: tuple[Operation, ...]
    entry: Kept
    exit: Kept
    fresh: Segment
    left: Segment
    right: Segment


@dataclass(frozen=True)
class StreamPlan:
    """The whole plan; ``beats`` is the number of beats between decisions."""

    n_times: int
    hop: int
    beats: int
    stem: Stem
    stem_plan: StemPlan
    stages: tuple[StreamStage, ...]
    rest: tuple[Operation, ...]

    @property
    def until(self) -> int:
        """The beats from a reset to the first decision."""
        return -(-self.n_times // self.stem_plan.beat)

    @property
    def first_until(self) -> int:
        """What is left of them when the first beat is done."""
        return self.until - 1

    @property
    def blocks(self) -> Kept:
        """What the stem writes."""
        return self.stages[0].entry

    @property
    def tokens(self) -> Kept:
        """What the rest of the network reads: a whole window of it."""
        return self.stages[-1].exit


def plan(graph: QGraph, operations: Sequence[Operation], hop: int) -> StreamPlan:
    """Plan a schedule whose aliases are resolved.

    Raises
    ------
    UsageError
        When the hop is not a multiple of the input pool's stride.
    IncompatibleError
        When the network has no stem, or its windows are hardly longer than its filter.
    """
    refuse_hop(graph, hop)
    stem = operations[0]
    if not isinstance(stem, Stem):
        raise IncompatibleError(
            "The streaming engine takes networks that begin with a mix, a temporal filter and a "
            "pool; this one does not. Use the windowed engine."
        )
    beat = pool_stride(graph)
    of_stem = _stem_plan(graph, stem, beat)
    groups, n_taken = _groups(graph, stem, operations, beat)
    spans, fields = [of_stem.span], []
    for group in groups:
        field = _field(graph, group)
        fields.append(field)
        spans.append(_span(spans[-1], field, time_and_channels(graph, group[-1].output)[0]))
    spans[-1] = replace(spans[-1], ahead=0)
    return StreamPlan(
        graph[graph.input].shape[2],
        hop,
        hop // beat,
        stem,
        of_stem,
        _stages(graph, stem, groups, fields, spans, hop // beat),
        tuple(operations[n_taken:]),
    )


def keeps_sums(stem: Stem) -> bool:
    """Return whether a pool window is more than a block, so that sums are kept."""
    tiles = tiling(stem.pool.length, stem.pool.stride, 1)
    return (tiles.pool_blocks, tiles.pool_stride) != (1, 1)


def _stem_plan(graph: QGraph, stem: Stem, beat: int) -> StemPlan:
    n_times = graph[graph.input].shape[2]
    length = graph.constants[f"{stem.temporal.output}.weight"].shape[2]
    pad = stem.temporal.pad[0]
    tiles = tiling(stem.pool.length, stem.pool.stride, graph[stem.output].shape[2])
    block = tiles.block
    inside = n_times - length + pad + 1  # outputs that see no zeros on the right
    high = inside // block
    n_left = -(-pad // block)
    ahead = (n_times - length + 1) // beat
    offset = ahead * beat - (n_times - length + 1 - beat)
    tail = n_left * block - pad
    late = n_left > 0 and offset + tail > beat
    span = Span(tiles.n_blocks, n_left, high, beat // block, ahead - late)
    if span.ahead < 0 or n_left > high:
        raise IncompatibleError(
            f"Windows of {n_times} samples are too short to be streamed behind a filter of "
            f"{length}: a block of the pool sees both edges. Use the windowed engine."
        )
    n_right = max(0, tiles.n_blocks - high)
    return StemPlan(
        beat=beat,
        length=length,
        pad=pad,
        block=block,
        carried=inside - high * block,
        n_left=n_left,
        n_right=n_right,
        n_last=max(0, tiles.n_blocks * block - inside),
        offset=offset,
        tail=tail,
        span=span,
    )


def _groups(
    graph: QGraph, stem: Stem, operations: Sequence[Operation], beat: int
) -> tuple[list[list[Operation]], int]:
    """Operations by stage, and how many of the schedule that are, the stem included."""
    chain: list[Operation] = [stem] if keeps_sums(stem) else []
    stride = beat if keeps_sums(stem) else stem.pool.stride
    taken, output = 1, stem.output
    for operation in operations[1:]:
        later = [name for other in operations[taken:] for name in reads(other)]
        local = isinstance(operation, TabledConv) or (
            isinstance(operation, Node) and operation.reach == "neighbourhood"
        )
        if not local or operation.output == graph.head.output or later.count(output) != 1:
            break
        stride *= kernel_of(graph, operation)[1]
        if reads(operation) != (output,) or graph[operation.output].quant is None or stride > beat:
            break
        chain.append(operation)
        taken, output = taken + 1, operation.output
    groups: list[list[Operation]] = []
    for operation in chain:
        if not groups or kernel_of(graph, operation)[0] > 1:
            groups.append([])
        groups[-1].append(operation)
    return groups, taken


def kernel_of(graph: QGraph, operation: Operation) -> tuple[int, int, int]:
    """Return length, stride and padding on the left; a stem's are its pool's, in blocks."""
    match operation:
        case Stem():
            tiles = tiling(operation.pool.length, operation.pool.stride, 1)
            return tiles.pool_blocks, tiles.pool_stride, 0
        case TabledConv():
            return operation.node.kernel(graph)
        case Lookup():
            return 1, 1, 0
        case _:
            return operation.kernel(graph)


def _field(graph: QGraph, group: Sequence[Operation]) -> Field:
    field = Field()
    for operation in group:
        field = field.behind(*kernel_of(graph, operation))
    return field


def _span(before: Span, field: Field, n: int) -> Span:
    low, high = field.inside(before.low, before.high)
    low = min(low, n)
    high = max(low, min(high, n))
    step = before.step // field.stride
    ahead = before.ahead
    if low:
        ahead = min(ahead, (before.high - field.end(low - 1)) // before.step)
    return Span(n, low, high, step, max(0, ahead))


def _stages(
    graph: QGraph,
    stem: Stem,
    groups: Sequence[Sequence[Operation]],
    fields: Sequence[Field],
    spans: Sequence[Span],
    beats: int,
) -> tuple[StreamStage, ...]:
    segments = [
        _segments(field, before, after)
        for field, before, after in zip(fields, spans, spans[1:], strict=False)
    ]
    kept = []
    for i, span in enumerate(spans):
        name = groups[i - 1][-1].output if i else stem.output
        item_bytes = 2 if i == 0 and keeps_sums(stem) else 1
        read = segments[i] if i < len(segments) else None
        n_chans = graph[stem.mix.output if i == 0 else name].shape[-1]
        kept.append(_kept(name, n_chans, item_bytes, span, read, beats))
    return tuple(
        StreamStage(tuple(group), kept[i], kept[i + 1], *segments[i])
        for i, group in enumerate(groups)
    )


def _segments(field: Field, before: Span, after: Span) -> tuple[Segment, Segment, Segment]:
    """Fresh, left and right positions."""

    def segment(begin: int, end: int, ahead: int) -> Segment:
        if begin >= end:
            return Segment(begin, begin, before.high, before.high, 0, ahead)
        first, last = field.begin(begin), min(field.end(end - 1), before.n)
        return Segment(begin, end, max(first, 0), last, max(-first, 0), ahead)

    fresh = segment(max(after.low, after.high - after.step), after.high, 0)
    return fresh, segment(0, after.low, after.ahead), segment(after.high, after.n, 0)


def _kept(
    name: str,
    n_chans: int,
    item_bytes: int,
    span: Span,
    read: tuple[Segment, Segment, Segment] | None,
    beats: int,
) -> Kept:
    if read is None:  # the rest of the network reads all of it
        return Kept(name, n_chans, item_bytes, span, span.low, True, 0)
    used = [segment for segment in read if segment.n]
    now = [segment.first for segment in used if segment.ahead == 0]
    whole = any(first < span.low for first in now)
    ahead = [segment.ahead for segment in used if segment.first < span.low]
    oldest = min([span.high, *now, *(span.low + segment.ahead * span.step for segment in used if
                                     segment.ahead)])  # fmt: skip
    oldest = max(oldest, span.low)
    in_place = span.ahead == 0 and whole
    slots = (span.ahead - min(ahead)) // beats + 1 if ahead and span.low and not in_place else 0
    return Kept(name, n_chans, item_bytes, span, span.low if whole else oldest, whole, slots)
