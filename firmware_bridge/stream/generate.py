# SPDX-License-Identifier: BSD-3-Clause
"""Generate the streaming engine from a :class:`QGraph`: ``NAME_stream.h`` and ``NAME_stream.c``.

Frames go in, and a decision comes out every ``hop`` of them: the integers of the windowed engine on
the same window. :mod:`firmware_bridge.stream.plan` says what is kept and computed; kernels behind
the stem are the windowed engine's own, on fewer positions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from firmware_bridge.emit import body as body_of
from firmware_bridge.emit import checked
from firmware_bridge.emit.body import Step, is_float, resolve_aliases
from firmware_bridge.emit.emitters import emit
from firmware_bridge.emit.generate import Firmware, Origin, header_values
from firmware_bridge.plan import memory
from firmware_bridge.plan.memory import Buffer, Plan
from firmware_bridge.plan.operations import TabledConv, schedule
from firmware_bridge.plan.source import (
    Emission,
    identifier,
    refuse_ambiguous,
    refuse_name,
    shape_text,
)
from firmware_bridge.rendering import Code, render
from firmware_bridge.stream import plan as stream_plan
from firmware_bridge.stream import work
from firmware_bridge.stream.beat import Beat, block, gathers
from firmware_bridge.stream.part import Part, only_read, part_of
from firmware_bridge.stream.plan import StreamPlan
from firmware_bridge.stream.stem import emit_stream_stem, memory_of, shape_definition
from firmware_bridge.stream.work import Task
from quantize.errors import IncompatibleError
from quantize.graph.check import check
from quantize.graph.outputs import refuse_others
from quantize.graph.qgraph import QGraph

COUNTER_BYTES = 4
SLACK_ROWS = 4
"""Behind a stage's first rows: the packed filter writes six at a time."""


@dataclass(frozen=True)
class StreamFirmware(Firmware):
    """A streaming engine; ``name`` is that of its files, ``NAME_stream``.

    Attributes
    ----------
    prefix
        What its functions begin with: ``NAME_push``, ``NAME_reset``.
    hop
        Samples between decisions.
    counters
        Members of the struct that count samples and beats.
    delay
        Samples behind the end of a window at which its decision comes.
    """

    prefix: str
    hop: int
    counters: tuple[str, ...]
    delay: int = 0

    @property
    def state_bytes(self) -> int:
        """The size of the struct that the caller owns."""
        return super().state_bytes + COUNTER_BYTES * len(self.counters)


def generate_stream(
    graph: QGraph, hop: int, name: str = "edge", origin: Origin | None = None, spread: bool = False
) -> StreamFirmware:
    """Return the streaming C of an int8 graph.

    Parameters
    ----------
    spread
        Do a beat's work on the pushes of the next one, some of it on each, instead of all of it
        with its last frame.

    Raises
    ------
    UsageError
        When ``name`` is not a C identifier, or the hop shares nothing between windows.
    IncompatibleError
        When the graph cannot be streamed, gives more than logits, or has an operation without a
        kernel.
    """
    refuse_name(name)
    check(graph)
    refuse_ambiguous(graph)
    refuse_others(graph, "The streaming form")
    if graph[graph.input].quant is None or graph[graph.head.input].quant is None:
        raise IncompatibleError(
            "The C engine takes int8 frames and gives int16 logits; this graph is float32. "
            "Export with --int8."
        )
    aliases, operations = resolve_aliases(schedule(graph))
    plan = stream_plan.plan(graph, operations, hop)
    head = plan.rest[-1]
    assert isinstance(head, TabledConv)
    parts = [[part_of(graph, name, stage, op) for op in stage.operations] for stage in plan.stages]
    shortened = only_read(graph, plan.rest, aliases)
    rest = [Step(op, emit(shortened, op, name)) for op in plan.rest[:-1]]
    stem = emit_stream_stem(graph, plan, name)
    plans = _memory(graph, plan, parts, rest, aliases, stem, spread=spread)
    emissions = [stem, *(part.emission for stage in parts for part in stage)]
    emissions += [step.emission for step in rest]
    labels = [plan.stem.output, *(p.operation.output for stage in parts for p in stage)]
    labels += [*(step.operation.output for step in rest), head.output]
    counters = _counters(plan, spread)
    code = _Code(parts, rest, emissions)
    source, delay = _source(graph, name, plan, plans, code, aliases, spread=spread)
    files = {
        f"{name}_stream.c": source,
        f"{name}_stream.h": render(
            "engine/stream.h",
            hop=hop,
            delay=delay,
            counters=counters,
            **header_values(graph, name, origin or Origin(), plans),
        ),
        **body_of.kernels({kernel for emission in emissions for kernel in emission.kernels}),
    }
    return StreamFirmware(
        f"{name}_stream", files, *plans, tuple(labels), name, hop, counters, delay
    )


