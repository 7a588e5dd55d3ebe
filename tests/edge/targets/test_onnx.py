# SPDX-License-Identifier: BSD-3-Clause
"""ONNX files: checked, really int8, fused as the table says, and the reference's logits."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.bundle import read as bundle
from edge.families.base import lower
from edge.spec import ModelSpec, Precision
from edge.targets.onnx import target
from edge.targets.onnx.write import OPSET
from quantize.graph import reference
from quantize.graph.qgraph import QGraph
from quantize.pt2e import ptq
from quantize.pt2e.extract import extract
from quantize.recipe import Recipe
from tests.networks import SMALL, randomized, windows
from tests.sources import of_graphs

FUSED = {
    "add": "QLinearAdd",
    "average_pool": "QLinearAveragePool",
    "conv": "QLinearConv",
    "depthwise_conv": "QLinearConv",
    "elu": "Elu",
    "head": "Conv",
    "max_over_channels": "ReduceMax",
    "max_over_time": "ReduceMax",
    "mean": "QLinearGlobalAveragePool",
    "multiply": "QLinearMul",
    "requantized_average_pool": "QLinearAveragePool",
    "reshape": "Reshape",
    "sigmoid": "QLinearSigmoid",
    "sub": "Sub",
}
"""What ONNX Runtime makes of an operation; what is int8 there begins with QLinear."""


def quantized(spec: ModelSpec, seed: int = 0) -> tuple[QGraph, Any]:
    """A random network's integer graph and windows for it."""
    net = lower(randomized(spec, seed), spec)
    x = windows(spec, 48, seed)
    return extract(ptq.quantize(net, x, Recipe())), x


def test_weights_are_int8_in_the_file(eca_bundle: Path) -> None:
    """Every convolution reads int8 weights, a scale per channel and int32 biases; opset stated."""
    path = eca_bundle / "model.onnx.int8.onnx"
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert [(o.domain, o.version) for o in model.opset_import] == [("", OPSET)]
    constants = {c.name: onnx.numpy_helper.to_array(c) for c in model.graph.initializer}
    graph = bundle.read(eca_bundle).graph()
    for name, value in graph.constants.items():
        if name.endswith(".weight"):
            stored = constants[name]
            assert stored.dtype == np.int8
            assert sorted(stored.ravel()) == sorted(value.ravel())
            assert constants[f"{name}.scale"].shape == (len(stored),)
        elif name.endswith(".bias"):
            assert constants[name].dtype == np.int32
    floats = sum(c.size for c in constants.values() if c.dtype == np.float32)
    channels = sum(len(v) for n, v in constants.items() if n.endswith((".weight", ".bias")))
    assert floats == channels + len(graph.tensors) - 2  # scales only; head and logits have none
    assert path.stat().st_size < (eca_bundle / "model.onnx.float.onnx").stat().st_size


def test_input_and_output(eca_bundle: Path) -> None:
    """(1, n_chans, 1, n_times) float32 in, (1, n_outputs) float32 out, in both precisions."""
    for precision in ("float", "int8"):
        session = onnxruntime.InferenceSession(eca_bundle / f"model.onnx.{precision}.onnx")
        source, result = session.get_inputs()[0], session.get_outputs()[0]
        assert (source.name, source.shape, source.type) == ("input", [1, 22, 1, 1000], FLOAT)
        assert (result.name, result.shape, result.type) == ("logits", [1, 4], FLOAT)


FLOAT = "tensor(float)"


@pytest.mark.parametrize("mode", ["eca", "cbam", "gsop"])
def test_runtime_fuses_what_the_table_says(mode: str, tmp_path: Path) -> None:
    """ONNX Runtime's own graph has an integer kernel for each operation that is called int8."""
    graph, _ = quantized(ModelSpec(mode, 4, 300, 3, SMALL))
    data = target.write(of_graphs(graph, graph), Precision.INT8)
    target._session(data, optimized=str(tmp_path / "o.onnx"))
    nodes = onnx.load(tmp_path / "o.onnx").graph.node
    needs = [node.needs(graph) for node in graph.nodes]
    conversions = ("QuantizeLinear", "DequantizeLinear", "Transpose")
    made = Counter(node.op_type for node in nodes if node.op_type not in conversions)
    assert made == Counter(FUSED[need] for need in needs)
    floats = {out for node in nodes if node.op_type == "DequantizeLinear" for out in node.output}
    for node in nodes:
        if node.op_type in ("ReduceMax", "Reshape") and node.input[0] != "head":
            assert not floats.intersection(node.input), "keeps int8"
    for need in needs:
        integer = FUSED[need].startswith("QLinear") or FUSED[need] in ("ReduceMax", "Reshape")
        assert target.ABILITIES[need].int8 == integer, need


@pytest.mark.parametrize(
    "activation", ["ELU", "GELU", "SiLU", "LeakyReLU", "Tanh", "Sigmoid", "ReLU"]
)
def test_activations(activation: str) -> None:
    """Every activation runs and lies close to the integer reference, float and int8."""
    cls = getattr(torch.nn, activation)
    arguments = {**SMALL, "activation": f"{cls.__module__}.{cls.__qualname__}"}
    spec = ModelSpec("eca", 3, 200, 2, arguments)
    graph, x = quantized(spec)
    data = target.write(of_graphs(graph, graph), Precision.INT8)
    got, expected = target.load(data)(x), reference.run(graph, x).unrounded
    assert np.abs(got - expected).max() / np.abs(expected).max() < 0.05


@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_random_networks(data: st.DataObject) -> None:
    """Random shapes: float equals the float graph; int8 adds less than twice quantization's noise.

    Rounding differs (ONNX Runtime multiplies in float32), and a random network amplifies it: in
    120 of them the median ratio was below 0.3 and the largest 0.75; a wrong scale gives hundreds.
    """
    draw = data.draw
    arguments = {
        **SMALL,
        "spatial_expansion": draw(st.integers(1, 3)),
        "temp_filter_length_inp": draw(st.integers(4, 21)),
        "temp_filter_length": draw(st.integers(2, 7)),
        "pool_length_inp": draw(st.integers(4, 20)),
    }
    spec = ModelSpec("none", draw(st.integers(1, 16)), draw(st.integers(150, 400)), 3, arguments)
    seed = draw(st.integers(0, 99))
    graph, x = quantized(spec, seed)
    net = lower(randomized(spec, seed), spec)
    floats = extract(ptq.trace(net, spec.n_chans, spec.n_times))
    sources = of_graphs(floats, graph)
    expected = reference.run(floats, x).real
    got = target.load(target.write(sources, Precision.FLOAT))(x)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
    reference_int8 = reference.run(graph, x).unrounded
    got = target.load(target.write(sources, Precision.INT8))(x)
    noise = np.square(reference_int8 - expected).sum()
    assert np.square(got - reference_int8).sum() < 2 * noise


def test_writing_is_deterministic(eca_bundle: Path) -> None:
    """The bundle's graph gives the bundle's file, byte for byte."""
    graph = bundle.read(eca_bundle).graph()
    data = target.write(of_graphs(graph, graph), Precision.INT8)
    assert data == (eca_bundle / "model.onnx.int8.onnx").read_bytes()
