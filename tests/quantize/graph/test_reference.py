# SPDX-License-Identifier: BSD-3-Clause
"""The numpy reference against TFLite Micro's kernels, operation by operation, to the bit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.spec import Precision
from edge.targets.tflite import target as tflite
from quantize.graph import reference
from quantize.graph.qgraph import (
    Activation,
    Arithmetic,
    Array,
    AveragePool,
    Conv,
    LeakyRelu,
    Maximum,
    Mean,
    Multiply,
    Node,
    QGraph,
    Quant,
    Relu,
    Reshape,
    Tensor,
    with_logits,
)
from tests import tflm
from tests.sources import of_graphs

N_TIMES, N_CHANNELS = 37, 5
WINDOWS = 24


def quants(rng: np.random.Generator) -> tuple[Quant, Quant]:
    """Scales and zero points of an input and an output, within a factor of ten of each other."""
    source = float(np.float32(10 ** rng.uniform(-2, 0)))
    target = float(np.float32(source * 10 ** rng.uniform(-0.5, 0.5)))
    zero_points = rng.integers(-128, 128, 2)
    return Quant(source, int(zero_points[0])), Quant(target, int(zero_points[1]))


def graph_of(
    node: Node,
    shape: tuple[int, ...],
    quant: tuple[Quant, Quant],
    constants: Mapping[str, Array] | None = None,
    before: tuple[Node, ...] = (),
    tensors: tuple[Tensor, ...] = (),
) -> QGraph:
    """A graph of one node, an identity head behind it so that it is a whole network."""
    source, target = quant
    n_channels = shape[-1]
    identity = {
        "head.weight": 127 * np.eye(n_channels, dtype=np.int8)[:, None, None],
        "head.bias": np.zeros(n_channels, np.int32),
        "head.weight_scale": np.full(n_channels, 1 / 127, np.float32),
    }
    return QGraph(
        input="input",
        output="logits",
        tensors=(
            Tensor("input", (1, 1, N_TIMES, N_CHANNELS), source),
            *tensors,
            Tensor("y", shape, target),
            Tensor("head", shape, target),
            Tensor("logits", (1, int(np.prod(shape))), target),
        ),
        nodes=(
            *before,
            node,
            Conv("head", "y", depthwise=False, stride=1, pad=(0, 0), relu=False),
            Reshape("logits", "head"),
        ),
        constants={**(constants or {}), **identity},
    )


def held_to_tflm(graph: QGraph, rng: np.random.Generator) -> None:
    """Run random and extreme inputs through both."""
    source = graph.quant("input")
    stored = rng.integers(-128, 128, (WINDOWS, 1, N_TIMES, N_CHANNELS)).astype(np.int8)
    stored[0], stored[1] = -128, 127
    x = np.swapaxes(reference.dequantize(stored, source)[:, 0], 1, 2)
    np.testing.assert_array_equal(reference.to_input(graph, x), stored)
    data = tflite.write(of_graphs(graph, graph), Precision.INT8)
    expected = tflm.run(data, stored)
    np.testing.assert_array_equal(reference.run(graph, x).stored, expected)


def held_to_litert(graph: QGraph, rng: np.random.Generator) -> None:
    """Run the node in LiteRT's own kernel, which need not round as TFLM's does."""
    data = tflite.write(of_graphs(graph, graph), Precision.INT8)
    interpreter = tflite.open_interpreter(data, delegate=False, keep=True)
    (place,) = (one["index"] for one in interpreter.get_tensor_details() if one["name"] == "y")
    for stored in rng.integers(-128, 128, (WINDOWS, 1, 1, N_TIMES, N_CHANNELS)).astype(np.int8):
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], stored)
        interpreter.invoke()
        x = np.swapaxes(reference.dequantize(stored, graph.quant("input"))[:, 0], 1, 2)
        expected = reference.trace(graph, x)["y"]
        np.testing.assert_array_equal(interpreter.get_tensor(place), expected)


def conv_constants(
    rng: np.random.Generator, shape: tuple[int, ...], n_outputs: int, real: float
) -> dict[str, Array]:
    """Random weights whose requantization factors lie around ``real``."""
    return {
        "y.weight": rng.integers(-127, 128, shape).astype(np.int8),
        "y.bias": rng.integers(-(2**13), 2**13, n_outputs).astype(np.int32),
        "y.weight_scale": (real * rng.uniform(0.3, 3, n_outputs)).astype(np.float32),
    }


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("length", "pad"), [(1, 0), (5, 2), (6, 3), (7, 0)])
@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize("relu", [False, True])
def test_convolution(seed: int, length: int, pad: int, depthwise: bool, relu: bool) -> None:
    """Full and depthwise, odd and even filters, padded or not, with and without a fused ReLU."""
    rng = np.random.default_rng([seed, length, depthwise, relu])
    n_outputs = N_CHANNELS if depthwise else 3
    shape = (1, 1, length, N_CHANNELS) if depthwise else (n_outputs, 1, length, N_CHANNELS)
    source, target = quants(rng)
    real = target.scale / source.scale / (30 * length)
    node = Conv("y", "input", depthwise=depthwise, stride=1, pad=(pad, pad), relu=relu)
    n_out = N_TIMES + 2 * pad - length + 1
    constants = conv_constants(rng, shape, n_outputs, real)
    held_to_tflm(graph_of(node, (1, 1, n_out, n_outputs), (source, target), constants), rng)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("relu", [False, True])
def test_logits_of_16_bits(seed: int, relu: bool) -> None:
    """A factor of its own for every output; some saturate, and a ReLU may be fused."""
    rng = np.random.default_rng([seed, relu])
    source, middle = quants(rng)
    graph = graph_of(Relu("y", "input"), (1, 1, N_TIMES, N_CHANNELS), (source, source))
    shape, steps = (N_CHANNELS, 1, 1, N_CHANNELS), 10 ** rng.uniform(-2, 1)
    made = conv_constants(rng, shape, N_CHANNELS, middle.scale / source.scale)
    constants = {name.replace("y", "head", 1): value for name, value in made.items()}
    nodes = tuple(replace(n, relu=relu) if isinstance(n, Conv) else n for n in graph.nodes)
    graph = replace(graph, nodes=nodes, constants=constants)
    quant = Quant(float(np.float32(steps * middle.scale)), 0, bits=16)
    held_to_tflm(with_logits(graph, quant), rng)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("length", "stride"), [(4, 4), (5, 3), (20, 5)])
@pytest.mark.parametrize("own_scale", [False, True])
def test_average_pool(seed: int, length: int, stride: int, own_scale: bool) -> None:
    """With its input's scale and requantizing."""
    rng = np.random.default_rng([seed, length, own_scale])
    source, target = quants(rng)
    n_out = (N_TIMES - length) // stride + 1
    node = AveragePool("y", "input", length, stride)
    quant = (source, target if own_scale else source)
    held_to_tflm(graph_of(node, (1, 1, n_out, N_CHANNELS), quant), rng)


