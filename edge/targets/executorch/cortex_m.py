# SPDX-License-Identifier: BSD-3-Clause
"""Write the integer graph in ExecuTorch's Cortex-M operators, which call CMSIS-NN.

The flow that ExecuTorch ships (``executorch.backends.cortex_m``: a quantizer, passes, these
operators) would quantize the network a second time, knows no ELU, and averages with the input's
scale. Its operators take plain integers, though, and one of them looks values up in a table. So the
program is written from the one integer graph, node by node, and gives the reference's integers: an
activation is its table, a pool or a mean a depthwise convolution with equal weights, a difference a
sum with a negative multiplier, a value for all channels, or one channel of all, a convolution whose
weights are ones and zeros. Nodes in float are left to ExecuTorch's portable kernels. A convolution
writes what it reads, int8, and so the logits have 8 bits here (:func:`narrowed`).

ExecuTorch's wheel has no C++ kernels of this backend. What runs here are the implementations in
Python that it ships beside its operators, which it says are CMSIS-NN's bit for bit.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import MissingToolError
from edge.patches.tosa_import import ensure_tosa
from edge.targets.base import writer_of
from edge.targets.executorch.cortex_m_float import in_float
from firmware_bridge.plan import scaling
from quantize.graph.arithmetic import INT8_MAX, INT8_MIN, quantize_multiplier
from quantize.graph.qgraph import (
    POOL_WEIGHT,
    Activation,
    Arithmetic,
    AveragePool,
    Conv,
    Dequantize,
    LeakyRelu,
    Maximum,
    MaxPool,
    Mean,
    Multiply,
    Node,
    QGraph,
    Quant,
    Quantize,
    Relu,
    Reshape,
    with_logits,
)

DILATION = [1, 1]
ONE = (2**30, 1)
"""Multiplier and shift that change nothing."""


def operators() -> Any:
    """Return ``torch.ops.cortex_m``, after the backend's quantizer has been imported.

    Raises
    ------
    MissingToolError
        When ExecuTorch is not installed.
    """
    ensure_tosa()
    try:
        import torch

        for module in ("quantizer.quantizer", "ops.operators"):
            importlib.import_module(f"executorch.backends.cortex_m.{module}")
    except ImportError as error:
        raise MissingToolError(
            f"The Cortex-M backend needs ExecuTorch, which cannot be imported ({error}). "
            f"Type: pip install 'eeg-edge[export]'"
        ) from None
    return torch.ops.cortex_m


def narrowed(graph: QGraph) -> QGraph:
    """Return the graph with logits of 8 bits, in the range of the sums in calibration."""
    quant = graph[graph.output].quant
    return graph if quant is None else with_logits(graph, Quant(quant.step, 0))


def network(graph: QGraph, ops: Any) -> Any:
    """Build a module that computes a graph on (1, n_chans, 1, n_times) int8, channels last.

    Parameters
    ----------
    graph
        What :func:`narrowed` gives.
    ops
        What :func:`operators` gives.
    """
    import torch

    class Network(torch.nn.Module):
        """Constants are buffers, called after the tensors they belong to."""

        def constant(self, name: str, values: NDArray[Any]) -> Any:
            name = name.replace(".", "_")
            if name not in self._buffers:
                self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(values)))
            return self._buffers[name]

        def scratch(self) -> Any:
            return torch.empty(0, dtype=torch.uint8)

        def forward(self, x: Any) -> Any:
            values, to = {graph.input: x}, _Writing(self, ops, graph)
            for node in graph.nodes:
                values[node.output] = _write(to, node, values)
            return values[graph.output]

    net = Network().eval()
    *_, n_times, n_chans = graph[graph.input].shape
    with torch.no_grad():  # makes the constants, before anything traces the calls that read them
        net(torch.zeros(1, 1, n_times, n_chans, dtype=torch.int8).permute(0, 3, 1, 2))
    return net


def lower(module: Any, window: Any, core: str) -> Any:
    """Lower a module for a core to ExecuTorch's program, scratch memory sized as CMSIS-NN says.

    Parameters
    ----------
    module
        :func:`network`, or what calls it.
    window
        An example of its input.
    core
        ``cortex-m4`` and its like.
    """
    import torch
    from executorch.backends.cortex_m.passes.scratch_buffer_sizes import (
        required_cmsis_nn_buffer_sizes,
    )
    from executorch.backends.cortex_m.target_config import CortexMTargetConfig
    from executorch.exir import EdgeCompileConfig, memory, to_edge

    exported = torch.export.export(module, (window,), strict=False)
    edge = to_edge(exported, compile_config=EdgeCompileConfig(_check_ir_validity=False))
    made = edge.exported_program().graph_module
    backend = CortexMTargetConfig.from_target_string(core).backend
    for node in list(made.graph.nodes):
        sizes = required_cmsis_nn_buffer_sizes(node, backend)
        if sizes is None:
            continue
        with made.graph.inserting_before(node):
            scratch = made.graph.call_function(memory.alloc, (((sizes[0],), torch.uint8),))
        scratch.meta["val"] = torch.empty((sizes[0],), dtype=torch.uint8, device="meta")
        node.args = (*node.args[:-1], scratch)
    made.graph.eliminate_dead_code()
    made.recompile()
    return edge.to_executorch()


def to_int8(graph: QGraph, name: str, x: Any) -> Any:
    """Quantize a float tensor as a tensor of the graph is."""
    return _ops().quantize_per_tensor(x, *_grid(graph, name))


def to_float(graph: QGraph, name: str, x: Any) -> Any:
    """Return the integers of a tensor of the graph as float."""
    return _ops().dequantize_per_tensor(x, *_grid(graph, name))


def _ops() -> Any:
    import torch

    return torch.ops.quantized_decomposed


def _grid(graph: QGraph, name: str) -> tuple[Any, ...]:
    import torch

    quant = graph.quant(name)
    return quant.scale, quant.zero_point, INT8_MIN, INT8_MAX, torch.int8


@dataclass(frozen=True)
class _Writing:
    """What the functions below write with: a module for constants, operators, and the graph."""

    net: Any
    ops: Any
    graph: QGraph


Values = Mapping[str, Any]


def _write(to: _Writing, node: Node, values: Values) -> Any:
    """A node's value."""
    graph = to.graph
    match node:
        case Quantize():
            return to_int8(graph, node.output, values[node.input])
        case Dequantize():
            return to_float(graph, node.input, values[node.input])
    if graph.is_float(node) and not node.renames:
        return in_float(to.net, graph, node, [values[name] for name in node.inputs])
    if node.without_int8:
        real = [to_float(graph, name, values[name]) for name in node.inputs]
        return to_int8(graph, node.output, in_float(to.net, graph, node, real))
    return writer_of(WRITERS, node, "executorch")(to, node, values)


