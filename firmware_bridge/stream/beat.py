# SPDX-License-Identifier: BSD-3-Clause
"""Write the C of one beat: the stem, then every stage on its fresh, left and right positions.

A stage's positions are rows of one array, fresh ones first, then those on the right, then those on
the left, so that every operation but the first runs once over all of them. Where several beats
pass between decisions, most need the fresh rows only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from firmware_bridge.escaping import c_text
from firmware_bridge.plan.source import Emission, call, identifier, indented
from firmware_bridge.stream import work
from firmware_bridge.stream.part import Part
from firmware_bridge.stream.plan import Kept, Segment, StreamPlan, StreamStage, keeps_sums
from firmware_bridge.stream.stem import shape_name
from firmware_bridge.stream.work import Task
from quantize.graph.qgraph import QGraph

DUE = "until == 0"
CHUNK = 4
"""Mixed channels that the stem does at a time where its work is spread."""

Move = Callable[[str, int, int], str]
"""From destination, first row and number of rows to a statement that takes them there."""


def gathers(stage: StreamStage) -> bool:
    """Return whether left positions lie apart, in the ring and in the buffer."""
    return bool(stage.left.n and stage.left.ahead and stage.left.first < stage.entry.span.low)


@dataclass(frozen=True)
class Beat:
    """A writer of what is done in a beat.

    ``memory`` is what the offset of every buffer is called, by the buffer's name. The statements
    know ``until``, the beats from here to the next decision; it is 0 where a window ends with the
    last frame.
    """

    name: str
    plan: StreamPlan
    memory: Mapping[str, str]
    spread: bool

    def tasks(
        self, graph: QGraph, stem: Emission, parts: Sequence[Sequence[Part]]
    ) -> Iterator[Task]:
        """Return the work in pieces that may be done one after the other, at any time."""
        n_mixed, output = self.plan.blocks.n_chans, self.plan.stem.output
        chunk = CHUNK if self.spread else n_mixed
        whole = work.of_stem(graph, self.plan)
        for begin in range(0, n_mixed, chunk):
            end = min(begin + chunk, n_mixed)
            lines, cost = [*self._stem(stem, begin, end)], whole * (end - begin) // n_mixed
            if end == n_mixed:
                lines += self._blocks()
                cost += work.of_blocks(self.plan)
            yield Task(block(output, 0, lines), cost)
        first = 1
        for stage, functions in zip(self.plan.stages, parts, strict=True):
            for part, text in zip(functions, self._stage(stage, functions, first), strict=True):
                yield Task(text, work.of_operation(graph, part.operation, part.largest))
            first += len(functions)

    def at(self, buffer: str, n_bytes: int = 0) -> str:
        """Return the address of a buffer.

        In parentheses, so that a compiler sees one offset: clang spends an addition on two.
        """
        place = self.memory[buffer]
        return f"arena + ({place} + {n_bytes})" if n_bytes else f"arena + {place}"

    def buffer(self, kept: Kept, position: int, ahead: int = 0) -> str:
        """Return the address of a position in a kept tensor's buffer."""
        row = position + ahead * kept.span.step - kept.origin
        return self.at(f"{kept.name} kept", row * kept.row_bytes)

    def _stem(self, stem: Emission, begin: int, end: int) -> Iterator[str]:
        of_stem = self.plan.stem_plan
        ahead = of_stem.span.ahead + (of_stem.late > 0)
        frames = self.at("frames taken" if self.spread else "frames")
        yield f"const int8_t *const frames = {frames};"
        yield f"int8_t *const rows = {self.at('rows')};"
        for name in ("carries", "pending", "sums_of_blocks"):
            yield f"int16_t *const {name} = (int16_t *)(void *)({self.at(name)});"
        yield f"void *const stem_scratch = {self.at('stem_scratch')};"
        yield f"const int32_t first = {self._when(ahead) or '1'};"
        yield f"const int32_t due = {DUE};"
        yield f"const int32_t from = {begin}, to = {end};"
        yield stem.call

    def _blocks(self) -> Iterator[str]:
        """Move the stem's block sums to where they are kept."""
        of_stem, blocks = self.plan.stem_plan, self.plan.blocks
        n_chans = blocks.n_chans

        def move(to: str, row: int, n: int) -> str:
            source = plus("sums_of_blocks", row * n_chans)
            if keeps_sums(self.plan.stem):
                return call("memcpy", to, source, n * blocks.row_bytes)
            return call("edge_beats_pooled", f"&{shape_name(self.name)}", source, n * n_chans, to)

        n_fresh, low, high = of_stem.n_fresh, blocks.span.low, blocks.span.high
        fresh = Segment(high - n_fresh, high, 0, 0, 0, 0)
        left = Segment(0, low, 0, 0, 0, blocks.span.ahead)
        right = Segment(high, high + of_stem.n_right, 0, 0, 0, 0)
        yield from self._store(blocks, (fresh, left, right), move)

    def _stage(self, stage: StreamStage, parts: Sequence[Part], layer: int) -> Iterator[str]:
        segments = (stage.fresh, stage.left, stage.right)
        for i, part in enumerate(parts):
            output = part.operation.output
            lines = []
            if i == 0:
                lines += list(self._first(stage, part))
            else:
                lines.append(f"const int32_t n = {self._rows(segments)};")
                source = self.at(f"{parts[i - 1].operation.output} rows")
                lines.append(self._run(part, source, "n", 0, "n", 0))
            if part is parts[-1]:
                lines += self._store(stage.exit, segments, self._copy(part, stage.exit.row_bytes))
            yield block(output, layer + i, self._while_needed(stage, lines))

    def _copy(self, part: Part, size: int) -> Move:
        """Take rows of ``size`` bytes from where a part has written them."""

        def move(to: str, row: int, n: int) -> str:
            source = self.at(f"{part.operation.output} rows", row * size)
            return call("memcpy", to, source, n * size)

        return move

    def _first(self, stage: StreamStage, part: Part) -> Iterator[str]:
        """The operation that reads more than one position, on one segment after the other."""
        fresh, left, right = stage.fresh, stage.left, stage.right
        together = Segment(fresh.begin, right.end, fresh.first, right.last, fresh.pad, 0)
        needed = self._fresh(stage)
        if fresh.n and right.n:
            both, alone = (self._segment(stage, part, s, 0) for s in (together, fresh))
            if self.plan.beats == 1:  # a constant number of rows is worth more than a few of them
                yield from _conditional(None, both)
            else:
                yield from _conditional(DUE, both)
                before = f"until != 0 && {needed}" if needed else "until != 0"
                yield from _conditional(before, alone)
        elif fresh.n or right.n:
            chosen, when = (fresh, needed) if fresh.n else (right, DUE)
            yield from _conditional(when, self._segment(stage, part, chosen, 0))
        if left.n:
            lines = self._segment(stage, part, left, fresh.n + right.n)
            yield from _conditional(self._when(left.ahead), lines)

    def _segment(self, stage: StreamStage, part: Part, segment: Segment, row: int) -> list[str]:
        """Statements that compute one segment into rows from ``row`` on."""
        source = self.buffer(stage.entry, segment.first, segment.ahead)
        lines: list[str] = []
        if segment is stage.left and gathers(stage):
            source = self.at(f"{stage.exit.name} gathered")
            lines += self._gather(stage, source)
        n_times = segment.last - segment.first
        return [*lines, self._run(part, source, n_times, segment.pad, segment.n, row)]

    def _run(
        self, part: Part, source: str, n_times: int | str, pad: int, n: int | str, row: int
    ) -> str:
        output = part.operation.output
        given: dict[str, object] = {"n_times": n_times, "pad": pad, "n": n}
        if part.emission.scratch_bytes:
            given["scratch"] = self.at(f"{output} scratch")
        if part.takes_sums:
            source = f"(const int16_t *)(const void *)({source})"
        to = self.at(f"{output} rows", row * part.n_chans)
        return call(part.function, source, *(given[argument] for argument in part.takes), to)

    def _gather(self, stage: StreamStage, to: str) -> Iterator[str]:
        """Left positions of the entry, then those of its interior behind them."""
        entry, left = stage.entry, stage.left
        n_ring = min(entry.span.low, left.last) - left.first
        n = left.last - left.first
        yield from self._slot(entry, 1 + (entry.span.ahead - left.ahead) // self.plan.beats)
        size = entry.row_bytes
        yield call("memcpy", to, plus("from_ring", left.first * size), n_ring * size)
        if n > n_ring:
            rest = self.buffer(entry, entry.span.low, left.ahead)
            to = self.at(f"{stage.exit.name} gathered", n_ring * size)
            yield call("memcpy", to, rest, (n - n_ring) * size)

    def _slot(self, kept: Kept, back: int) -> Iterator[str]:
        """Point ``from_ring`` to what was written ``back`` writes ago."""
        slot = f"m->{identifier(kept.name)}_slot"
        size = kept.span.low * kept.row_bytes
        ring = self.at(f"{kept.name} ring")
        yield f"const int32_t slot = {slot} - {back};"
        yield "const int8_t *const from_ring ="
        yield f"    {ring} + (slot < 0 ? slot + {kept.slots} : slot) * {size};"

    def _within(self, ahead: int) -> str | None:
        """Whether a window that many beats ahead is one; None where it is but for two beats."""
        return None if ahead >= self.plan.first_until - 2 else f"until <= {ahead}"

    def _when(self, ahead: int) -> str | None:
        """Whether the window that many beats ahead will be decided; None where each one is."""
        if ahead == 0:
            return DUE
        phase = None if self.plan.beats == 1 else f"phase == {ahead % self.plan.beats}"
        return " && ".join(filter(None, (phase, self._within(ahead)))) or None

    def _fresh(self, stage: StreamStage) -> str | None:
        """Whether a window holds the fresh positions of a stage; None where one always does.

        Those of the first beats lie before the first window's interior.
        """
        span = stage.exit.span
        return self._within((span.high - 1 - span.low) // max(span.step, 1))

    def _while_needed(self, stage: StreamStage, lines: Sequence[str]) -> list[str]:
        """Statements of a stage, done as soon as a window holds anything of it."""
        ends = [(stage.exit.span.high - 1 - stage.exit.span.low) // max(stage.exit.span.step, 1)]
        ends += [stage.left.ahead] if stage.left.n else []
        needed = self._within(max(ends))
        return list(lines) if needed is None else [*_conditional(needed, lines)]

    def _rows(self, segments: Sequence[Segment]) -> str:
        """How many rows of a stage this beat needs."""
        fresh, left, right = segments
        both, when = fresh.n + right.n, self._when(left.ahead)
        if self.plan.beats == 1 or (left.n and when is None):
            return str(both + left.n)
        if left.n and when == DUE:
            return f"({DUE}) ? {both + left.n} : {fresh.n}"
        now = f"({DUE}) ? {both} : {fresh.n}" if right.n else str(fresh.n)
        return f"({when}) ? {both + left.n} : ({now})" if left.n else now

    def _store(self, kept: Kept, segments: Sequence[Segment], move: Move) -> Iterator[str]:
        """Move on by a beat: the interior down, fresh rows behind it, left and right ones."""
        fresh, left, right = segments
        n_kept = kept.span.high - kept.oldest
        stored = min(fresh.n, n_kept)
        if n_kept > stored:
            to, origin = (self.buffer(kept, kept.oldest + k) for k in (0, stored))
            yield call("edge_beats_shift", to, origin, (n_kept - stored) * kept.row_bytes)
        if stored:
            yield move(self.buffer(kept, fresh.end - stored), fresh.n - stored, stored)
        if left.n and (kept.slots or kept.whole):
            lines = list(self._store_left(kept, left, fresh.n + right.n, move))
            yield from _conditional(self._when(left.ahead), lines)
        if kept.whole and kept.slots:
            lines = list(self._slot(kept, 1 + kept.span.ahead // self.plan.beats))
            to = self.buffer(kept, 0)
            lines.append(call("memcpy", to, "from_ring", left.n * kept.row_bytes))
            yield from _conditional(DUE, lines)
        if right.n and kept.rows > kept.span.high - kept.origin:
            to = self.buffer(kept, right.begin)
            yield from _conditional(DUE, [move(to, fresh.n, right.n)])

    def _store_left(self, kept: Kept, left: Segment, row: int, move: Move) -> Iterator[str]:
        if not kept.slots:
            yield move(self.buffer(kept, 0), row, left.n)
            return
        slot = f"m->{identifier(kept.name)}_slot"
        ring = f"{self.at(f'{kept.name} ring')} + {slot} * {left.n * kept.row_bytes}"
        yield move(ring, row, left.n)
        yield f"{slot} = {slot} == {kept.slots - 1} ? 0 : {slot} + 1;"


def plus(address: str, n: int) -> str:
    """Write an address and a number that is added to it, unless it is 0."""
    return f"{address} + {n}" if n else address


def block(title: str, layer: int, lines: Sequence[str]) -> str:
    """Return a block of statements that announces a layer."""
    inner = indented("\n".join([f"EDGE_LAYER({layer});", *lines]))
    return f"/* {c_text(title)} */\n{{\n{inner}\n}}"


def _conditional(when: str | None, lines: Sequence[str]) -> Iterator[str]:
    """A block, run on a condition or, where there is None, always."""
    yield "{" if when is None else f"if ({when}) {{"
    yield indented("\n".join(lines))
    yield "}"
