# SPDX-License-Identifier: BSD-3-Clause
"""From a :class:`QGraph` to the streaming engine: ``NAME_stream.h``, ``NAME_stream.c``, kernels.

Frames in, a decision every ``hop`` of them out: the integers of the windowed engine on the same
window. What is kept and computed is :mod:`firmware_bridge.stream.plan` 's; kernels behind the stem
are the windowed engine's own, on fewer positions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from firmware_bridge.emit import body as body_of
from firmware_bridge.emit.body import Step, indented, is_float, resolve_aliases
from firmware_bridge.emit.emitters import emit
from firmware_bridge.emit.generate import Firmware, Origin, header_values, state_members
from firmware_bridge.plan import memory
from firmware_bridge.plan.memory import Buffer, Plan
from firmware_bridge.plan.operations import TabledConv, schedule
from firmware_bridge.plan.source import (
    LICENCE_OF_MODEL,
    Emission,
    identifier,
    refuse_name,
    shape_text,
)
from firmware_bridge.stream import plan as stream_plan
from firmware_bridge.stream.beat import Beat, gathers
from firmware_bridge.stream.part import Part, only_read, part_of
from firmware_bridge.stream.plan import StreamPlan
from firmware_bridge.stream.stem import emit_stream_stem, memory_of, shape_definition
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
    """

    prefix: str
    hop: int
    counters: tuple[str, ...]

    @property
    def state_bytes(self) -> int:
        """Size of the struct that the caller owns."""
        return super().state_bytes + COUNTER_BYTES * len(self.counters)


def generate_stream(
    graph: QGraph, hop: int, name: str = "edge", origin: Origin | None = None
) -> StreamFirmware:
    """The streaming C of an int8 graph.

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
    rest = [Step(op, emit(shortened, op)) for op in plan.rest[:-1]]
    stem = emit_stream_stem(graph, plan, f"{name}_shape")
    plans = _memory(graph, plan, parts, rest, aliases, stem)
    emissions = [stem, *(part.emission for stage in parts for part in stage)]
    emissions += [step.emission for step in rest]
    labels = [plan.stem.output, *(p.operation.output for stage in parts for p in stage)]
    labels += [*(step.operation.output for step in rest), head.output]
    counters = _counters(plan)
    code = _Code(parts, rest, emissions)
    files = {
        f"{name}_stream.c": _source(graph, name, plan, plans, code, aliases),
        f"{name}_stream.h": _header(graph, name, hop, plans, counters, origin or Origin()),
        **body_of.kernels({kernel for emission in emissions for kernel in emission.kernels}),
    }
    return StreamFirmware(f"{name}_stream", files, *plans, tuple(labels), name, hop, counters)


def _counters(plan: StreamPlan) -> tuple[str, ...]:
    """``waiting`` frames of the next beat, ``beats`` until a decision, next slot of every ring."""
    kept = [stage.entry for stage in plan.stages]
    return ("waiting", "beats", *(f"{identifier(k.name)}_slot" for k in kept if k.slots))


def _memory(
    graph: QGraph,
    plan: StreamPlan,
    parts: Sequence[Sequence[Part]],
    rest: Sequence[Step],
    aliases: Mapping[str, str],
    stem: Emission,
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
) -> str:
    parts, rest, emissions = code.parts, code.rest, code.emissions
    head = plan.rest[-1]
    assert isinstance(head, TabledConv)
    constants = {c.name: c.text() for emission in emissions for c in emission.constants}
    beat = Beat(name, plan, plans[0])
    first = 1 + sum(len(stage) for stage in parts)
    last = body_of.steps_text(rest, first)
    last.append(f"/* {head.output} */\nEDGE_LAYER({first + len(rest)});")
    last.append(body_of.head_call(graph, head))
    tokens = f"const int8_t *const {identifier(plan.tokens.name)}"
    declared = [
        f"{tokens} = {beat.buffer(plan.tokens, 0)}; /* {shape_text(graph, plan.tokens.name)} */",
        *body_of.declarations(graph, rest, aliases, plans),
    ]
    return _SOURCE.format(
        name=name,
        upper=name.upper(),
        kernels=body_of.macros_and_includes(emissions),
        constants="\n\n".join(
            [
                *constants.values(),
                *body_of.head_constants(graph, head),
                shape_definition(graph, plan, f"{name}_shape"),
            ]
        ),
        parts="\n\n".join(part.text for stage in parts for part in stage),
        beat=indented("\n".join(beat.lines(emissions[0], parts))),
        declarations=indented("\n".join(declared)),
        rest=indented("\n".join(last)),
        frames=beat.at("frames"),
        rows=beat.at("rows"),
        rows_bytes=memory_of(
            plan.stem_plan, graph[plan.stem.mix.output].shape[-1], graph[graph.input].shape[-1]
        ).rows,
        mix_zero=graph.quant(plan.stem.mix.output).zero_point,
        beat_length=plan.stem_plan.beat,
        beats=plan.beats,
        waiting=-plan.n_times % plan.stem_plan.beat,
        until=-(-plan.n_times // plan.stem_plan.beat),
        slots="".join(f"    m->{counter} = 0;\n" for counter in _counters(plan)[2:]),
        rounded=body_of.rounded(head, name, f"{name}_stream_t", "push", "frame"),
    )


def _header(
    graph: QGraph,
    name: str,
    hop: int,
    plans: tuple[Plan, Plan],
    counters: Sequence[str],
    origin: Origin,
) -> str:
    members = [*state_members(plans), *(f"    int32_t {counter};" for counter in counters)]
    return _HEADER.format(
        name=name, upper=name.upper(), hop=hop, state="\n".join(members),
        **header_values(graph, origin),
    )  # fmt: skip


_HEADER = (
    LICENCE_OF_MODEL
    + """\
