# SPDX-License-Identifier: BSD-3-Clause
"""Turn an operation into the call of a kernel: one function for each kind, in :data:`EMITTERS`.

A new kind of node is one emitter here (or in a file of its own), its row in the table, and one
kernel in ``kernels/``.

A kernel's integers are the fields of a struct, named where it is called. On Cortex-M4 that costs
nothing with clang in any shipped mode; gcc takes as many instructions for eca and up to 0.2 % more
for cat, whose registers it then allots in another way. A lookup, a maximum, a conversion and the
head's sums have few integers and are plain calls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from firmware_bridge.emit import layouts
from firmware_bridge.emit.float_emitters import FLOAT_EMITTERS, emit_quantize
from firmware_bridge.emit.stem import emit_stem
from firmware_bridge.plan import scaling
from firmware_bridge.plan.operations import Lookup, Operation, TabledConv
from firmware_bridge.plan.scaling import Scaling
from firmware_bridge.plan.source import (
    Constant,
    Emission,
    broadcast_steps,
    call,
    call_with_sizes,
    identifier,
    scratch,
    struct,
    symbol,
    table_constant,
    time_and_channels,
)
from quantize.errors import IncompatibleError
from quantize.graph.operations.binary import Binary
from quantize.graph.qgraph import (
    OPERATIONS,
    POOL_WEIGHT,
    Arithmetic,
    Array,
    AveragePool,
    Maximum,
    MaxPool,
    Mean,
    Multiply,
    QGraph,
)

Emitter = Callable[[QGraph, Any, str], Emission]
"""From a graph, an operation of it and the model's name to C."""


def emit(graph: QGraph, operation: Operation, model: str) -> Emission:
    """Return the C of one operation.

    Raises
    ------
    IncompatibleError
        When there is no kernel for it.
    """
    is_float = graph[operation.output].quant is None
    emitters = FLOAT_EMITTERS if is_float else EMITTERS
    emitter = emitters.get(operation.kind)
    if emitter is None:
        needed = f"{'a float' if is_float else 'an int8'} {operation.kind!r}"
        raise IncompatibleError(
            f"Node {operation.output!r} needs {needed}, for which the C engine has no "
            f"kernel. Name other --targets, or add an emitter to "
            f"firmware_bridge/emit/emitters.py and a kernel to firmware_bridge/kernels."
        )
    return emitter(graph, operation, model)


def _factors(of: Scaling) -> dict[str, int]:
    """Multiplier, shift and zero point of an operation with one factor for all channels."""
    multiplier, shift = int(of.multiplier[0]), int(of.shift[0])
    return {"multiplier": multiplier, "shift": shift, "zero_point": of.zero_point}


def _emit_conv(graph: QGraph, operation: TabledConv, model: str) -> Emission:
    of = scaling.of_conv(graph, operation.node)
    if operation.node.depthwise:
        return _emit_depthwise(graph, operation, of, model)
    if operation.node.pad != (0, 0):
        return _emit_padded(graph, operation, of, model)
    return _emit_dense(graph, operation, of, model)


def _names(operation: TabledConv, model: str) -> tuple[str, str, str]:
    """What weights, factors and table are called."""
    weight, scaling = (symbol(model, operation.node.output, role) for role in ("weight", "scaling"))
    table = symbol(model, operation.output, "table") if operation.table else "NULL"
    return weight, scaling, table


def _constants(
    operation: TabledConv, model: str, weight: Mapping[str, Array], factors: Mapping[str, Array]
) -> tuple[Constant, ...]:
    name, names = operation.node.output, _names(operation, model)
    made = (
        Constant(names[0], f"{name}: weights", weight),
        Constant(names[1], f"{name}: bias and factors per output", factors),
    )
    if operation.table is None:
        return made
    return (*made, table_constant(model, operation.output, operation.table))


