# SPDX-License-Identifier: BSD-3-Clause
"""Provide the target ``executorch``: a ``.pte`` program for ExecuTorch with XNNPACK.

It is lowered, as one delegate, from the same Q/DQ graph that :class:`QGraph` is read from. Input
(1, n_chans, 1, n_times) and logits (1, n_outputs) are both float32, and quantization of the input
is the program's first step. The logits are left as the head's sums in float32, which never tie.

XNNPACK's softmax is left out on purpose: ExecuTorch 1.4 computes it over the wrong axis after a
convolution, without an error.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import AccuracyError, MissingToolError
from edge.spec import Precision
from edge.targets.base import FLOAT_HEAD, Ability, Loader, Session, Sources
from quantize.graph.layouts import to_nchw

SUFFIX = "pte"
PRECISIONS = tuple(Precision)
EXACT = False
WRITES_WITH = ("torch", "executorch")
RUNS_WITH = ("torch", "executorch")

INT8 = Ability(int8=True)
POOL = Ability(
    int8=False,
    why="XNNPACK averages the dequantized values, it has no int8 average pool",
    fix="the tflite target pools in int8",
)
NO_KERNEL = Ability(
    int8=False,
    why="XNNPACK has no int8 kernel for it",
)
ABILITIES: Mapping[str, Ability] = MappingProxyType(
    {
        "add": INT8,
        "average_pool": POOL,
        "conv": INT8,
        "depthwise_conv": INT8,
        "div": NO_KERNEL,
        "elu": INT8,
        "exp": NO_KERNEL,
        "head": FLOAT_HEAD,
        "log": NO_KERNEL,
        "max_over_channels": INT8,
        "max_over_time": INT8,
        "max_pool": INT8,
        "mean": INT8,
        "multiply": INT8,
        "relu": INT8,
        "requantized_average_pool": POOL,
        "reshape": INT8,
        "sigmoid": INT8,
        "sqrt": NO_KERNEL,
        "sub": INT8,
        "tanh": INT8,
    }
)


def write(sources: Sources, precision: Precision) -> bytes:
    """Write the program; ExecuTorch lowers it.

    Raises
    ------
    AccuracyError
        When ExecuTorch left an operation outside the delegate, where it would be slow and unproven.
    """
    import torch
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import EdgeCompileConfig, to_edge_transform_and_lower

    from edge.patches.lean_lowering import lean_lowering
    from edge.targets.executorch import fully_connected as _fully_connected
    from quantize.inspect import taps
    from quantize.pt2e import ptq

    graph = sources.graph(precision)
    _, _, n_times, n_chans = graph[graph.input].shape
    example = (torch.zeros(1, n_chans, 1, n_times),)
    if precision == Precision.FLOAT:
        module = ptq.trace(sources.lowered.net, n_chans, n_times)
    else:
        module = _fully_connected.rewrite(_open_head(sources))
        _drop_unused(module)
    exported = torch.export.export(_pooled_maxima(taps.give(module, graph)), example, strict=False)
    with lean_lowering(str(node.target) for node in exported.graph.nodes):
        program = to_edge_transform_and_lower(
            exported,
            partitioner=[XnnpackPartitioner(configs=_partitioner_configs())],
            compile_config=EdgeCompileConfig(_check_ir_validity=False),
        )
        outside = _outside_delegates(program.exported_program())
        if outside:
            raise AccuracyError(
                f"ExecuTorch left {', '.join(outside)} outside the XNNPACK delegate."
            )
        return bytes(program.to_executorch().buffer)


def _partitioner_configs() -> list[Any]:
    from executorch.backends.xnnpack.partition import config
    from executorch.backends.xnnpack.partition.config.gemm_configs import LinearConfig
    from executorch.backends.xnnpack.partition.config.generic_node_configs import (
        EluConfig,
        SigmoidConfig,
        SoftmaxConfig,
        TanhConfig,
    )
    from executorch.backends.xnnpack.partition.config.xnnpack_config import ConfigPrecisionType

    both = [ConfigPrecisionType.FP32, ConfigPrecisionType.STATIC_QUANT]

    class Int8Sigmoid(SigmoidConfig):  # type: ignore[misc]  # untyped base
        def supported_precision_types(self) -> list[Any]:
            return both

    class Int8Tanh(TanhConfig):  # type: ignore[misc]  # untyped base
        def supported_precision_types(self) -> list[Any]:
            return both

    class Int8Weights(LinearConfig):  # type: ignore[misc]  # untyped base
        """Float values times int8 weights, which XNNPACK has and ExecuTorch does not ask for."""

        def _get_act_deps(self, *_: Any) -> Any:
            return True, []

        def _get_output_deps(self, *_: Any) -> Any:
            return True, []

    replaced = (LinearConfig, SigmoidConfig, SoftmaxConfig, TanhConfig)
    kept = [entry for entry in config.ALL_PARTITIONER_CONFIGS if entry not in replaced]
    return [*kept, EluConfig, Int8Sigmoid, Int8Tanh, Int8Weights]


def _outside_delegates(program: Any) -> list[str]:
    """Operations that ExecuTorch would run itself, on its portable kernels."""
    calls = [node for node in program.graph.nodes if node.op == "call_function"]
    names = (str(getattr(node.target, "__name__", node.target)) for node in calls)
    return sorted({name for name in names if name not in ("executorch_call_delegate", "getitem")})


def _open_head(sources: Sources) -> Any:
    """The Q/DQ graph without quantization behind the head.

    The head becomes a linear map of floats by int8 weights, ``sum(weight * input) * scale``, and
    adds the int32 bias of the integer graph, so that the sums are the accumulator scaled to float.
    """
    import torch

    from edge.targets.executorch import fully_connected as _fully_connected

    aten = torch.ops.aten
    graph = sources.graph(Precision.INT8)
    qdq: Any = copy.deepcopy(sources.int8.qdq)
    node = last = qdq.graph.output_node().all_input_nodes[0]
    while node.target is not aten.conv2d.default:
        node = node.args[0]
    name = graph.head.output
    weight = graph.constants[f"{name}.weight"].transpose(0, 3, 1, 2)
    bias = graph.constants[f"{name}.bias"] * graph.accumulator_scale()
    with qdq.graph.inserting_before(last):
        scales = graph.constants[f"{name}.weight_scale"]
        rows = _fully_connected.weights(qdq, "open_head", weight, scales)
        flat = qdq.graph.call_function(aten.flatten.using_ints, (node.args[0], 1))
        sums = qdq.graph.call_function(aten.linear.default, (flat, rows))
        added = _fully_connected.constant(qdq, "open_head_bias", bias.astype(np.float32))
        logits = qdq.graph.call_function(aten.add.Tensor, (sums, added))
    last.replace_all_uses_with(logits)
    qdq.graph.eliminate_dead_code()
    qdq.recompile()
    return qdq


def _drop_unused(module: Any) -> None:
    """Remove what no node reads any more: an export would store it in the program."""
    used = {node.target for node in module.graph.find_nodes(op="get_attr")}
    stored = [*dict(module.named_parameters()), *dict(module.named_buffers())]
    for name in set(stored) - used:
        owner, _, last = name.rpartition(".")
        delattr(module.get_submodule(owner), last)


def _pooled_maxima(module: Any) -> Any:
    """The graph with every ``amax`` as a max pool, which XNNPACK has; over channels, turned first.

    XNNPACK refuses a pool of a single value, so a maximum over one is left out.
    """
    import torch

    aten = torch.ops.aten
    for node in module.graph.find_nodes(op="call_function", target=aten.amax.default):
        source, axes = node.args[0], node.args[1]
        _, n_channels, _, n_times = _shape(source)
        kernel = [n_channels, 1] if axes == [1] else [1, n_times]
        if kernel != [1, 1]:
            with module.graph.inserting_before(node):
                if axes == [1]:
                    turn = (source, [0, 2, 1, 3])
                    source = module.graph.call_function(aten.permute.default, turn)
                pool = (source, kernel, kernel)
                source = module.graph.call_function(aten.max_pool2d.default, pool)
        node.replace_all_uses_with(source)
    module.graph.eliminate_dead_code()
    module.recompile()
    return module


def _shape(node: Any) -> tuple[int, ...]:
    """Shape of a node's value; (de)quantization, which keeps it, records none."""
    while "val" not in node.meta:
        node = node.args[0]
    return tuple(node.meta["val"].shape)


