# SPDX-License-Identifier: BSD-3-Clause
"""Write what a generated function consists of: steps, pointers into memory, the head.

The windowed engine (:mod:`firmware_bridge.emit.generate`) and the streaming engine
(:mod:`firmware_bridge.stream.generate`) share it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

import numpy as np

from firmware_bridge.emit import checked
from firmware_bridge.escaping import c_text
from firmware_bridge.plan import scaling
from firmware_bridge.plan.memory import Buffer, Plan
from firmware_bridge.plan.operations import Operation, TabledConv, is_alias, reads
from firmware_bridge.plan.source import (
    Constant,
    Emission,
    call,
    identifier,
    indented,
    scratch,
    shape_text,
    symbol,
    time_and_channels,
)
from quantize.errors import IncompatibleError
from quantize.graph.arithmetic import reduced
from quantize.graph.qgraph import Array, QGraph

STATUS = "edge_status.h"
"""What a model's header includes."""
ALWAYS = frozenset({"edge_dense.h", checked.KERNEL, STATUS})
"""Kernels of every model."""


@dataclass(frozen=True)
class Step:
    """One operation with the C that computes it."""

    operation: Operation
    emission: Emission


def resolve_aliases(
    operations: Sequence[Operation],
) -> tuple[dict[str, str], list[Operation]]:
    """Return which tensors only rename another, and the operations that do something."""
    aliases: dict[str, str] = {}
    for operation in operations:
        if is_alias(operation):
            source = reads(operation)[0]
            aliases[operation.output] = aliases.get(source, source)
    return aliases, [op for op in operations if not is_alias(op)]


def buffers(
    graph: QGraph,
    operations: Sequence[Operation],
    aliases: Mapping[str, str],
    steps: Sequence[Step],
) -> list[Buffer]:
    """Return every tensor's life, from the step that writes it to its last reader, and scratch.

    What is given out beside the logits stays until the end.
    """
    last = {op.output: i for i, op in enumerate(operations)}
    for i, operation in enumerate(operations):
        last.update({aliases.get(name, name): i for name in reads(operation)})
    end = len(operations)
    last.update({aliases.get(name, name): end for name in graph.others.values()})
    found = []
    for i, step in enumerate(steps):
        output = step.operation.output
        found.append(Buffer(output, n_bytes(graph, output), i, last[output]))
        if step.emission.scratch_bytes:
            found.append(Buffer(f"{output} scratch", step.emission.scratch_bytes, i, i))
    return found


def is_float(graph: QGraph, buffer: str) -> bool:
    """Return whether a buffer is a float32 tensor."""
    return buffer in graph.by_name and graph[buffer].quant is None


def n_bytes(graph: QGraph, name: str) -> int:
    """Return the size of a tensor."""
    tensor = graph[name]
    return int(np.prod(tensor.shape)) * (4 if tensor.quant is None else 1)


def kernels(names: set[str]) -> dict[str, str]:
    """Return the kernel headers by name, with those that they include."""
    folder = resources.files("firmware_bridge") / "kernels"
    found: dict[str, str] = {}
    waiting = sorted(names | ALWAYS)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = (folder / name).read_text()
            waiting += re.findall(r'#include "(edge_\w+\.h)"', found[name])
    return dict(sorted(found.items()))


def declarations(
    graph: QGraph,
    steps: Sequence[Step],
    aliases: Mapping[str, str],
    place: Callable[[str], object],
    floats: Plan,
) -> list[str]:
    """Return the declarations of pointers into the arena.

    Parameters
    ----------
    place
        From a buffer's name to its offset in the arena: a number, or what it is called.
    """
    lines = []
    for step in steps:
        output = step.operation.output
        shape = shape_text(graph, output)
        if is_float(graph, output):
            start = f"m->floats + {floats.offset(output) // 4}"
            lines.append(f"float *const {identifier(output)} = {start}; /* {shape} */")
        else:
            start = f"arena + {place(output)}"
            lines.append(f"int8_t *const {identifier(output)} = {start}; /* {shape} */")
        if step.emission.scratch_bytes:
            start = f"arena + {place(f'{output} scratch')}"
            lines.append(f"void *const {scratch(output)} = {start};")
    for alias, source in aliases.items():
        kind = "float" if is_float(graph, source) else "int8_t"
        lines.append(f"const {kind} *const {identifier(alias)} = {identifier(source)};")
        lines.append(f"(void){identifier(alias)};")
    return lines


def preprocessor(emissions: Iterable[Emission]) -> dict[str, object]:
    """Return what ``engine/constants.c`` defines and includes before the constants."""
    emissions = list(emissions)
    included = ALWAYS.union(*(e.kernels for e in emissions)) - {STATUS}
    macros = {key: value for e in emissions for key, value in e.macros.items()}
    return {
        "macros": sorted(macros.items()),
        "kernels": [name.removesuffix(".h") for name in sorted(included)],
    }


def head_constants(graph: QGraph, head: TabledConv, model: str) -> tuple[Constant, ...]:
    """Return the head's weights and factors."""
    assert graph.quant(head.output).bits == 16
    of = scaling.of_conv(graph, head.node)
    multiplier, right = reduced(of.multiplier, of.shift)
    rows = _head_rows(graph, head)
    arrays = {
        "bias": of.bias.astype(np.int32),
        "multiplier": multiplier.astype(np.int32),
        "right": right.astype(np.int32),
        "scale": graph.accumulator_scale().astype(np.float32),
    }
    weight = Constant(symbol(model, head.node.output, "weight"), "head: weights", {"plain": rows})
    return (
        weight,
        *(
            Constant(symbol(model, head.node.output, role), f"head: {role}", {"plain": values})
            for role, values in arrays.items()
        ),
    )


def head_call(graph: QGraph, head: TabledConv, model: str) -> str:
    """Return the statement that writes ``sums``."""
    rows = _head_rows(graph, head)
    weight, bias = (symbol(model, head.node.output, role) for role in ("weight", "bias"))
    sizes = (rows.shape[1], rows.shape[0])
    return call("edge_accumulate", identifier(head.input), *sizes, weight, bias, "sums")


def logits_values(
    head: TabledConv, model: str, state: str, function: str, given: str
) -> dict[str, object]:
    """Return what ``engine/logits.c`` is told: the functions behind the sums.

    Parameters
    ----------
    state, given
        Type of the model's struct, and what the function is given beside it.
    """
    roles = ("multiplier", "right", "scale")
    names: dict[str, object] = {role: symbol(model, head.node.output, role) for role in roles}
    low = 0 if head.node.relu else -32768
    return {"head": names | {"low": low}, "state": state, "function": function, "given": given}


def _head_rows(graph: QGraph, head: TabledConv) -> Array:
    """(n_outputs, n_values).

    Raises
    ------
    IncompatibleError
        When the head gives logits at several positions.
    """
    n, n_outputs = time_and_channels(graph, head.node.output)
    rows: Array = graph.constants[f"{head.node.output}.weight"].reshape(n_outputs, -1)
    if n != 1 or rows.shape[1] != int(np.prod(graph[head.input].shape)):
        raise IncompatibleError(
            f"The head {head.output!r} gives logits at {n} positions; the C engine takes one."
        )
    return rows


def steps_text(steps: Sequence[Step], first: int = 0) -> list[str]:
    """Return blocks of statements; the first one announces layer ``first``."""
    texts = []
    for i, step in enumerate(steps, first):
        text = f"EDGE_LAYER({i});\n{step.emission.call}"
        texts.append(f"/* {c_text(step.operation.output)} */\n{{\n{indented(text)}\n}}")
    return texts
