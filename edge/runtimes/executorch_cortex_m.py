"""executorch-cortex-m: ExecuTorch with its Cortex-M backend (CMSIS-NN); no ``--targets`` name.

The integer graph is written in the operators of ``executorch.backends.cortex_m`` and lowered to a
``.pte`` with its memory planned, scratch buffers of CMSIS-NN for a Cortex-M55 included. Functions
of one value, ELU among them, are its table operator; what it has no int8 operator for is computed
by ExecuTorch's portable kernels in float32, between a dequantize and a quantize operator.

ExecuTorch's wheel has no C++ kernels of this backend: what runs here, and is compared, are the
implementations in Python that it ships beside its operators, bit for bit CMSIS-NN's by their word.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge.errors import MissingToolError
from edge.runtime import Built
from edge.spec import Precision
from edge.target import Ability, Session, Sources
from edge.targets import executorch
from edge.tosa_import import ensure_tosa
from quantize import reference
from quantize.arithmetic import INT8_MAX, INT8_MIN, quantize_multiplier
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
    inputs_of,
)

TARGET = IN_EXPORT = ""
RUNS_WITH = ("torch", "executorch")
OPEN_HEAD = False
EXACT = False

INT8 = Ability(int8=True)
FLOAT_ONLY = Ability(int8=False, why="ExecuTorch computes it with portable float kernels")
NO_OPERATOR = Ability(
    int8=False,
    why="the Cortex-M backend has no int8 operator for it",
    fix="the c and tflite targets compute it in int8",
)
ABILITIES: Mapping[str, Ability] = MappingProxyType(
    dict.fromkeys(("div", "exp", "log", "sqrt"), FLOAT_ONLY)
    | {"sub": NO_OPERATOR}
    | dict.fromkeys(("add", "average_pool", "conv", "depthwise_conv", "elu", "gelu", "head"), INT8)
    | dict.fromkeys(("leaky_relu", "max_over_channels", "max_over_time", "mean", "multiply"), INT8)
    | dict.fromkeys(("relu", "requantized_average_pool", "reshape", "sigmoid", "tanh"), INT8)
)

ELEMENTWISE = (Activation, Relu, LeakyRelu)
FLOAT_FUNCTIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "elu": torch.nn.functional.elu,
    "exp": torch.exp,
    "gelu": torch.nn.functional.gelu,
    "log": torch.log,
    "sigmoid": torch.sigmoid,
    "sqrt": torch.sqrt,
    "tanh": torch.tanh,
}
FLOAT_ARITHMETIC: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": torch.add,
    "sub": torch.sub,
    "div": torch.div,
}
AXES = {"time": 3, "channels": 1}


def build(sources: Sources) -> Built:
    """The program's size and memory plan, and its operators in Python."""
    graph = sources.graph(Precision.INT8)
    program = _Program(graph).eval()
    data = _lower(program, graph)

    def encode(window: NDArray[np.float32]) -> Tensor:
        samples = torch.from_numpy(np.ascontiguousarray(window, np.float32))[None, :, None]
        return samples.to(memory_format=torch.channels_last)

    def invoke(samples: Tensor) -> Tensor:
        with torch.no_grad():
            logits: Tensor = program(samples)
        return logits

    session = Session(encode, invoke, lambda logits: logits[0].numpy().copy())
    return Built(session, len(data), executorch.planned_bytes(data))


def _operators() -> Any:
    """The backend's operators; its quantizer has to be imported before them."""
    ensure_tosa()
    try:
        for module in ("quantizer.quantizer", "ops.operators"):
            importlib.import_module(f"executorch.backends.cortex_m.{module}")
    except ImportError as error:
        raise MissingToolError(
            f"ExecuTorch's Cortex-M backend cannot be imported ({error}). "
            f"Type: pip install 'executorch[ethos-u]==1.4.0'"
        ) from None
    return torch.ops.cortex_m


def _lower(program: nn.Module, graph: QGraph) -> bytes:
    """The ``.pte``, scratch buffers planned with everything else."""
    from executorch.backends.cortex_m.library.cmsis_nn import Backend
    from executorch.backends.cortex_m.passes.scratch_buffer_sizes import (
        required_cmsis_nn_buffer_sizes,
    )
    from executorch.exir import EdgeCompileConfig, memory, to_edge

    _, _, n_times, n_chans = graph[graph.input].shape
    example = torch.zeros(1, n_chans, 1, n_times).to(memory_format=torch.channels_last)
    exported = torch.export.export(program, (example,), strict=False)
    lowered = to_edge(exported, compile_config=EdgeCompileConfig(_check_ir_validity=False))
    module = lowered.exported_program().graph_module
    for node in module.graph.nodes:
        if (sizes := required_cmsis_nn_buffer_sizes(node, Backend.MVE)) is not None:
            (size,) = sizes
            with module.graph.inserting_before(node):
                scratch = module.graph.call_function(memory.alloc, (((size,), torch.uint8),))
            scratch.meta["val"] = torch.empty((size,), dtype=torch.uint8, device="meta")
            node.args = (*node.args[:-1], scratch)
    module.recompile()
    return bytes(lowered.to_executorch().buffer)


