# SPDX-License-Identifier: BSD-3-Clause
"""Provide the target ``onnx``: ONNX Runtime, and every tool that reads quantized ONNX (QDQ).

The file is written node by node from :class:`QGraph`. Input (1, n_chans, 1, n_times) and logits
(1, n_outputs) are both float32. In int8 every tensor passes through QuantizeLinear and
DequantizeLinear, weights are int8 and biases int32 in the file, and the operations stand between
them in float, as the QDQ convention has it: a runtime fuses what it has an integer kernel for. What
ONNX Runtime's CPU kernels do is :data:`ABILITIES`, and a test compares that table with the graph
that ONNX Runtime made.

Activations are stored as uint8, 128 above the graph's int8: the same steps, and the pair of types
(uint8 times int8) that ONNX Runtime fuses throughout; with int8 it left the gate in float.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import MissingToolError
from edge.spec import Precision
from edge.targets.base import Ability, Loader, Session, Sources
from quantize.graph.arithmetic import INT8_MIN
from quantize.graph.layouts import to_nchw
from quantize.graph.qgraph import (
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
    Quant,
    Quantize,
    Relu,
    Reshape,
    inputs_of,
)

SUFFIX = "onnx"
PRECISIONS = tuple(Precision)
EXACT = False
WRITES_WITH = ("onnx",)
RUNS_WITH = ("onnxruntime",)

OPSET = 17
"""From 13 on a scale may differ by channel; 17 is what ONNX Runtime 1.12 (2022) reads."""
IR_VERSION = 8
"""The file format that came with opset 17."""

INT8 = Ability(int8=True)
TABLE = Ability(
    int8=False,
    why="ONNX Runtime has no int8 kernel for it and computes it on dequantized values",
    fix="the tflite target looks it up in a table",
)
DEQUANTIZED = Ability(
    int8=False,
    why="ONNX Runtime has no int8 kernel for it and computes it on dequantized values",
)
ABILITIES: Mapping[str, Ability] = MappingProxyType(
    {
        "add": INT8,
        "average_pool": INT8,
        "conv": INT8,
        "depthwise_conv": INT8,
        "div": DEQUANTIZED,
        "elu": TABLE,
        "exp": DEQUANTIZED,
        "gelu": TABLE,
        "head": Ability(
            int8=False,
            why="int8 weights and inputs are summed in float32, so that logits never tie",
            fix="the tflite target has 16-bit logits",
        ),
        "leaky_relu": INT8,
        "log": DEQUANTIZED,
        "max_over_channels": INT8,
        "max_over_time": INT8,
        "mean": INT8,
        "multiply": INT8,
        "relu": INT8,
        "requantized_average_pool": INT8,
        "reshape": INT8,
        "sigmoid": INT8,
        "sqrt": DEQUANTIZED,
        "sub": Ability(int8=False, why=DEQUANTIZED.why, fix="the tflite target subtracts in int8"),
        "tanh": TABLE,
    }
)

ACTIVATIONS: Mapping[str, str] = MappingProxyType(
    {
        "elu": "Elu",
        "exp": "Exp",
        "log": "Log",
        "sigmoid": "Sigmoid",
        "sqrt": "Sqrt",
        "tanh": "Tanh",
    }
)


def write(sources: Sources, precision: Precision) -> bytes:
    """Write the ``.onnx`` file, checked by ``onnx.checker``; equal graphs give equal bytes."""
    return _Writer(sources.graph(precision)).run()


class _Writer:
    """One file in the making.

    ``name`` is a tensor as an operation computes it, in float; where the graph has it in int8 it is
    also ``name.stored``, and ``name.real`` behind its DequantizeLinear.
    """

    def __init__(self, graph: QGraph) -> None:
        import onnx

        self.onnx: Any = onnx
        self.graph = graph
        self.open = _behind_head(graph)
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []

    def run(self) -> bytes:
        graph, helper = self.graph, self.onnx.helper
        kind = self.onnx.TensorProto.FLOAT
        source = graph[graph.input]
        _, _, n_times, n_chans = source.shape
        if source.quant is not None:
            self._quantize(source.name, source.name, source.quant)
        for node in graph.nodes:
            self._node(node)
        for name, tensor in graph.others.items():
            self._emit("Identity", [self._real(tensor)], name)
        outputs = {graph.output: graph.output, **graph.others}
        made = helper.make_graph(
            self.nodes,
            "eeg-edge",
            [helper.make_tensor_value_info(graph.input, kind, [1, n_chans, 1, n_times])],
            [
                helper.make_tensor_value_info(name, kind, _channels_first(graph[tensor].shape))
                for name, tensor in outputs.items()
            ],
            self.initializers,
        )
        model = helper.make_model(
            made,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="eeg-edge",
        )
        self.onnx.checker.check_model(model, full_check=True)
        data: bytes = model.SerializeToString(deterministic=True)
        return data

    def _node(self, node: Node) -> None:
        match node:
            case Quantize():
                self._quantize(node.input, node.output, self.graph.quant(node.output))
            case Dequantize():
                self._emit("Identity", [self._real(node.input)], node.output)
            case _:
                self._compute(node)

    def _compute(self, node: Node) -> None:
        """The operation, and QuantizeLinear behind it where the tensor is int8."""
        quant = None if node.output in self.open else self.graph[node.output].quant
        self._operation(node, [self._real(name) for name in inputs_of(node)], node.output)
        if quant is not None:
            self._quantize(node.output, node.output, quant)

    def _operation(self, node: Node, sources: list[str], value: str) -> None:
        match node:
            case Conv():
                self._conv(node, sources, value)
            case AveragePool():
                self._emit(
                    "AveragePool",
                    sources,
                    value,
                    kernel_shape=[1, node.length],
                    strides=[1, node.stride],
                )
            case Mean():
                self._emit("GlobalAveragePool", sources, value)
            case Activation(function="gelu"):
                self._gelu(sources[0], value)
            case Activation():
                self._emit(ACTIVATIONS[node.function], sources, value)
            case Relu():
                self._emit("Relu", sources, value)
            case LeakyRelu():
                self._emit("LeakyRelu", sources, value, alpha=node.slope)
            case Multiply():
                self._emit("Mul", sources, value)
            case Arithmetic():
                self._emit(node.function.capitalize(), sources, value)
            case Maximum():
                axes = [3] if node.over == "time" else [1]
                self._emit("ReduceMax", sources, value, axes=axes, keepdims=1)
            case Reshape():
                shape = np.array(_channels_first(self.graph[node.output].shape), np.int64)
                self._emit("Reshape", [*sources, self._constant(f"{value}.shape", shape)], value)
            case _:
                raise AssertionError(f"{node.kind} converts, and does not compute")

    def _conv(self, node: Conv, sources: list[str], value: str) -> None:
        weight = self.graph.constants[f"{node.output}.weight"]
        order = (3, 0, 1, 2) if node.depthwise else (0, 3, 1, 2)
        inputs = [*sources, *self._parameters(node, np.ascontiguousarray(weight.transpose(order)))]
        result = f"{value}.sum" if node.relu else value
        left, right = node.pad
        self._emit(
            "Conv",
            inputs,
            result,
            kernel_shape=[1, weight.shape[2]],
            strides=[1, node.stride],
            pads=[0, left, 0, right],
            group=weight.shape[3] if node.depthwise else 1,
        )
        if node.relu:
            self._emit("Relu", [result], value)

    def _parameters(self, node: Conv, weight: NDArray[Any]) -> list[str]:
        """Weight and bias as the convolution reads them: in float, dequantized where int8."""
        name = node.output
        bias = self.graph.constants[f"{name}.bias"]
        scale = self.graph.constants.get(f"{name}.weight_scale")
        weights = self._constant(f"{name}.weight", weight)
        biases = self._constant(f"{name}.bias", bias)
        if scale is None:
            return [weights, biases]
        real = self._dequantize(weights, scale, np.int8)
        if self.graph.is_float(node):
            return [real, biases]
        step = np.float32(self.graph.quant(node.input).scale) * scale
        return [real, self._dequantize(biases, step, np.int32)]

    def _dequantize(self, name: str, scale: NDArray[np.float32], dtype: type) -> str:
        """A symmetric constant with a scale per channel, its first axis, or one for all.

        The zero points may be left out by the standard, not for ONNX Runtime 1.32.
        """
        scale, axis = (scale[0], {}) if len(scale) == 1 else (scale, {"axis": 0})
        zero = np.zeros(scale.shape, dtype)
        inputs = [
            name,
            self._constant(f"{name}.scale", np.asarray(scale)),
            self._constant(f"{name}.zero_point", zero),
        ]
        return self._emit("DequantizeLinear", inputs, f"{name}.real", **axis)

    def _real(self, name: str) -> str:
        """The tensor in float; behind its DequantizeLinear where it is int8."""
        quant = self.graph[name].quant
        if quant is None or name in self.open:
            return name
        inputs = [f"{name}.stored", *self._quant(name, quant)]
        return self._emit("DequantizeLinear", inputs, f"{name}.real")

    def _quantize(self, source: str, name: str, quant: Quant) -> None:
        self._emit("QuantizeLinear", [source, *self._quant(name, quant)], f"{name}.stored")

    def _quant(self, name: str, quant: Quant) -> list[str]:
        return [
            self._constant(f"{name}.scale", np.array(quant.scale, np.float32)),
            self._constant(f"{name}.zero_point", np.array(quant.zero_point - INT8_MIN, np.uint8)),
        ]

    def _gelu(self, source: str, output: str) -> None:
        """``0.5 x (1 + erf(x / sqrt 2))``: Gelu itself came with opset 20."""
        root = self._constant(f"{output}.root", np.array(np.sqrt(0.5), np.float32))
        one = self._constant(f"{output}.one", np.array(1, np.float32))
        half = self._constant(f"{output}.half", np.array(0.5, np.float32))
        scaled = self._emit("Mul", [source, root], f"{output}.scaled")
        erf = self._emit("Erf", [scaled], f"{output}.erf")
        shifted = self._emit("Add", [erf, one], f"{output}.shifted")
        gate = self._emit("Mul", [shifted, half], f"{output}.gate")
        self._emit("Mul", [source, gate], output)

    def _constant(self, name: str, value: NDArray[Any]) -> str:
        if all(known.name != name for known in self.initializers):
            self.initializers.append(self.onnx.numpy_helper.from_array(value, name))
        return name

    def _emit(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """A node, unless one already writes that output."""
        if all(output not in known.output for known in self.nodes):
            made = self.onnx.helper.make_node(kind, inputs, [output], name=output, **attributes)
            self.nodes.append(made)
        return output


def _behind_head(graph: QGraph) -> frozenset[str]:
    """Tensors of the head and behind it, which are left in float."""
    if graph[graph.output].quant is None:
        return frozenset()
    names = {graph.head.output}
    for node in graph.nodes:
        if names.intersection(inputs_of(node)):
            names.add(node.output)
    return frozenset(names)


def _channels_first(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The graph's (n, 1, n_times, n_channels) as (n, n_channels, 1, n_times)."""
    return (shape[0], shape[3], *shape[1:3]) if len(shape) == 4 else shape