def _emit_dense(graph: QGraph, operation: TabledConv, of: Scaling, model: str) -> Emission:
    node = operation.node
    weight = graph.constants[f"{node.output}.weight"]
    n, n_outputs = time_and_channels(graph, node.output)
    n_inputs = weight.shape[3]
    k = weight.shape[2] * n_inputs
    fast = of.is_short and node.input != graph.input  # fast kernels read beyond a row
    rows = weight.reshape(n_outputs, k)
    packed = layouts.dense_weight(rows) if fast else {"plain": rows}
    factors = layouts.conv_scaling(of) if fast else {"plain": layouts.plain_scaling(of)}
    names = _names(operation, model)
    source, target = identifier(node.input), identifier(operation.output)
    function = "edge_dense" if fast else "edge_dense_plain"
    sizes = {
        "n": n,
        "step": node.stride * n_inputs,
        "k": k,
        "n_outputs": n_outputs,
        "zero_point": of.zero_point,
    }
    return Emission(
        call_with_sizes("edge_dense_sizes", sizes, function, source, *names, target),
        _constants(operation, model, packed, factors),
        ("edge_dense.h",),
    )


def _emit_padded(graph: QGraph, operation: TabledConv, of: Scaling, model: str) -> Emission:
    node = operation.node
    weight = graph.constants[f"{node.output}.weight"]
    n_times, n_inputs = time_and_channels(graph, node.input)
    n, n_outputs = time_and_channels(graph, node.output)
    names = _names(operation, model)
    plain = {"plain": weight.reshape(n_outputs, weight.shape[2], n_inputs)}
    source, target = identifier(node.input), identifier(operation.output)
    sizes = {
        "n_times": n_times,
        "n_inputs": n_inputs,
        "length": weight.shape[2],
        "stride": node.stride,
        "pad": node.pad[0],
        "n": n,
        "n_outputs": n_outputs,
        "zero_in": graph.quant(node.input).zero_point,
        "zero_point": of.zero_point,
    }
    return Emission(
        call_with_sizes("edge_conv_sizes", sizes, "edge_conv", source, *names, target),
        _constants(operation, model, plain, {"plain": layouts.plain_scaling(of)}),
        ("edge_conv.h",),
    )


def _emit_depthwise(graph: QGraph, operation: TabledConv, of: Scaling, model: str) -> Emission:
    node = operation.node
    weight = graph.constants[f"{node.output}.weight"][0, 0]
    n_times, n_chans = time_and_channels(graph, node.input)
    n = time_and_channels(graph, node.output)[0]
    fast = of.is_short and node.input != graph.input
    packed = layouts.depthwise_weight(weight) if fast else {"plain": weight}
    factors = layouts.conv_scaling(of) if fast else {"plain": layouts.plain_scaling(of)}
    name, factors_name, table = _names(operation, model)
    padded = f"(int8_t *){scratch(operation.output)}"
    sizes = {
        "n_times": n_times,
        "n_chans": n_chans,
        "length": len(weight),
        "stride": node.stride,
        "pad": node.pad[0],
        "n": n,
        "zero_in": graph.quant(node.input).zero_point,
        "zero_point": of.zero_point,
    }
    source, target = identifier(node.input), identifier(operation.output)
    return Emission(
        call_with_sizes(
            *("edge_depthwise_sizes", sizes, "edge_depthwise" if fast else "edge_depthwise_plain"),
            *(source, name, factors_name, padded, table, target),
        ),
        _constants(operation, model, packed, factors),
        ("edge_depthwise.h",),
        scratch_bytes=((n - 1) * node.stride + len(weight) + 1) * n_chans + 4,
    )


def _emit_average_pool(graph: QGraph, node: AveragePool, _: str) -> Emission:
    n, n_chans = time_and_channels(graph, node.output)
    of = scaling.of_pool(graph, node)
    sizes = {"n": n, "n_chans": n_chans, "length": node.length, "stride": node.stride}
    tensors = identifier(node.input), identifier(node.output)
    if of is None:
        text = call_with_sizes("edge_pool_sizes", sizes, "edge_average_pool", *tensors)
    else:
        factors = {"weight": POOL_WEIGHT, "bias": int(of.bias[0]), **_factors(of)}
        function = "edge_average_pool_short" if of.is_short else "edge_average_pool_scaled"
        text = "\n".join(
            [
                struct("edge_pool_scaling", "scaling", factors),
                call_with_sizes("edge_pool_sizes", sizes, function, "&scaling", *tensors),
            ]
        )
    return Emission(text, (), ("edge_average_pool.h",))