@pytest.mark.parametrize("seed", range(20))
def test_mean(seed: int) -> None:
    """Mean over all samples, requantized."""
    rng = np.random.default_rng(seed)
    source, target = quants(rng)
    node = Mean("y", "input")
    graph = graph_of(node, (1, 1, 1, N_CHANNELS), (source, target))
    held_to_tflm(graph, rng)
    held_to_litert(graph, rng)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("function", ["elu", "sigmoid", "tanh"])
def test_activation(seed: int, function: str) -> None:
    """All 256 entries of random tables; sigmoid and tanh at their fixed scales."""
    rng = np.random.default_rng(seed)
    source, target = quants(rng)
    fixed = {"sigmoid": Quant(1 / 256, -128), "tanh": Quant(1 / 128, 0)}
    node = Activation("y", "input", function)  # type: ignore[arg-type]
    quant = (source, fixed.get(function, target))
    held_to_tflm(graph_of(node, (1, 1, N_TIMES, N_CHANNELS), quant), rng)


@pytest.mark.parametrize("seed", range(20))
def test_leaky_relu(seed: int) -> None:
    """Two factors, one on either side of zero."""
    rng = np.random.default_rng(seed)
    node = LeakyRelu("y", "input", float(np.float32(rng.uniform(0.01, 0.3))))
    held_to_tflm(graph_of(node, (1, 1, N_TIMES, N_CHANNELS), quants(rng)), rng)