def load(data: bytes, others: Sequence[str] = (), threads: int = 1) -> Session:
    """Load the file in ONNX Runtime's CPU kernels."""
    session = _session(data, threads)
    name = session.get_inputs()[0].name

    def encode(window: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        return {name: to_nchw(np.ascontiguousarray(window, np.float32)[None])}

    def decode(outputs: Any) -> NDArray[np.float32]:
        logits: NDArray[np.float32] = outputs[0][0]
        return logits

    def value(place: int) -> Callable[[Any], NDArray[np.float32]]:
        return lambda outputs: np.ravel(outputs[place])

    values = {name: value(1 + i) for i, name in enumerate(others)}
    return Session(encode, lambda feed: session.run(None, feed), decode, values)


def _session(data: bytes, threads: int = 1, optimized: str = "") -> Any:
    """A session; the graph that ONNX Runtime made of the file is written to ``optimized``."""
    try:
        import onnxruntime
    except ImportError:
        raise MissingToolError(
            "Running an .onnx file needs ONNX Runtime, which is not installed. "
            "Type: pip install onnxruntime"
        ) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    # Without VNNI the x86 kernels add pairs of products in saturating int16 unless told not to.
    options.add_session_config_entry("session.x64quantprecision", "1")
    options.optimized_model_filepath = optimized
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


RUNTIMES: Mapping[str, Loader] = MappingProxyType({"onnx": load})
