"""From a :class:`QGraph` to the streaming engine: ``NAME_stream.h``, ``NAME_stream.c``, kernels.

Frames in, a decision every ``hop`` of them out: the integers of the windowed engine on the same
window. What is kept and computed is :mod:`firmware_bridge.stream_plan` 's; kernels behind the stem
are the windowed engine's own, on fewer positions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from edge.errors import IncompatibleError
from firmware_bridge import body as body_of
from firmware_bridge import memory, scaling, stream_plan
from firmware_bridge.body import Step, indented, is_float, resolve_aliases
from firmware_bridge.emitters import emit
from firmware_bridge.generate import Firmware, Origin, header_values, state_members
from firmware_bridge.memory import Buffer, Plan
from firmware_bridge.operations import Operation, Stem, TabledConv, reads, schedule
from firmware_bridge.source import Constant, Emission, call, identifier, refuse_name, shape_text
from firmware_bridge.stem_layouts import dsp_taps, fields_hold
from firmware_bridge.stream_beat import Beat, Part, gathers
from firmware_bridge.stream_count import Count
from firmware_bridge.stream_plan import StreamPlan, StreamStage
from firmware_bridge.stream_stem import emit_stream_stem, memory_of, shape_definition
from quantize.outputs import refuse_others
from quantize.qgraph import QGraph, Tensor

COUNTER_BYTES = 4
LARGEST_STEP = 255
"""Bytes that an instruction adds to an address after its use."""
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
    refuse_others(graph, "The streaming form")
    if graph[graph.input].quant is None or graph[graph.head.input].quant is None:
        raise IncompatibleError(
            "The C engine takes int8 frames and gives int8 logits; this graph is float32. "
            "Export with --int8."
        )
    aliases, operations = resolve_aliases(schedule(graph))
    plan = stream_plan.plan(graph, operations, hop)
    head = plan.rest[-1]
    assert isinstance(head, TabledConv)
    parts = [[_part(graph, name, stage, op) for op in stage.operations] for stage in plan.stages]
    rest = [Step(op, emit(graph, op)) for op in plan.rest[:-1]]
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


def _part(graph: QGraph, name: str, stage: StreamStage, operation: Operation) -> Part:
    """One operation of a stage as a function ``NAME_<output>_part``."""
    segments = (stage.fresh, stage.left, stage.right)
    largest = max(1, sum(s.n for s in segments))
    at_once = largest
    if operation is stage.operations[0]:
        at_once = max(stage.fresh.n + stage.right.n, stage.left.n, 1)
    function = f"{name}_{identifier(operation.output)}_part"
    takes_sums = isinstance(operation, Stem)
    if takes_sums:
        source, output = "sums", "pooled"
        emission = Emission(call("edge_beats_pool", f"&{name}_shape", source, "n", output))
    else:
        source, output = (identifier(n) for n in (*reads(operation), operation.output))
        emission = _packed(
            graph, operation, emit(*_resized(graph, operation, Count("n", at_once))), at_once
        )
    unused = "".join(f"    (void){argument};\n" for argument in ("n_times", "pad", "n"))
    text = (
        f"EDGE_NOINLINE void {function}(const int{16 if takes_sums else 8}_t *{source},\n"
        f"    int32_t n_times, int32_t pad, int32_t n, void *{output}_scratch, int8_t *{output})\n"
        f"{{\n{unused}    (void){output}_scratch;\n{indented(emission.call)}\n}}"
    )
    n_chans = graph[operation.output].shape[-1]
    return Part(operation, emission, function, takes_sums, n_chans, largest, text)


def _packed(graph: QGraph, operation: Operation, emission: Emission, n: int) -> Emission:
    """The emission with the packed kernel, where it is a fast depthwise filter of stride 1."""
    if not emission.call.startswith("edge_depthwise(") or not isinstance(operation, TabledConv):
        return emission
    weight = graph.constants[f"{operation.node.output}.weight"][0, 0].T
    n_taps = (weight.shape[1] + 2) // 2
    needed = 4 * (n // 2 + 3 + n_taps + 2)  # a packed channel, 2 words beyond
    too_wide = len(weight) > LARGEST_STEP or needed > emission.scratch_bytes
    if operation.node.stride > 1 or not fields_hold(weight) or too_wide:
        return emission
    first, *others = emission.constants
    taps = Constant(first.name, first.comment, {**first.layouts, "dsp": dsp_taps(weight)})
    call_lines = emission.call.replace("edge_depthwise(", "edge_depthwise_packed(", 1)
    return replace(
        emission,
        call=call_lines,
        constants=(taps, *others),
        kernels=("edge_depthwise_packed.h",),
        macros={"EDGE_DEPTHWISE_CHANS": len(weight), "EDGE_DEPTHWISE_TAPS": n_taps},
    )


def _resized(graph: QGraph, operation: Operation, n: Count) -> tuple[QGraph, Operation]:
    """The operation on ``n`` positions of ``n_times``, with ``pad`` zeros on the left."""
    (source,) = reads(operation)
    counts = {source: Count("n_times", graph[source].shape[2])}
    counts |= dict.fromkeys({operation.output, getattr(operation, "node", operation).output}, n)
    tensors = tuple(
        Tensor(t.name, (1, 1, counts[t.name], t.shape[3]), t.quant) if t.name in counts else t
        for t in graph.tensors
    )
    resized = replace(graph, tensors=tensors)
    if isinstance(operation, TabledConv) and operation.node.pad != (0, 0):
        pad = (Count("pad", operation.node.pad[0]), operation.node.pad[1])
        operation = replace(operation, node=replace(operation.node, pad=pad))
    return resized, operation


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
    of = scaling.of_conv(graph, head.node)
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
        head=identifier(head.node.output),
        zero_point=of.zero_point,
        low=of.zero_point if head.node.relu else -128,
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


_HEADER = """\
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
 *   logits   ({n_outputs},) int8
 *   returns  1 when the logits are written; 0 when there is nothing to say, or a pointer is NULL
 */
int {name}_push({name}_stream_t *m, const int8_t *frame, int8_t *logits);

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

_SOURCE = """\
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

int {name}_push({name}_stream_t *m, const int8_t *frame, int8_t *logits)
{{
    int32_t sums[{upper}_N_OUTPUTS];
    if (logits == NULL || !{name}_push_sums(m, frame, sums)) {{
        return 0;
    }}
    for (int32_t o = 0; o < {upper}_N_OUTPUTS; o++) {{
        const int32_t value =
            edge_requantize(sums[o], {head}_multiplier[o], {head}_shift[o], {zero_point});
        logits[o] = (int8_t)edge_saturate(value, {low}, 127);
    }}
    return 1;
}}

int {name}_push_float({name}_stream_t *m, const int8_t *frame, float *logits)
{{
    int32_t sums[{upper}_N_OUTPUTS];
    if (logits == NULL || !{name}_push_sums(m, frame, sums)) {{
        return 0;
    }}
    for (int32_t o = 0; o < {upper}_N_OUTPUTS; o++) {{
        logits[o] = (float)sums[o] * {head}_scale[o];
    }}
    return 1;
}}
"""
