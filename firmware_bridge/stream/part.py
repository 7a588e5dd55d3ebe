# SPDX-License-Identifier: BSD-3-Clause
"""Run the windowed engine's operations on as many positions as the streaming engine needs.

A stage's operation becomes a function of any number of positions; what follows the stages computes
no position that nothing reads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from firmware_bridge.emit.emitters import emit
from firmware_bridge.emit.stem_layouts import dsp_taps, fields_hold
from firmware_bridge.plan.operations import Lookup, Operation, Stem, TabledConv, reads
from firmware_bridge.plan.source import Constant, Emission, call, identifier, indented
from firmware_bridge.stream.count import Count
from firmware_bridge.stream.plan import StreamStage
from firmware_bridge.stream.stem import shape_name
from quantize.graph.qgraph import Multiply, Node, QGraph, Tensor

LARGEST_STEP = 255
"""Bytes that an instruction adds to an address after its use."""


ARGUMENTS: Mapping[str, str] = MappingProxyType(
    {"n_times": "int32_t ", "pad": "int32_t ", "n": "int32_t ", "scratch": "void *"}
)
"""What a part may be given between input and output, and the types."""


@dataclass(frozen=True)
class Part:
    """A stage's operation as a function of any number of positions, at most ``largest``.

    ``takes`` are those of :data:`ARGUMENTS` that it has need of.
    """

    operation: Operation
    emission: Emission
    function: str
    takes: tuple[str, ...]
    takes_sums: bool
    n_chans: int
    largest: int
    text: str


def part_of(graph: QGraph, name: str, stage: StreamStage, operation: Operation) -> Part:
    """Return one operation of a stage as a function ``NAME_<output>_part``."""
    segments = (stage.fresh, stage.left, stage.right)
    largest = max(1, sum(s.n for s in segments))
    at_once = largest
    if operation is stage.operations[0]:
        at_once = max(stage.fresh.n + stage.right.n, stage.left.n, 1)
    function = f"{name}_{identifier(operation.output)}_part"
    takes_sums = isinstance(operation, Stem)
    if takes_sums:
        source, output = "sums", "pooled"
        emission = Emission(call("edge_beats_pool", f"&{shape_name(name)}", source, "n", output))
    else:
        source, output = (identifier(n) for n in (*reads(operation), operation.output))
        resized = _resized(graph, operation, Count("n", at_once))
        emission = _packed(graph, operation, emit(*resized, name), at_once)
    named = {"scratch": f"{output}_scratch"}
    values = re.sub(r"EDGE_SET\(\w+\)", "", emission.call)  # what stands behind the fields' names
    takes = tuple(a for a in ARGUMENTS if re.search(rf"\b{named.get(a, a)}\b", values))
    given = [f"{ARGUMENTS[argument]}{named.get(argument, argument)}" for argument in takes]
    signature = [f"const int{16 if takes_sums else 8}_t *{source}", *given, f"int8_t *{output}"]
    text = call(f"EDGE_NOINLINE void {function}", *signature).removesuffix(";")
    text = f"{text}\n{{\n{indented(emission.call)}\n}}"
    n_chans = graph[operation.output].shape[-1]
    return Part(operation, emission, function, takes, takes_sums, n_chans, largest, text)


def _packed(graph: QGraph, operation: Operation, emission: Emission, n: int) -> Emission:
    """The emission with the packed kernel, where it is a fast depthwise filter of stride 1."""
    if "edge_depthwise(" not in emission.call or not isinstance(operation, TabledConv):
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


def only_read(graph: QGraph, operations: Sequence[Operation], aliases: Mapping[str, str]) -> QGraph:
    """Shorten element-wise tensors of a graph to what is read of them.

    A pool leaves the last positions alone where its stride does not divide their number.
    """
    lengths: dict[str, int] = {}
    for operation in reversed(operations):
        output = operation.output
        n = lengths.get(output, graph[output].shape[2])
        for read in reads(operation):
            name = aliases.get(read, read)
            whole = graph[name].shape[2]
            match operation:
                case Node() if name == read and operation.reach == "neighbourhood":
                    length, stride, _ = operation.kernel(graph)
                    needed = (n - 1) * stride + length
                case Multiply() | Lookup() if name == read == operation.input:
                    needed = n
                case _:
                    needed = whole
            lengths[name] = max(lengths.get(name, 0), min(needed, whole))
    shortened = {op.output for op in operations if isinstance(op, Multiply | Lookup)}
    tensors = tuple(
        replace(t, shape=(1, 1, lengths[t.name], t.shape[3]))
        if t.name in shortened and t.quant is not None and t.name in lengths
        else t
        for t in graph.tensors
    )
    return replace(graph, tensors=tensors)