/* {name}_stream.h: an int8 EEG decoder for a continuous signal, generated by eeg-edge {version};
 * do not edit.
 *
 * integer graph, sha256: {digest}
 * channels, in the order of a frame:
{channels}
 *
 * Frames in, a decision every {upper}_HOP of them out: to the last bit what {name}_infer gives on
 * the window that ends there. No heap, no global state, no recursion: all state is the struct,
 * which the caller owns. A frame is copied; nothing keeps a pointer.
 */
#ifndef {upper}_STREAM_H
#define {upper}_STREAM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

#define {upper}_N_TIMES {n_times}
#define {upper}_N_CHANS {n_chans}
#define {upper}_N_OUTPUTS {n_outputs}
#define {upper}_HOP {hop} /* samples between decisions, the first with the first whole window */

/* stored = round(x / scale) + zero_point, ties to even, saturated to [-128, 127] */
#define {upper}_INPUT_SCALE {input_scale} /* {input_scale_text} */
#define {upper}_INPUT_ZERO_POINT ({input_zero})
/* logit = scale * (stored - zero_point) */
#define {upper}_OUTPUT_SCALE {output_scale} /* {output_scale_text} */
#define {upper}_OUTPUT_ZERO_POINT ({output_zero})

typedef struct {{
{state}
}} {name}_stream_t;

/* Forget all samples; before the first push, and wherever the signal breaks off. */
void {name}_reset({name}_stream_t *m);

/* Take a sample; logits when it completes a window that is due.
 *   frame    ({n_chans},) int8
 *   logits   ({n_outputs},) int16
 *   returns  1 when the logits are written; 0 when there is nothing to say, or a pointer is NULL
 */
int {name}_push({name}_stream_t *m, const int8_t *frame, int16_t *logits);

/* The same before the last rounding: the head's sums, and these scaled to float.
 *   sums     ({n_outputs},) int32
 *   logits   ({n_outputs},) float
 */
int {name}_push_sums({name}_stream_t *m, const int8_t *frame, int32_t *sums);
int {name}_push_float({name}_stream_t *m, const int8_t *frame, float *logits);

#ifdef __cplusplus
}}
#endif

#endif
"""
)

_SOURCE = (
    LICENCE_OF_MODEL
    + """\
/* {name}_stream.c: generated by eeg-edge; do not edit. See {name}_stream.h. */
#include "{name}_stream.h"

#include <stddef.h>

{kernels}

{constants}

{parts}

/* Mix, filter and pool the frames that have come, and move everything on by a beat.
 *   due     1: a window ends with the last frame
 *   phase   beats from here to the next decision, modulo those between decisions
 */
static void {name}_beat({name}_stream_t *m, int32_t due, int32_t phase)
{{
    int8_t *const arena = (int8_t *)m->arena;
    (void)phase;
{beat}
}}

void {name}_reset({name}_stream_t *m)
{{
    if (m == NULL) {{
        return;
    }}
    int8_t *const arena = (int8_t *)m->arena;
    memset(arena, 0, sizeof m->arena);
    memset({rows}, {mix_zero}, {rows_bytes});
    m->waiting = {waiting}; /* as if they had come: a window ends with a beat */
    m->beats = {until};
{slots}}}

int {name}_push_sums({name}_stream_t *m, const int8_t *frame, int32_t *sums)
{{
    if (m == NULL || frame == NULL || sums == NULL) {{
        return 0;
    }}
    int8_t *const arena = (int8_t *)m->arena;
    edge_beats_shift({frames} + m->waiting * {upper}_N_CHANS, frame, {upper}_N_CHANS);
    m->waiting++;
    if (m->waiting < {beat_length}) {{
        return 0;
    }}
    m->waiting = 0;
    m->beats--;
    {name}_beat(m, m->beats == 0, m->beats % {beats});
    if (m->beats > 0) {{
        return 0;
    }}
    m->beats = {beats};
{declarations}

{rest}
    return 1;
}}

{rounded}"""
)