def _counters(plan: StreamPlan, spread: bool) -> tuple[str, ...]:
    """Members that count.

    ``waiting`` frames of the next beat, ``beats`` until a decision, which piece of the work is
    next where it is spread, next slot of every ring.
    """
    pieces = ("piece",) if spread else ()
    return ("waiting", "beats", *pieces, *_slots(plan))


def _slots(plan: StreamPlan) -> list[str]:
    kept = [stage.entry for stage in plan.stages]
    return [f"{identifier(k.name)}_slot" for k in kept if k.slots]


def _memory(
    graph: QGraph,
    plan: StreamPlan,
    parts: Sequence[Sequence[Part]],
    rest: Sequence[Step],
    aliases: Mapping[str, str],
    stem: Emission,
    *,
    spread: bool,
) -> tuple[Plan, Plan]:
    """What is kept lives always; the rest from the step that writes it to the last that reads."""
    n_mixed = graph[plan.stem.mix.output].shape[-1]
    n_chans = graph[graph.input].shape[-1]
    of_stem = memory_of(plan.stem_plan, n_mixed, n_chans)
    n_stages = sum(len(stage) for stage in parts)
    end = n_stages + len(rest) + 1
    found = [
        Buffer("frames", plan.stem_plan.beat * n_chans, 0, end),
        Buffer("rows", of_stem.rows, 0, end),
        Buffer("carries", of_stem.carries, 0, end),
        Buffer("pending", of_stem.pending, 0, end),
        Buffer("sums_of_blocks", of_stem.sums, 0, 0),
        Buffer("stem_scratch", stem.scratch_bytes, 0, 0),
    ]
    if spread:  # those that are worked on, while others come
        found.append(Buffer("frames taken", plan.stem_plan.beat * n_chans, 0, end))
    for kept in (*(stage.entry for stage in plan.stages), plan.tokens):
        found.append(Buffer(f"{kept.name} kept", kept.rows * kept.row_bytes, 0, end))
        if kept.slots:
            n = kept.slots * kept.span.low * kept.row_bytes
            found.append(Buffer(f"{kept.name} ring", n, 0, end))
    i = 1
    for stage, functions in zip(plan.stages, parts, strict=True):
        if gathers(stage):
            n = (stage.left.last - stage.left.first) * stage.entry.row_bytes
            found.append(Buffer(f"{stage.exit.name} gathered", n, i, i))
        for k, part in enumerate(functions):
            output, last = part.operation.output, k == len(functions) - 1
            n = (part.largest + (SLACK_ROWS if k == 0 else 0)) * graph[output].shape[-1]
            found.append(Buffer(f"{output} rows", n, i, i if last else i + 1))
            if part.emission.scratch_bytes:
                found.append(Buffer(f"{output} scratch", part.emission.scratch_bytes, i, i))
            i += 1
    operations = [*(step.operation for step in rest), plan.rest[-1]]
    found += [
        replace(b, first=b.first + i, last=b.last + i)
        for b in body_of.buffers(graph, operations, aliases, rest)
    ]
    return (
        memory.plan([b for b in found if not is_float(graph, b.name)]),
        memory.plan([b for b in found if is_float(graph, b.name)]),
    )


