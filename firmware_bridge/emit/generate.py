# SPDX-License-Identifier: BSD-3-Clause
"""From a :class:`QGraph` to C99: ``NAME.h``, ``NAME.c`` and the kernels that it needs.

The same text whenever the graph, the name and the origin are the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from firmware_bridge.emit import body as body_of
from firmware_bridge.emit.body import Step, comment_lines, indented, is_float, resolve_aliases
from firmware_bridge.emit.emitters import emit
from firmware_bridge.emit.float_emitters import literal
from firmware_bridge.plan import memory
from firmware_bridge.plan.memory import Plan
from firmware_bridge.plan.operations import TabledConv, schedule
from firmware_bridge.plan.source import (
    LICENCE_OF_MODEL,
    identifier,
    refuse_name,
    time_and_channels,
)
from quantize.errors import IncompatibleError
from quantize.graph.check import check
from quantize.graph.qgraph import QGraph


@dataclass(frozen=True)
class Origin:
    """Where the graph comes from; written into the header.

    Attributes
    ----------
    version
        Of the program that generates.
    digest
        sha256 of the bundle's integer graph; empty where there is no bundle.
    ch_names
        Channels in the order of the window; empty where unknown.
    """

    version: str = "unknown"
    digest: str = ""
    ch_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Firmware:
    """Generated sources by file name, and what memory they take.

    Attributes
    ----------
    files
        Text by file name, ``NAME.c`` and ``NAME.h`` first.
    plan
        int8 tensors and scratch in the arena.
    floats
        float32 tensors, apart, so that no memory is read as two types.
    steps
        Names of the operations, in order: index ``i`` is what ``EDGE_LAYER(i)`` announces.
    """

    name: str
    files: Mapping[str, str]
    plan: Plan
    floats: Plan
    steps: tuple[str, ...]

    @property
    def state_bytes(self) -> int:
        """Size of the struct that the caller owns."""
        return self.plan.n_bytes + self.floats.n_bytes


def generate(graph: QGraph, name: str = "edge", origin: Origin | None = None) -> Firmware:
    """The C of an int8 graph.

    Raises
    ------
    UsageError
        When ``name`` is not a C identifier.
    IncompatibleError
        When the graph is not valid (:mod:`quantize.graph.check`), not int8 at its ends, or has an
        operation without a kernel.
    """
    refuse_name(name)
    check(graph)
    if graph[graph.input].quant is None or graph[graph.head.input].quant is None:
        raise IncompatibleError(
            "The C engine takes int8 windows and gives int16 logits; this graph is float32. "
            "Export with --int8."
        )
    aliases, operations = resolve_aliases(schedule(graph))
    body = [op for op in operations if op.output != graph.head.output]
    head = operations[-1]
    assert isinstance(head, TabledConv)
    steps = [Step(op, emit(graph, op)) for op in body]
    buffers = body_of.buffers(graph, [*body, head], aliases, steps)
    plan = memory.plan([b for b in buffers if not is_float(graph, b.name)])
    floats = memory.plan([b for b in buffers if is_float(graph, b.name)])
    others = _others(graph, aliases, plan)
    files = {
        f"{name}.c": _source(graph, name, steps, head, aliases, (plan, floats))
        + "".join(_OTHER_SOURCE.format(name=name, **values) for values in others),
        f"{name}.h": _header(graph, name, (plan, floats), origin or Origin(), others),
        **body_of.kernels({kernel for step in steps for kernel in step.emission.kernels}),
    }
    labels = tuple(step.operation.output for step in steps)
    return Firmware(name, files, plan, floats, (*labels, head.output))


def written(files: Mapping[str, str], name: str) -> Firmware:
    """A model's sources as some version wrote them; sizes and operations are read from them."""
    header, source = files[f"{name}.h"], files[f"{name}.c"]
    arena, floats = (
        [int(n) for n in re.findall(rf"^    {member}\[(\d+)\];", header, re.MULTILINE)]
        for member in ("int32_t arena", "float floats")
    )
    steps = re.findall(r"/\* (\S+) \*/\s*\{?\s*EDGE_LAYER\(\d+\);", source)
    plan, apart = (memory.whole(4 * sum(words)) for words in (arena, floats))
    return Firmware(name, files, plan, apart, tuple(steps))


def _source(
    graph: QGraph,
    name: str,
    steps: Sequence[Step],
    head: TabledConv,
    aliases: Mapping[str, str],
    plans: tuple[Plan, Plan],
) -> str:
    emissions = [step.emission for step in steps]
    constants = [c.text() for e in emissions for c in e.constants]
    body = body_of.steps_text(steps)
    body.append(f"/* {head.output} */\nEDGE_LAYER({len(steps)});")
    body.append(body_of.head_call(graph, head))
    declarations = body_of.declarations(graph, steps, aliases, plans)
    return _SOURCE.format(
        name=name,
        upper=name.upper(),
        kernels=body_of.macros_and_includes(emissions),
        constants="\n\n".join([*constants, *body_of.head_constants(graph, head)]),
        window=identifier(graph.input),
        declarations=indented("\n".join(declarations)),
        body=indented("\n".join(body)),
        rounded=body_of.rounded(head, name, f"{name}_t", "infer", "window"),
    )


def _header(
    graph: QGraph,
    name: str,
    plans: tuple[Plan, Plan],
    origin: Origin,
    others: Sequence[Mapping[str, Any]],
) -> str:
    names = {"name": name, "upper": name.upper()}
    return _HEADER.format(
        **names,
        state="\n".join(state_members(plans)),
        others="".join(_OTHER_HEADER.format(**names, **values) for values in others),
        **header_values(graph, origin),
    )


