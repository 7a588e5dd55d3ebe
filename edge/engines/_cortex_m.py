"""The integer graph as a program of ExecuTorch's Cortex-M operators, which call CMSIS-NN.

The flow that ExecuTorch ships (``executorch.backends.cortex_m``: a quantizer, passes, these
operators) would quantize the network a second time, knows no ELU, and averages with the input's
scale. Its operators take plain integers, though, and one of them looks values up in a table; so the
program is written from the one integer graph, node by node, and gives the reference's integers: an
activation is its table, a pool or a mean a depthwise convolution with equal weights, a value for
all channels, or one channel of all, a convolution whose weights are ones and zeros.
"""

from __future__ import annotations

import functools
import importlib.util
import sys
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import AccuracyError, IncompatibleError, MissingToolError
from firmware_bridge import scaling
from firmware_bridge.project import Golden
from quantize import reference
from quantize.arithmetic import INT8_MAX, INT8_MIN
from quantize.qgraph import (
    POOL_WEIGHT,
    Activation,
    Arithmetic,
    AveragePool,
    Conv,
    Dequantize,
    LeakyRelu,
    Maximum,
    Mean,
    Multiply,
    Node,
    QGraph,
    Quantize,
    Relu,
    Reshape,
)

DILATION = [1, 1]
ONE = (2**30, 1)
"""Multiplier and shift that change nothing."""


@dataclass(frozen=True)
class Program:
    """A ``.pte`` file, the operators it calls (``namespace::name.overload``), and its memory plan.

    ``planned_bytes`` are the buffers that the caller gives, the window's among them.
    """

    data: bytes
    ops: tuple[str, ...]
    planned_bytes: tuple[int, ...]


class _Absent(types.ModuleType):
    """Stands for ``tosa_serializer`` while modules are imported that do not use it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Absent(name)

    def __or__(self, _: object) -> _Absent:
        return self

    __ror__ = __or__


def operators() -> Any:
    """``torch.ops.cortex_m``.

    Importing it imports passes for another backend, Ethos-U's, which want ``tosa_serializer``. Its
    package, tosa-tools, puts folders called ``tests`` and ``lib`` beside ours; nothing of it is
    used here, so a stub stands for it while, and only while, it is not installed.

    Raises
    ------
    MissingToolError
        When ExecuTorch is not installed.
    """
    stub = importlib.util.find_spec("tosa_serializer") is None
    if stub:
        sys.modules["tosa_serializer"] = _Absent("tosa_serializer")
    try:
        import torch
        from executorch.backends.cortex_m.quantizer import quantizer  # noqa: F401  (comes first)

        importlib.import_module("executorch.backends.cortex_m.ops.operators")
    except ImportError as error:
        raise MissingToolError(
            f"The Cortex-M backend needs ExecuTorch, which cannot be imported ({error}). "
            f"Type: pip install 'eeg-edge[export]'"
        ) from None
    finally:
        if stub:
            sys.modules.pop("tosa_serializer", None)
    return torch.ops.cortex_m


def write(graph: QGraph, core: str, golden: Golden) -> Program:
    """The program for a core, compared with the golden logits before.

    Raises
    ------
    IncompatibleError
        For a node that the backend cannot compute.
    AccuracyError
        When the operators' Python implementations give other integers than the reference.
    """
    import torch

    net = network(graph, operators())
    windows = [torch.from_numpy(w.copy())[None, None].permute(0, 3, 1, 2) for w in golden.windows]
    with torch.no_grad():
        logits = np.concatenate([net(window).numpy() for window in windows])
    steps = np.abs(logits.astype(int) - golden.logits).max()
    if steps:
        raise AccuracyError(
            f"ExecuTorch's Cortex-M operators are {steps} steps off the reference on the golden "
            f"windows. Nothing was written."
        )
    return _program(torch.export.export(net, (windows[0],), strict=False), core)


def _program(exported: Any, core: str) -> Program:
    """Through ExecuTorch's edge dialect, scratch memory sized as CMSIS-NN says."""
    import torch
    from executorch.backends.cortex_m.passes.scratch_buffer_sizes import (
        required_cmsis_nn_buffer_sizes,
    )
    from executorch.backends.cortex_m.target_config import CortexMTargetConfig
    from executorch.exir import EdgeCompileConfig, memory, to_edge
    from executorch.exir._serialize._program import deserialize_pte_binary

    edge = to_edge(exported, compile_config=EdgeCompileConfig(_check_ir_validity=False))
    module = edge.exported_program().graph_module
    backend = CortexMTargetConfig.from_target_string(core).backend
    for node in list(module.graph.nodes):
        sizes = required_cmsis_nn_buffer_sizes(node, backend)
        if sizes is None:
            continue
        with module.graph.inserting_before(node):
            scratch = module.graph.call_function(memory.alloc, (((sizes[0],), torch.uint8),))
        scratch.meta["val"] = torch.empty((sizes[0],), dtype=torch.uint8, device="meta")
        node.args = (*node.args[:-1], scratch)
    module.graph.eliminate_dead_code()
    module.recompile()
    data = bytes(edge.to_executorch().buffer)
    plan = deserialize_pte_binary(data).program.execution_plan[0]
    ops = sorted(f"{op.name}.{op.overload}".rstrip(".") for op in plan.operators)
    return Program(data, tuple(ops), tuple(plan.non_const_buffer_sizes[1:]))