def _write_conv(to: _Writing, node: Conv, values: Values) -> Any:
    name, x = node.output, values[node.input]
    source, target = to.graph.quant(node.input), to.graph.quant(name)
    left, right = node.pad
    padding = [0, left] if left == right else [0, 0]
    if left != right:
        x = to.ops.pad(x, [0, 0, left, 0], [0, 0, right, 0], source.zero_point)
    of = scaling.of_conv(to.graph, node)
    constants = to.graph.constants
    shared = (
        to.net.constant(f"{name}.weight", constants[f"{name}.weight"]),
        to.net.constant(f"{name}.bias", constants[f"{name}.bias"].astype(np.int32)),
        *([1, node.stride], padding, DILATION),
    )
    rest = (
        *(-source.zero_point, target.zero_point),
        to.net.constant(f"{name}.multiplier", of.multiplier.astype(np.int32)),
        to.net.constant(f"{name}.shift", of.shift.astype(np.int32)),
        *(target.zero_point if node.relu else INT8_MIN, INT8_MAX, to.net.scratch()),
    )
    if node.depthwise:
        return to.ops.quantized_depthwise_conv2d(x, *shared, 1, *rest)
    return to.ops.quantized_conv2d(x, *shared, *rest)


def _write_pool(to: _Writing, node: AveragePool, values: Values) -> Any:
    of = scaling.of_pool(to.graph, node)
    factors = (of.multiplier[0], of.shift[0]) if of else quantize_multiplier(1 / _full(node))
    return _write_sum(to, node, values, (node.length, node.stride, POOL_WEIGHT), factors)


def _full(node: AveragePool) -> int:
    """What the weights of a pool add up to."""
    return POOL_WEIGHT * node.length


def _write_mean(to: _Writing, node: Mean, values: Values) -> Any:
    n_times = to.graph[node.input].shape[2]
    of = scaling.of_mean(to.graph, node)
    factors = (of.multiplier[0], of.shift[0])
    return _write_sum(to, node, values, (n_times, n_times, 1), factors)


def _write_sum(
    to: _Writing,
    node: AveragePool | Mean,
    values: Values,
    window: tuple[int, int, int],
    factors: tuple[Any, Any],
) -> Any:
    """A depthwise convolution with equal weights; ``window`` is length, stride and weight."""
    length, stride, weight = window
    name, n_chans = node.output, to.graph[node.output].shape[-1]
    weights = np.full((1, 1, length, n_chans), weight, np.int8)
    multiplier, shift = (np.full(n_chans, int(factor), np.int32) for factor in factors)
    return to.ops.quantized_depthwise_conv2d(
        values[node.input],
        to.net.constant(f"{name}.weight", weights),
        to.net.constant(f"{name}.bias", np.zeros(n_chans, np.int32)),
        *([1, stride], [0, 0], DILATION, 1),
        *(-to.graph.quant(node.input).zero_point, to.graph.quant(name).zero_point),
        to.net.constant(f"{name}.multiplier", multiplier),
        to.net.constant(f"{name}.shift", shift),
        *(INT8_MIN, INT8_MAX, to.net.scratch()),
    )