@pytest.mark.parametrize("seed", range(5))
def test_relu(seed: int) -> None:
    """Clamped at the zero point, scale kept."""
    rng = np.random.default_rng(seed)
    source, _ = quants(rng)
    node = Relu("y", "input")
    held_to_tflm(graph_of(node, (1, 1, N_TIMES, N_CHANNELS), (source, source)), rng)


@pytest.mark.parametrize("seed", range(20))
def test_multiply(seed: int) -> None:
    """Tokens times a gate that is broadcast over time."""
    rng = np.random.default_rng(seed)
    source, middle = quants(rng)
    target = Quant(float(np.float32(source.scale * middle.scale * 40)), 7)
    graph = graph_of(
        Multiply("y", "input", "gate"),
        (1, 1, N_TIMES, N_CHANNELS),
        (source, target),
        before=(Mean("gate", "input"),),
        tensors=(Tensor("gate", (1, 1, 1, N_CHANNELS), middle),),
    )
    held_to_tflm(graph, rng)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("function", ["add", "sub"])
@pytest.mark.parametrize("broadcast", [True, False])
def test_sum_and_difference(seed: int, function: str, broadcast: bool) -> None:
    """Of a tensor and its mean, or of a tensor and another function of it."""
    rng = np.random.default_rng([seed, broadcast])
    source, middle = quants(rng)
    target = Quant(float(np.float32(max(source.scale, middle.scale) * rng.uniform(0.3, 3))), 7)
    other: Node = Mean("other", "input") if broadcast else LeakyRelu("other", "input", 0.3)
    n_times = 1 if broadcast else N_TIMES
    graph = graph_of(
        Arithmetic("y", "input", "other", function),  # type: ignore[arg-type]
        (1, 1, N_TIMES, N_CHANNELS),
        (source, target),
        before=(other,),
        tensors=(Tensor("other", (1, 1, n_times, N_CHANNELS), middle),),
    )
    held_to_tflm(graph, rng)


@pytest.mark.parametrize("over", ["time", "channels"])
def test_maximum(over: str) -> None:
    """Keeps its scale, over either axis."""
    rng = np.random.default_rng(1)
    source, _ = quants(rng)
    shape = (1, 1, 1, N_CHANNELS) if over == "time" else (1, 1, N_TIMES, 1)
    node = Maximum("y", "input", over)  # type: ignore[arg-type]
    held_to_tflm(graph_of(node, shape, (source, source)), rng)


def test_quotients_have_no_int8_form() -> None:
    """A graph that claims one is refused, not rounded somehow."""
    quant = Quant(0.1, 0)
    graph = graph_of(
        Arithmetic("y", "input", "other", "div"),
        (1, 1, N_TIMES, N_CHANNELS),
        (quant, quant),
        before=(Mean("other", "input"),),
        tensors=(Tensor("other", (1, 1, 1, N_CHANNELS), quant),),
    )
    with pytest.raises(ValueError, match="y: quotients have no int8 form"):
        reference.run(graph, np.zeros((1, N_CHANNELS, N_TIMES), np.float32))


def test_pool_with_weights_of_one_would_lose_a_step() -> None:
    """Why POOL_WEIGHT is 127: rounding twice with a shift of one bit errs in a tenth of them."""
    from quantize.graph.arithmetic import multiply, quantize_multiplier

    sums = np.arange(-600, 600)
    real = 0.37
    ideal = np.rint(sums * real)
    coarse = multiply(sums, *quantize_multiplier(real))
    fine = multiply(127 * sums, *quantize_multiplier(real / 127))
    assert (coarse != ideal).mean() > 0.1
    assert (fine != ideal).mean() < 0.01


def test_quantize_rounds_to_even_and_saturates() -> None:
    """As XNNPACK and a device with an FPU do."""
    x = np.array([0.25, 0.75, -0.25, 1e9, -1e9], np.float32)
    stored: NDArray[np.int8] = reference.quantize(x, Quant(0.5, 1))
    assert stored.tolist() == [1, 3, 1, 127, -128]
