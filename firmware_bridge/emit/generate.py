# SPDX-License-Identifier: BSD-3-Clause
"""Generate C99 from a :class:`QGraph`: ``NAME.h``, ``NAME.c`` and the kernels that it needs.

The text is the same whenever the graph, the name and the origin are the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from firmware_bridge.emit import body as body_of
from firmware_bridge.emit import checked
from firmware_bridge.emit.body import Step, is_float, resolve_aliases
from firmware_bridge.emit.emitters import emit
from firmware_bridge.escaping import c_text
from firmware_bridge.plan import memory
from firmware_bridge.plan.memory import Plan
from firmware_bridge.plan.operations import TabledConv, schedule
from firmware_bridge.plan.source import (
    comment_lines,
    float_literal,
    identifier,
    refuse_ambiguous,
    refuse_name,
    time_and_channels,
)
from firmware_bridge.rendering import Code, render
from quantize.errors import IncompatibleError
from quantize.graph import bounds
from quantize.graph.check import check
from quantize.graph.qgraph import QGraph


@dataclass(frozen=True)
class Origin:
    """Where a graph comes from, as the header says it.

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
        """The size of the struct that the caller owns."""
        return self.plan.n_bytes + self.floats.n_bytes


def generate(graph: QGraph, name: str = "edge", origin: Origin | None = None) -> Firmware:
    """Return the C of an int8 graph.

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
    refuse_ambiguous(graph)
    if graph[graph.input].quant is None or graph[graph.head.input].quant is None:
        raise IncompatibleError(
            "The C engine takes int8 windows and gives int16 logits; this graph is float32. "
            "Export with --int8."
        )
    aliases, operations = resolve_aliases(schedule(graph))
    body = [op for op in operations if op.output != graph.head.output]
    head = operations[-1]
    assert isinstance(head, TabledConv)
    steps = [Step(op, emit(graph, op, name)) for op in body]
    buffers = body_of.buffers(graph, [*body, head], aliases, steps)
    plan = memory.plan([b for b in buffers if not is_float(graph, b.name)])
    floats = memory.plan([b for b in buffers if is_float(graph, b.name)])
    others = _others(graph, aliases, plan)
    files = {
        f"{name}.c": _source(graph, name, steps, head, aliases, (plan, floats), others=others),
        f"{name}.h": render(
            "engine/model.h",
            others=others,
            counters=(),
            **header_values(graph, name, origin or Origin(), (plan, floats)),
        ),
        **body_of.kernels({kernel for step in steps for kernel in step.emission.kernels}),
    }
    labels = tuple(step.operation.output for step in steps)
    return Firmware(name, files, plan, floats, (*labels, head.output))


def written(files: Mapping[str, str], name: str) -> Firmware:
    """Read a model's sources as some version wrote them, with sizes and operations."""
    header, source = files[f"{name}.h"], files[f"{name}.c"]
    arena, floats = (
        [int(n) for n in re.findall(rf"^    {member}\[(\d+)\];", header, re.MULTILINE)]
        for member in ("int32_t arena", "float floats")
    )
    steps = re.findall(r"/\* (.+) \*/\s*\{?\s*EDGE_LAYER\(\d+\);", source)
    plan, apart = (memory.whole(4 * sum(words)) for words in (arena, floats))
    return Firmware(name, files, plan, apart, tuple(steps))


def _source(
    graph: QGraph,
    name: str,
    steps: Sequence[Step],
    head: TabledConv,
    aliases: Mapping[str, str],
    plans: tuple[Plan, Plan],
    *,
    others: Sequence[Mapping[str, Any]],
) -> str:
    emissions = [step.emission for step in steps]
    constants = [c for e in emissions for c in e.constants]
    constants += body_of.head_constants(graph, head, name)
    declared = body_of.declarations(graph, steps, aliases, plans[0].offset, plans[1])
    body = body_of.steps_text(steps)
    body.append(f"/* {c_text(head.output)} */\nEDGE_LAYER({len(steps)});")
    body.append(body_of.head_call(graph, head, name))
    return render(
        "engine/model.c",
        name=name,
        upper=name.upper(),
        **body_of.preprocessor(emissions),
        constants=[Code(constant.text()) for constant in constants],
        **checked.values(constants, f"{name}_is_intact"),
        input=identifier(graph.input),
        declarations=Code("\n".join(declared)),
        body=Code("\n".join(body)),
        **body_of.logits_values(head, name, Code(f"{name}_t"), "infer", "window"),
        others=others,
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
                "name": other,
                "upper": other.upper(),
                "tensor": tensor,
                "offset": plan.offset(aliases.get(tensor, tensor)),
                "n_times": n_times,
                "n_chans": n_chans,
                **scale_values("scale", quant.scale),
                "zero_point": quant.zero_point,
            }
        )
    return found


def header_values(
    graph: QGraph, name: str, origin: Origin, plans: tuple[Plan, Plan]
) -> dict[str, Any]:
    """Return what a header says of a graph, where it comes from, and its memory."""
    n_times, n_chans = time_and_channels(graph, graph.input)
    source, target = graph.quant(graph.input), graph.quant(graph.output)
    order = ", ".join(origin.ch_names) or "the order of the training data"
    arena, floats = (plan.n_bytes for plan in plans)
    return {
        "name": name,
        "upper": name.upper(),
        "version": origin.version,
        "digest": origin.digest or "none",
        "channels": Code("\n".join(comment_lines(order))),
        "n_times": n_times,
        "n_chans": n_chans,
        "n_outputs": graph[graph.output].shape[-1],
        **scale_values("input_scale", source.scale),
        "input_zero": source.zero_point,
        **scale_values("output_scale", target.scale),
        "output_zero": target.zero_point,
        **proof_values(graph),
        "arena_words": max(arena, 4) // 4,
        "float_words": floats // 4,
    }


def proof_values(graph: QGraph) -> dict[str, Any]:
    """Return what was proved of the sums, and the range of the window that it holds for."""
    sums = bounds.accumulators(graph)
    low, high = bounds.real_range(graph.quant(graph.input))
    proofs = [
        {
            "node": one.node,
            "bound": f"{one.bound:>13,}",
            "inputs": ", ".join(f"{n} in [{a:.6g}, {b:.6g}]" for n, (a, b) in one.inputs.items()),
        }
        for one in sums
    ]
    return {
        "proofs": proofs,
        "largest_sum": max(one.bound for one in sums),
        "input_low": Code(float_literal(low)),
        "input_high": Code(float_literal(high)),
        "input_range_text": Code(f"[{low:.6g}, {high:.6g}]"),
    }


def scale_values(name: str, scale: float) -> dict[str, Code]:
    """Return a scale as C writes it exactly, and as a person reads it."""
    return {name: Code(float_literal(scale)), f"{name}_text": Code(f"{scale:.9g}")}