class _Program(nn.Module):
    """The integer graph in the backend's operators: float32 window in, float32 logits out."""

    def __init__(self, graph: QGraph) -> None:
        super().__init__()
        self.operators = _operators()
        self.graph = graph
        self.constant("scratch", np.zeros(1, np.uint8))  # planned when the program is lowered
        for node in graph.nodes:
            self.prepare(node)

    def constant(self, name: str, value: NDArray[Any]) -> None:
        """Keep an array under the name of a tensor, or a part of it."""
        self.register_buffer(name.replace(".", "_"), torch.from_numpy(np.ascontiguousarray(value)))

    def __getitem__(self, name: str) -> Tensor:
        value: Tensor = getattr(self, name.replace(".", "_"))
        return value

    def prepare(self, node: Node) -> None:
        """The constants of a node."""
        graph, name = self.graph, node.output
        if isinstance(node, Conv):
            for role in ("weight", "bias"):
                self.constant(f"{name}.{role}", graph.constants[f"{name}.{role}"])
            if not graph.is_float(node):
                self.factors(node, graph.constants[f"{name}.weight_scale"])
        elif isinstance(node, AveragePool | Mean) and not graph.is_float(node):
            n_channels, length = graph[node.input].shape[3], self.length(node)
            weight = np.full((1, 1, length, n_channels), POOL_WEIGHT, np.int8)
            self.constant(f"{name}.weight", weight)
            self.constant(f"{name}.bias", np.zeros(n_channels, np.int32))
            self.factors(node, np.full(n_channels, 1 / (POOL_WEIGHT * length)))
        elif isinstance(node, ELEMENTWISE) and not graph.is_float(node):
            every = np.arange(INT8_MIN, INT8_MAX + 1, dtype=np.int8).reshape(1, 1, -1, 1)
            self.constant(
                f"{name}.table", reference.evaluate(graph, node, {node.input: every}).ravel()
            )

    def factors(self, node: Node, weight_scale: NDArray[Any]) -> None:
        """Multiplier and shift of each channel."""
        source, target = self.graph.quant(node.input), self.graph.quant(node.output)
        real = float(source.scale) * weight_scale.astype(np.float64) / float(target.scale)
        for role, value in zip(("multiplier", "shift"), quantize_multiplier(real), strict=True):
            self.constant(f"{node.output}.{role}", value.astype(np.int32))

    def length(self, node: AveragePool | Mean) -> int:
        """Samples that are averaged."""
        return node.length if isinstance(node, AveragePool) else self.graph[node.input].shape[2]

    def forward(self, x: Tensor) -> Tensor:
        """(1, n_chans, 1, n_times) to logits (1, n_outputs)."""
        graph = self.graph
        values = {graph.input: self.quantized(x, graph.input)}
        for node in graph.nodes:
            inputs = [values[name] for name in inputs_of(node)]
            values[node.output] = self.compute(node, inputs)
        logits = values[graph.output]
        return logits if graph[graph.output].quant is None else self.real(logits, graph.output)

    def quantized(self, x: Tensor, name: str) -> Tensor:
        quant = self.graph.quant(name)
        arguments = (quant.scale, quant.zero_point, INT8_MIN, INT8_MAX, torch.int8)
        result: Tensor = torch.ops.quantized_decomposed.quantize_per_tensor(x, *arguments)
        return result

    def real(self, x: Tensor, name: str) -> Tensor:
        quant = self.graph.quant(name)
        arguments = (quant.scale, quant.zero_point, INT8_MIN, INT8_MAX, torch.int8)
        result: Tensor = torch.ops.quantized_decomposed.dequantize_per_tensor(x, *arguments)
        return result

    def compute(self, node: Node, inputs: list[Tensor]) -> Tensor:
        """A node's value."""
        match node:
            case Quantize():
                return self.quantized(inputs[0], node.output)
            case Dequantize():
                return self.real(inputs[0], node.input)
            case Reshape():
                return inputs[0].reshape(self.graph[node.output].shape)
        if self.graph.is_float(node):
            return self.compute_float(node, inputs)
        if isinstance(node, Arithmetic) and node.function != "add":
            real = [self.real(x, name) for x, name in zip(inputs, inputs_of(node), strict=True)]
            return self.quantized(self.compute_float(node, real), node.output)
        return self.compute_int8(node, inputs)

    def compute_int8(self, node: Node, inputs: list[Tensor]) -> Tensor:
        x, name, operators = inputs[0], node.output, self.operators
        result: Tensor
        match node:
            case Conv() | AveragePool() | Mean():
                return self.convolution(node, x)
            case Activation() | Relu() | LeakyRelu():
                result = operators.quantized_activation(x, self[f"{name}.table"])
            case Maximum():
                result = torch.amax(x, AXES[node.over], keepdim=True)
            case Multiply():
                result = self.product(node, x, _spread(inputs[1], x))
            case Arithmetic():
                result = self.sum(node, x, _spread(inputs[1], x))
            case _:
                raise AssertionError(f"{node.kind} converts, and does not compute")
        return result

    def convolution(self, node: Conv | AveragePool | Mean, x: Tensor) -> Tensor:
        source, target = self.graph.quant(node.input), self.graph.quant(node.output)
        depthwise = not isinstance(node, Conv) or node.depthwise
        low = target.zero_point if isinstance(node, Conv) and node.relu else INT8_MIN
        stride = 1 if isinstance(node, Mean) else node.stride
        pad = node.pad[0] if isinstance(node, Conv) else 0
        operator = self.operators.quantized_conv2d
        multiplicity: tuple[int, ...] = ()
        if depthwise:
            operator, multiplicity = self.operators.quantized_depthwise_conv2d, (1,)
        roles = [self[f"{node.output}.{role}"] for role in ("weight", "bias")]
        factors = [self[f"{node.output}.{role}"] for role in ("multiplier", "shift")]
        geometry = ([1, stride], [0, pad], [1, 1], *multiplicity)
        offsets = (-source.zero_point, target.zero_point)
        result: Tensor = operator(
            x, *roles, *geometry, *offsets, *factors, low, INT8_MAX, self["scratch"]
        )
        return result

    def product(self, node: Multiply, x: Tensor, other: Tensor) -> Tensor:
        a, b, target = (self.graph.quant(n) for n in (node.input, node.other, node.output))
        mantissa, shift = quantize_multiplier(a.scale * b.scale / target.scale)
        result: Tensor = self.operators.quantized_mul(
            x, a.zero_point, other, b.zero_point, target.zero_point, int(mantissa), int(shift)
        )
        return result

    def sum(self, node: Arithmetic, x: Tensor, other: Tensor) -> Tensor:
        a, b, target = (self.graph.quant(n) for n in (node.input, node.other, node.output))
        (first, second), last = reference.add_factors(a, b, target)
        ends = ((x, a, first), (other, b, second))
        arguments = [v for t, q, f in ends for v in (t, q.zero_point, int(f[0]), int(f[1]))]
        ending = (target.zero_point, int(last[0]), int(last[1]), INT8_MIN, INT8_MAX)
        result: Tensor = self.operators.quantized_add(*arguments, *ending)
        return result

    def compute_float(self, node: Node, inputs: list[Tensor]) -> Tensor:
        """As PyTorch computes it; ExecuTorch has a portable kernel for each."""
        x = inputs[0]
        match node:
            case Conv():
                weight = self[f"{node.output}.weight"]
                order = (3, 0, 1, 2) if node.depthwise else (0, 3, 1, 2)
                groups = weight.shape[3] if node.depthwise else 1
                y = torch.conv2d(
                    x,
                    weight.permute(order),
                    self[f"{node.output}.bias"],
                    [1, node.stride],
                    [0, node.pad[0]],
                    groups=groups,
                )
                return torch.relu(y) if node.relu else y
            case AveragePool():
                return torch.nn.functional.avg_pool2d(x, (1, node.length), (1, node.stride))
            case Mean():
                return x.mean(3, keepdim=True)
            case Activation():
                return FLOAT_FUNCTIONS[node.function](x)
            case Relu():
                return torch.relu(x)
            case LeakyRelu():
                return torch.nn.functional.leaky_relu(x, node.slope)
            case Maximum():
                return torch.amax(x, AXES[node.over], keepdim=True)
            case Multiply():
                return x * inputs[1]
            case Arithmetic():
                return FLOAT_ARITHMETIC[node.function](x, inputs[1])
            case _:
                raise AssertionError(f"{node.kind} is not a float operation")


def _spread(other: Tensor, x: Tensor) -> Tensor:
    """One value a token over all channels; the backend itself spreads one value a channel."""
    is_token = other.shape[1] == 1 and x.shape[1] > 1
    return other.repeat(1, x.shape[1], 1, 1) if is_token else other