def _others(graph: QGraph, aliases: Mapping[str, str], plan: Plan) -> list[dict[str, Any]]:
    """What is given out beside the logits: where it lies and what it means.

    Raises
    ------
    IncompatibleError
        For a value in float32.
    """
    found = []
    for other, tensor in graph.others.items():
        if (quant := graph[tensor].quant) is None:
            raise IncompatibleError(
                f"The C engine gives int8 values, and {other} ({tensor}) are float32 in this graph."
            )
        n_times, n_chans = time_and_channels(graph, tensor)
        found.append(
            {
                "other": other,
                "other_upper": other.upper(),
                "tensor": tensor,
                "offset": plan.offset(aliases.get(tensor, tensor)),
                "n_times": n_times,
                "n_chans": n_chans,
                "scale": literal(quant.scale),
                "scale_text": f"{quant.scale:.9g}",
                "zero_point": quant.zero_point,
            }
        )
    return found


def header_values(graph: QGraph, origin: Origin) -> dict[str, Any]:
    """What a header says of a graph and where it comes from."""
    n_times, n_chans = time_and_channels(graph, graph.input)
    source, target = graph.quant(graph.input), graph.quant(graph.output)
    order = ", ".join(origin.ch_names) or "the order of the training data"
    return {
        "version": origin.version,
        "digest": origin.digest or "none",
        "channels": "\n".join(comment_lines(order)),
        "n_times": n_times,
        "n_chans": n_chans,
        "n_outputs": graph[graph.output].shape[-1],
        "input_scale": literal(source.scale),
        "input_scale_text": f"{source.scale:.9g}",
        "input_zero": source.zero_point,
        "output_scale": literal(target.scale),
        "output_scale_text": f"{target.scale:.9g}",
        "output_zero": target.zero_point,
    }


def state_members(plans: tuple[Plan, Plan]) -> list[str]:
    """Members of the struct."""
    arena, floats = (plan.n_bytes for plan in plans)
    members = [f"    int32_t arena[{max(arena, 4) // 4}]; /* int8 activations and scratch */"]
    if floats:
        members.append(f"    float floats[{floats // 4}]; /* activations that stay float32 */")
    return members


_HEADER = (
    LICENCE_OF_MODEL
    + """\
/* {name}.h: an int8 EEG decoder, generated by eeg-edge {version}; do not edit.
 *
 * integer graph, sha256: {digest}
 * channels, in the order of a window's row:
{channels}
 *
 * No heap, no global state, no recursion: all state is the struct, which the caller owns. Two
 * models fit in one program. The window is read in place and never written.
 */
#ifndef {upper}_H
#define {upper}_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

#define {upper}_N_TIMES {n_times}
#define {upper}_N_CHANS {n_chans}
#define {upper}_N_OUTPUTS {n_outputs}

/* stored = round(x / scale) + zero_point, ties to even, saturated to [-128, 127] */
#define {upper}_INPUT_SCALE {input_scale} /* {input_scale_text} */
#define {upper}_INPUT_ZERO_POINT ({input_zero})
/* logit = scale * (stored - zero_point) */
#define {upper}_OUTPUT_SCALE {output_scale} /* {output_scale_text} */
#define {upper}_OUTPUT_ZERO_POINT ({output_zero})

typedef struct {{
{state}
}} {name}_t;

/* Logits of one window.
 *   m        the model's memory, need not be initialized
 *   window   ({n_times}, {n_chans}) int8, sample-major: all channels of the first sample first
 *   logits   ({n_outputs},) int16
 *   returns  1 when the logits are written, 0 when a pointer is NULL
 */
int {name}_infer({name}_t *m, const int8_t *window, int16_t *logits);

/* The same before the last rounding: the head's sums, and these scaled to float.
 *   sums     ({n_outputs},) int32
 *   logits   ({n_outputs},) float
 */
int {name}_infer_sums({name}_t *m, const int8_t *window, int32_t *sums);
int {name}_infer_float({name}_t *m, const int8_t *window, float *logits);
{others}
#ifdef __cplusplus
}}
#endif

#endif
"""
)

_OTHER_HEADER = """
/* The {other} of the window that was inferred last, in the model's memory until the next one is.
 *   returns  ({n_times}, {n_chans}) int8, a token's channels side by side; NULL when m is NULL
 * {other} = scale * (stored - zero_point)
 */
#define {upper}_{other_upper}_N_TIMES {n_times}
#define {upper}_{other_upper}_N_CHANS {n_chans}
#define {upper}_{other_upper}_SCALE {scale} /* {scale_text} */
#define {upper}_{other_upper}_ZERO_POINT ({zero_point})
const int8_t *{name}_{other}(const {name}_t *m);
"""

_OTHER_SOURCE = """
const int8_t *{name}_{other}(const {name}_t *m)
{{
    return m == NULL ? NULL : (const int8_t *)m->arena + {offset}; /* {tensor} */
}}
"""

_SOURCE = (
    LICENCE_OF_MODEL
    + """\
/* {name}.c: generated by eeg-edge; do not edit. See {name}.h. */
#include "{name}.h"

#include <stddef.h>

{kernels}

{constants}

int {name}_infer_sums({name}_t *m, const int8_t *window, int32_t *sums)
{{
    if (m == NULL || window == NULL || sums == NULL) {{
        return 0;
    }}
    int8_t *const arena = (int8_t *)m->arena;
    const int8_t *const {window} = window;
{declarations}
    (void)arena;

{body}
    return 1;
}}

{rounded}"""
)