@dataclass(frozen=True)
class _Code:
    """The C of everything: the stages' functions, the rest's steps; the stem's emission first."""

    parts: Sequence[Sequence[Part]]
    rest: Sequence[Step]
    emissions: Sequence[Emission]


def _source(
    graph: QGraph,
    name: str,
    plan: StreamPlan,
    plans: tuple[Plan, Plan],
    code: _Code,
    aliases: Mapping[str, str],
    *,
    spread: bool,
) -> tuple[str, int]:
    """The text, and by how many samples its decisions are late."""
    parts, rest, emissions = code.parts, code.rest, code.emissions
    head = plan.rest[-1]
    assert isinstance(head, TabledConv)
    constants = list({c.name: c for emission in emissions for c in emission.constants}.values())
    constants += body_of.head_constants(graph, head, name)
    places = _places(plans[0], name)
    beat = Beat(name, plan, {buffer: place["name"] for buffer, place in places.items()}, spread)
    first = 1 + sum(len(stage) for stage in parts)
    tasks = list(beat.tasks(graph, emissions[0], parts))
    texts = body_of.steps_text(rest, first)
    texts.append(block(head.output, first + len(rest), [body_of.head_call(graph, head, name)]))
    last = [
        Task(text, work.of_operation(graph, operation), when_due=True)
        for text, operation in zip(texts, plan.rest, strict=True)
    ]
    pieces = work.on_pushes([*tasks, *last], plan.stem_plan.beat) if spread else []
    tokens = f"const int8_t *const {identifier(plan.tokens.name)}"
    declared = [
        f"{tokens} = {beat.buffer(plan.tokens, 0)}; /* {shape_text(graph, plan.tokens.name)} */",
        *body_of.declarations(graph, rest, aliases, beat.memory.__getitem__, plans[1]),
    ]
    definitions = [
        *(constant.text() for constant in constants),
        shape_definition(graph, plan, name),
    ]
    text = render(
        "engine/stream_spread.c" if spread else "engine/stream.c",
        name=name,
        upper=name.upper(),
        **body_of.preprocessor(emissions),
        constants=list(map(Code, definitions)),
        **checked.values(constants, f"{name}_stream_is_intact"),
        places=list(places.values()),
        parts=[Code(part.text) for stage in parts for part in stage],
        beat=Code("\n".join(task.text for task in tasks)),
        declarations=Code("\n".join(declared)),
        rest=Code("\n".join(task.text for task in last)),
        pieces=[[(Code(task.text), task.when_due) for task in piece] for piece in pieces],
        frames=Code(beat.at("frames")),
        taken=Code(beat.at("frames taken")) if spread else "",
        rows=Code(beat.at("rows")),
        rows_bytes=next(p.buffer.n_bytes for p in plans[0].placed if p.buffer.name == "rows"),
        mix_zero=graph.quant(plan.stem.mix.output).zero_point,
        beat_length=plan.stem_plan.beat,
        beats=plan.beats,
        waiting=-plan.n_times % plan.stem_plan.beat,
        until=plan.until,
        slots=_slots(plan),
        **body_of.logits_values(head, name, f"{name}_stream_t", "push", "frame"),
    )
    return text, max(0, len(pieces) - 1)


def _places(plan: Plan, model: str) -> dict[str, dict[str, Any]]:
    """What the offset of every buffer is called in C, and where and how large it is."""
    places: dict[str, dict[str, Any]] = {}
    taken: set[str] = set()
    for placed in plan.placed:
        base = re.sub(r"[^A-Z0-9_]", "_", f"{model}_at_{placed.buffer.name}".upper())
        name, count = base, 2
        while name in taken:
            name, count = f"{base}_{count}", count + 1
        taken.add(name)
        places[placed.buffer.name] = {
            "name": name,
            "offset": placed.offset,
            "n_bytes": placed.buffer.n_bytes,
            "what": placed.buffer.name,
        }
    return places