def network(graph: QGraph, ops: Any) -> Any:
    """A module that computes an int8 graph: (1, n_chans, 1, n_times) int8, channels last.

    Raises
    ------
    IncompatibleError
        For a node that the backend cannot compute.
    """
    import torch

    refuse(graph)

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
                values[node.output] = WRITERS[type(node)](to, node, values)
            return values[graph.output]

    return Network().eval()


def refuse(graph: QGraph) -> None:
    """Raise for the first node that the backend cannot compute.

    Raises
    ------
    IncompatibleError
        With the node, and what computes it.
    """
    for node in graph.nodes:
        why = "no kernel in float" if graph.is_float(node) else _missing(graph, node)
        if why:
            raise IncompatibleError(
                f"Node {node.output!r} is a {node.kind!r}, for which ExecuTorch's Cortex-M backend "
                f"has {why}. Type --engine c, which computes it."
            )


def _missing(graph: QGraph, node: Node) -> str:
    """Why an int8 node cannot be written; empty where it can."""
    if isinstance(node, Quantize | Dequantize):  # beside a node in float, which is refused
        return ""
    if type(node) not in WRITERS:
        return "no operator"
    if isinstance(node, AveragePool) and scaling.of_pool(graph, node) is None:
        return "no pool with this rounding"
    if isinstance(node, Arithmetic) and node.function == "div":
        return "no quotient"
    if isinstance(node, Arithmetic | Multiply):
        a, b = graph[node.input].shape, graph[node.other].shape
        broadcasts = (a, (1, 1, 1, a[-1]), (1, 1, a[-2], 1))
        return "" if b in broadcasts else f"no {node.kind} with this broadcast"
    return ""


@dataclass(frozen=True)
class _Writing:
    """What the functions below write with: a module for constants, operators, and the graph."""

    net: Any
    ops: Any
    graph: QGraph


Values = Mapping[str, Any]


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
    assert of is not None
    return _write_sum(to, node, values, (node.length, node.stride, POOL_WEIGHT), of)


def _write_mean(to: _Writing, node: Mean, values: Values) -> Any:
    n_times = to.graph[node.input].shape[2]
    of = scaling.of_mean(to.graph, node)
    return _write_sum(to, node, values, (n_times, n_times, 1), of)


def _write_sum(
    to: _Writing,
    node: AveragePool | Mean,
    values: Values,
    window: tuple[int, int, int],
    of: scaling.Scaling,
) -> Any:
    """A depthwise convolution with equal weights; ``window`` is length, stride and weight."""
    length, stride, weight = window
    name, n_chans = node.output, to.graph[node.output].shape[-1]
    weights = np.full((1, 1, length, n_chans), weight, np.int8)
    multiplier, shift = (
        np.full(n_chans, int(factors[0]), np.int32) for factors in (of.multiplier, of.shift)
    )
    return to.ops.quantized_depthwise_conv2d(
        values[node.input],
        to.net.constant(f"{name}.weight", weights),
        to.net.constant(f"{name}.bias", np.zeros(n_chans, np.int32)),
        *([1, stride], [0, 0], DILATION, 1),
        *(-to.graph.quant(node.input).zero_point, of.zero_point),
        to.net.constant(f"{name}.multiplier", multiplier),
        to.net.constant(f"{name}.shift", shift),
        *(INT8_MIN, INT8_MAX, to.net.scratch()),
    )


def _write_table(to: _Writing, node: Activation | Relu | LeakyRelu, values: Values) -> Any:
    every = np.arange(INT8_MIN, INT8_MAX + 1, dtype=np.int8).reshape(1, 1, -1, 1)
    table = reference.evaluate(to.graph, node, {node.input: every}).ravel()
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
    (first, second), last = reference.add_factors(a, b, target)
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


WRITERS: Mapping[type, Callable[..., Any]] = MappingProxyType(
    {
        Activation: _write_table,
        Arithmetic: _write_arithmetic,
        AveragePool: _write_pool,
        Conv: _write_conv,
        LeakyRelu: _write_table,
        Maximum: _write_maximum,
        Mean: _write_mean,
        Multiply: _write_multiply,
        Relu: _write_table,
        Reshape: _write_reshape,
    }
)
"""Nodes that the backend computes, all of them in int8."""
