# SPDX-License-Identifier: BSD-3-Clause
"""What a generated function consists of: steps with their C, pointers into memory, the head.

Shared by the windowed engine (:mod:`firmware_bridge.emit.generate`) and the streaming engine
(:mod:`firmware_bridge.stream.generate`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

import numpy as np

from firmware_bridge.plan import scaling
from firmware_bridge.plan.memory import Buffer, Plan
from firmware_bridge.plan.operations import Operation, TabledConv, is_alias, reads
from firmware_bridge.plan.source import (
    Constant,
    Emission,
    array,
    call,
    identifier,
    scratch,
    shape_text,
    time_and_channels,
)
from quantize.errors import IncompatibleError
from quantize.graph.arithmetic import reduced
from quantize.graph.qgraph import Array, QGraph


@dataclass(frozen=True)
class Step:
    """One operation with its C."""

    operation: Operation
    emission: Emission


def resolve_aliases(
    operations: Sequence[Operation],
) -> tuple[dict[str, str], list[Operation]]:
    """Tensors that only rename another, by name, and the operations that do something."""
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
    """Every tensor from the step that writes it to the last that reads it, and scratch.

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
    """Whether a buffer is a float32 tensor."""
    return buffer in graph.by_name and graph[buffer].quant is None


def n_bytes(graph: QGraph, name: str) -> int:
    """Size of a tensor."""
    tensor = graph[name]
    return int(np.prod(tensor.shape)) * (4 if tensor.quant is None else 1)


def kernels(names: set[str]) -> dict[str, str]:
    """Kernel headers by name, and those that they include."""
    folder = resources.files("firmware_bridge") / "kernels"
    found: dict[str, str] = {}
    waiting = sorted(names | {"edge_dense.h"})
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = (folder / name).read_text()
            waiting += re.findall(r'#include "(edge_\w+\.h)"', found[name])
    return dict(sorted(found.items()))


def declarations(
    graph: QGraph, steps: Sequence[Step], aliases: Mapping[str, str], plans: tuple[Plan, Plan]
) -> list[str]:
    """Pointers into the arena."""
    lines = []
    for step in steps:
        output = step.operation.output
        shape = shape_text(graph, output)
        if is_float(graph, output):
            place = f"m->floats + {plans[1].offset(output) // 4}"
            lines.append(f"float *const {identifier(output)} = {place}; /* {shape} */")
        else:
            place = f"arena + {plans[0].offset(output)}"
            lines.append(f"int8_t *const {identifier(output)} = {place}; /* {shape} */")
        if step.emission.scratch_bytes:
            offset = plans[0].offset(f"{output} scratch")
            lines.append(f"void *const {scratch(output)} = arena + {offset};")
    for alias, source in aliases.items():
        kind = "float" if is_float(graph, source) else "int8_t"
        lines.append(f"const {kind} *const {identifier(alias)} = {identifier(source)};")
        lines.append(f"(void){identifier(alias)};")
    return lines


def macros_and_includes(emissions: Iterable[Emission], extra: Iterable[str] = ()) -> str:
    """The preprocessor's lines before the constants."""
    emissions = list(emissions)
    kernels = sorted({"edge_dense.h", *extra, *(k for e in emissions for k in e.kernels)})
    macros = {k: v for e in emissions for k, v in e.macros.items()}
    defined = [f"#define {key} {value}" for key, value in sorted(macros.items())]
    return "\n".join([*defined, *(f'#include "{kernel}"' for kernel in kernels)])


def head_constants(graph: QGraph, head: TabledConv) -> list[str]:
    """Definitions of the head's weights and factors."""
    assert graph.quant(head.output).bits == 16
    of = scaling.of_conv(graph, head.node)
    multiplier, right = reduced(of.multiplier, of.shift)
    name = identifier(head.node.output)
    rows = _head_rows(graph, head)
    return [
        Constant(f"{name}_weight", "head: weights", {"plain": rows}).text(),
        array(f"{name}_bias", of.bias.astype(np.int32)),
        array(f"{name}_multiplier", multiplier.astype(np.int32)),
        array(f"{name}_right", right.astype(np.int32)),
        array(f"{name}_scale", graph.accumulator_scale().astype(np.float32)),
    ]


def head_call(graph: QGraph, head: TabledConv) -> str:
    """The statement that writes ``sums``."""
    name, rows = identifier(head.node.output), _head_rows(graph, head)
    sizes = (rows.shape[1], rows.shape[0])
    source = identifier(head.input)
    return call("edge_accumulate", source, *sizes, f"{name}_weight", f"{name}_bias", "sums")


def rounded(head: TabledConv, name: str, state: str, function: str, given: str) -> str:
    """``NAME_<function>`` and ``NAME_<function>_float`` behind ``NAME_<function>_sums``.

    Parameters
    ----------
    state, given
        Type of the model's struct, and what the function is given beside it.
    """
    return _ROUNDED.format(
        name=name,
        upper=name.upper(),
        state=state,
        function=function,
        given=given,
        head=identifier(head.node.output),
        low=0 if head.node.relu else -32768,
    )


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
    """Blocks of statements; the first one announces layer ``first``."""
    texts = []
    for i, step in enumerate(steps, first):
        text = f"EDGE_LAYER({i});\n{step.emission.call}"
        texts.append(f"/* {step.operation.output} */\n{{\n{indented(text)}\n}}")
    return texts


def indented(text: str) -> str:
    """Lines four columns further to the right; the preprocessor's stay."""
    return "\n".join(
        f"    {line}" if line and not line.startswith("#") else line for line in text.split("\n")
    )


def comment_lines(text: str) -> list[str]:
    """Wrapped lines of a block comment; nothing in them can end it."""
    words = text.replace("*/", "* /").split(" ")
    lines, line = [], " *  "
    for word in words:
        if len(line) + len(word) > 98:
            lines.append(line)
            line = " *  "
        line += f" {word}"
    return [*lines, line]


_ROUNDED = """\
int {name}_{function}({state} *m, const int8_t *{given}, int16_t *logits)
{{
    int32_t sums[{upper}_N_OUTPUTS];
    if (logits == NULL || !{name}_{function}_sums(m, {given}, sums)) {{
        return 0;
    }}
    for (int32_t o = 0; o < {upper}_N_OUTPUTS; o++) {{
        logits[o] = edge_requantize_wide(sums[o], {head}_multiplier[o], {head}_right[o], {low});
    }}
    return 1;
}}

int {name}_{function}_float({state} *m, const int8_t *{given}, float *logits)
{{
    int32_t sums[{upper}_N_OUTPUTS];
    if (logits == NULL || !{name}_{function}_sums(m, {given}, sums)) {{
        return 0;
    }}
    for (int32_t o = 0; o < {upper}_N_OUTPUTS; o++) {{
        logits[o] = (float)sums[o] * {head}_scale[o];
    }}
    return 1;
}}
"""