def planned_bytes(data: bytes) -> int:
    """Return the memory that ExecuTorch plans for a program's tensors and its input."""
    from executorch.exir._serialize._program import deserialize_pte_binary

    plan = deserialize_pte_binary(data).program.execution_plan[0]
    return sum(plan.non_const_buffer_sizes)


def load(data: bytes, others: Sequence[str] = (), threads: int = 1) -> Session:
    """Load the program in ExecuTorch's own runtime."""
    try:
        import torch
        from executorch.extension.pybindings import _portable_lib
        from executorch.runtime import Runtime
    except ImportError:
        raise MissingToolError(
            "Running a .pte program needs ExecuTorch, which is not installed. "
            "Type: pip install 'eeg-edge[export]'"
        ) from None

    # The pool is the process's; unsafe while it runs.
    _portable_lib._unsafe_reset_threadpool(threads)
    program = Runtime.get().load_program(data)
    method = program.load_method("forward")

    def encode(window: NDArray[np.float32]) -> list[Any]:
        return [torch.from_numpy(to_nchw(np.ascontiguousarray(window, np.float32)[None]))]

    def invoke(inputs: list[Any]) -> Any:
        _ = (data, program)  # ExecuTorch does not keep them alive itself, and segfaults
        return method.execute(inputs)

    def decode(outputs: Any) -> NDArray[np.float32]:
        logits: NDArray[np.float32] = outputs[0][0].numpy().copy()
        return logits

    def value(place: int) -> Callable[[Any], NDArray[np.float32]]:
        return lambda outputs: np.array(outputs[place].numpy(), order="C").ravel()

    return Session(encode, invoke, decode, {name: value(1 + i) for i, name in enumerate(others)})


RUNTIMES: Mapping[str, Loader] = MappingProxyType({"executorch": load})