def _emit_max_pool(graph: QGraph, node: MaxPool, _: str) -> Emission:
    n, n_chans = time_and_channels(graph, node.output)
    sizes = {"n": n, "n_chans": n_chans, "length": node.length, "stride": node.stride}
    tensors = identifier(node.input), identifier(node.output)
    text = call_with_sizes("edge_max_pool_sizes", sizes, "edge_max_pool", *tensors)
    return Emission(text, (), ("edge_max_pool.h",))


def _emit_mean(graph: QGraph, node: Mean, _: str) -> Emission:
    of = scaling.of_mean(graph, node)
    n_times, n_chans = time_and_channels(graph, node.input)
    sizes = {"n_times": n_times, "n_chans": n_chans, "bias": int(of.bias[0]), **_factors(of)}
    tensors = identifier(node.input), identifier(node.output)
    text = call_with_sizes("edge_mean_sizes", sizes, "edge_mean", *tensors)
    return Emission(text, (), ("edge_mean.h",))


def _binary(graph: QGraph, node: Binary) -> dict[str, int]:
    """Sizes of the result, steps of the second tensor, zero points of both."""
    n_times, n_chans = time_and_channels(graph, node.output)
    time_step, chan_step = broadcast_steps(graph, node.other)
    return {
        "n_times": n_times,
        "n_chans": n_chans,
        "time_step": time_step,
        "chan_step": chan_step,
        "zero_x": graph.quant(node.input).zero_point,
        "zero_other": graph.quant(node.other).zero_point,
    }


def _emit_multiply(graph: QGraph, node: Multiply, _: str) -> Emission:
    of = scaling.of_multiply(graph, node)
    sizes = {**_binary(graph, node), **_factors(of)}
    function = "edge_multiply_short" if of.is_short else "edge_multiply"
    tensors = (identifier(name) for name in (*node.inputs, node.output))
    text = call_with_sizes("edge_multiply_sizes", sizes, function, *tensors)
    return Emission(text, (), ("edge_multiply.h",))


def _emit_arithmetic(graph: QGraph, node: Arithmetic, _: str) -> Emission:
    if node.without_int8:
        raise IncompatibleError(f"Node {node.output!r}: a quotient has no int8 kernel.")
    of = scaling.of_sum(graph, node)
    fields = ("multiplier_x", "right_x", "multiplier_other", "right_other")
    sizes = {
        **_binary(graph, node),
        **dict(zip(fields, of.inputs, strict=True)),
        "sign": 1 if node.function == "add" else -1,
        **_factors(of.total),
    }
    tensors = (identifier(name) for name in (*node.inputs, node.output))
    text = call_with_sizes("edge_add_sizes", sizes, "edge_add", *tensors)
    return Emission(text, (), ("edge_arithmetic.h",))


def _emit_maximum(graph: QGraph, node: Maximum, _: str) -> Emission:
    sizes = time_and_channels(graph, node.input)
    function = f"edge_maximum_over_{node.over}"
    text = call(function, identifier(node.input), *sizes, identifier(node.output))
    return Emission(text, (), ("edge_maximum.h",))


def _emit_lookup(graph: QGraph, operation: Lookup, model: str) -> Emission:
    n_values = int(np.prod(graph[operation.output].shape))
    table = table_constant(model, operation.output, operation.table)
    target = identifier(operation.output)
    return Emission(
        call("edge_lookup", identifier(operation.input), n_values, table.name, target),
        (table,),
        ("edge_lookup.h",),
    )


EMITTERS: Mapping[str, Emitter] = MappingProxyType(
    {
        "arithmetic": _emit_arithmetic,
        "average_pool": _emit_average_pool,
        "lookup": _emit_lookup,
        "max_pool": _emit_max_pool,
        "maximum": _emit_maximum,
        "mean": _emit_mean,
        "multiply": _emit_multiply,
        "quantize": emit_quantize,
        "stem": emit_stem,
        "tabled_conv": _emit_conv,
    }
)
"""Operations whose output is int8, by ``kind``."""

REWRITTEN = ("activation", "conv", "leaky_relu", "relu", "reshape")
"""Nodes that arrive as something else: a lookup, a convolution with its table, or not at all
(:mod:`firmware_bridge.plan.operations`)."""

INT8_KINDS = tuple(kind for kind in OPERATIONS if kind in (*EMITTERS, *REWRITTEN))
"""Operations of a graph that the engine computes in int8."""