def _write_table(to: _Writing, node: Activation | Relu | LeakyRelu, values: Values) -> Any:
    every = np.arange(INT8_MIN, INT8_MAX + 1, dtype=np.int8).reshape(1, 1, -1, 1)
    table = node.evaluate(to.graph, {node.input: every}).ravel()
    constant = to.net.constant(f"{node.output}.table", table)
    return to.ops.quantized_activation(values[node.input], constant)


def _write_multiply(to: _Writing, node: Multiply, values: Values) -> Any:
    of = scaling.of_multiply(to.graph, node)
    return to.ops.quantized_mul(
        *(values[node.input], to.graph.quant(node.input).zero_point),
        *(_as_wide(to, node, values), to.graph.quant(node.other).zero_point),
        *(of.zero_point, int(of.multiplier[0]), int(of.shift[0])),
    )


def _write_arithmetic(to: _Writing, node: Arithmetic, values: Values) -> Any:
    """A sum; a difference is the sum with a negative multiplier."""
    a, b, target = (to.graph.quant(name) for name in (node.input, node.other, node.output))
    last = quantize_multiplier(node.factor(to.graph))
    first, second = node.factors(to.graph)
    (m1, s1), (m2, s2), (m, s) = ((int(x[0]), int(x[1])) for x in (first, second, last))
    return to.ops.quantized_add(
        *(values[node.input], a.zero_point, m1, s1),
        *(_as_wide(to, node, values), b.zero_point, -m2 if node.function == "sub" else m2, s2),
        *(target.zero_point, m, s, INT8_MIN, INT8_MAX),
    )


def _as_wide(to: _Writing, node: Arithmetic | Multiply, values: Values) -> Any:
    """The second operand; one that is the same for all channels is repeated for each of them."""
    n_chans, own = to.graph[node.input].shape[-1], to.graph[node.other].shape
    x = values[node.other]
    if own[-1] == n_chans:
        return x
    return _pointwise(to, f"{node.output}.wide", x, np.ones((n_chans, 1), np.int8), node.other)


def _pointwise(to: _Writing, name: str, x: Any, weight: NDArray[np.int8], tensor: str) -> Any:
    """A convolution with weights (n_outputs, n_inputs) of ones and zeros: values are copied."""
    n_outputs, zero_point = len(weight), to.graph.quant(tensor).zero_point
    multiplier, shift = (np.full(n_outputs, factor, np.int32) for factor in ONE)
    return to.ops.quantized_conv2d(
        *(x, to.net.constant(f"{name}.weight", weight.reshape(n_outputs, 1, 1, -1))),
        to.net.constant(f"{name}.bias", np.zeros(n_outputs, np.int32)),
        *([1, 1], [0, 0], DILATION, -zero_point, zero_point),
        to.net.constant(f"{name}.multiplier", multiplier),
        to.net.constant(f"{name}.shift", shift),
        *(INT8_MIN, INT8_MAX, to.net.scratch()),
    )


def _write_max_pool(to: _Writing, node: MaxPool, values: Values) -> Any:
    zero_point = to.graph.quant(node.input).zero_point
    return to.ops.quantized_max_pool2d(
        *(values[node.input], [1, node.length], [1, node.stride], [0, 0], DILATION, False),
        *(zero_point, zero_point, INT8_MIN, INT8_MAX),
    )


def _write_maximum(to: _Writing, node: Maximum, values: Values) -> Any:
    """Over time a pool; over channels one after the other.

    What ``maximum`` writes has its channels first, so only single channels are given to it, where
    that makes no difference.
    """
    x, zero_point = values[node.input], to.graph.quant(node.input).zero_point
    n_times, n_chans = to.graph[node.input].shape[-2:]
    if node.over == "time":
        window, rest = [1, n_times], ([0, 0], DILATION, False)
        return to.ops.quantized_max_pool2d(
            x, window, window, *rest, zero_point, zero_point, INT8_MIN, INT8_MAX
        )
    channels = [
        _pointwise(to, f"{node.output}.of_{c}", x, np.eye(1, n_chans, c, np.int8), node.input)
        for c in range(n_chans)
    ]
    return functools.reduce(to.ops.maximum, channels)


def _write_reshape(to: _Writing, node: Reshape, values: Values) -> Any:
    shape = to.graph[node.output].shape
    channels_first = (shape[0], shape[3], 1, shape[2]) if len(shape) == 4 else shape
    return values[node.input].reshape(channels_first)


WRITERS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "activation": _write_table,
        "arithmetic": _write_arithmetic,
        "average_pool": _write_pool,
        "conv": _write_conv,
        "leaky_relu": _write_table,
        "max_pool": _write_max_pool,
        "maximum": _write_maximum,
        "mean": _write_mean,
        "multiply": _write_multiply,
        "relu": _write_table,
        "reshape": _write_reshape,
    }
)
"""Functions that compute an operation in the backend's int8 operators, by its ``kind``."""
