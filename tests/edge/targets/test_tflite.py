# SPDX-License-Identifier: BSD-3-Clause
"""TFLite files: valid for every interpreter, written to the byte again and again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from edge.bundle import read as bundle
from edge.families.base import lower
from edge.spec import ModelSpec, Precision
from edge.targets.tflite import target as tflite
from edge.targets.tflite import write
from quantize.graph import reference
from quantize.pt2e import ptq
from quantize.pt2e.extract import extract
from quantize.recipe import Recipe
from tests import tflm
from tests.networks import SMALL, randomized, windows
from tests.sources import of_graphs


def parsed(data: bytes) -> Any:
    """A file as the schema's object tree."""
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))


def exported(bundle_folder: Path, precision: str) -> bytes:
    """The default export's file."""
    return (bundle_folder / f"model.tflite.{precision}.tflite").read_bytes()


def test_micro_computes_the_reference(eca_bundle: Path) -> None:
    """TFLite Micro's interpreter gives the golden integers and the reference's, all of them."""
    opened = bundle.read(eca_bundle)
    graph = opened.graph()
    golden = opened.golden()
    data = exported(eca_bundle, "int8")
    np.testing.assert_array_equal(tflm.run(data, golden["x_int8"][:, None]), golden["logits_int16"])
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 22, 1000)).astype(np.float32)
    expected = tflm.run(data, reference.to_input(graph, x))
    np.testing.assert_array_equal(reference.run(graph, x).stored, expected)


def test_input_and_output(eca_bundle: Path) -> None:
    """Sample-major int8 windows in, int16 logits out; float32 in the float file."""
    kinds = schema.TensorType
    for precision, given, wanted in (
        ("int8", kinds.INT8, kinds.INT16),
        ("float", kinds.FLOAT32, kinds.FLOAT32),
    ):
        graph = parsed(exported(eca_bundle, precision)).subgraphs[0]
        source, target = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
        assert (source.name.decode(), source.shape.tolist(), source.type) == (
            "input",
            [1, 1, 1000, 22],
            given,
        )
        assert (target.name.decode(), target.shape.tolist(), target.type) == (
            "logits",
            [1, 4],
            wanted,
        )


def test_buffers_are_aligned(eca_bundle: Path) -> None:
    """Constants begin at multiples of 16, as the schema demands and Cortex-M0 needs."""
    data = exported(eca_bundle, "int8")
    model = schema.Model.GetRootAs(data, 0)
    whole = np.frombuffer(data, np.uint8)
    for i in range(model.BuffersLength()):
        buffer = model.Buffers(i)
        if buffer.DataLength():
            start = buffer.DataAsNumpy().__array_interface__["data"][0]
            assert (start - whole.__array_interface__["data"][0]) % 16 == 0


def test_operator_versions_are_the_lowest(eca_bundle: Path) -> None:
    """Every operator has the version of the table, so that old runtimes load the file."""
    names = {v: k for k, v in vars(schema.BuiltinOperator).items() if not k.startswith("_")}
    wide = set(write.WIDE_VERSIONS.items())
    for precision, column, of_logits in (("float", 0, set()), ("int8", 1, wide)):
        codes = parsed(exported(eca_bundle, precision)).operatorCodes
        found = {(names[code.builtinCode], code.version) for code in codes}
        others = dict(found - of_logits)
        assert others == {name: write.VERSIONS[name][column] for name in others}
        assert set(others) >= {"CONV_2D", "DEPTHWISE_CONV_2D", "ELU", "MEAN", "LOGISTIC", "MUL"}
        assert found >= of_logits


def test_even_filters_are_padded_explicitly() -> None:
    """TFLite's SAME would give one output less than braindecode for an even filter."""
    spec = ModelSpec("none", 3, 200, 2, {**SMALL, "temp_filter_length_inp": 8})
    net = lower(randomized(spec, 0), spec)
    x = windows(spec, 40)
    graph = extract(ptq.quantize(net, x, Recipe()))
    data = tflite.write(of_graphs(graph, graph), Precision.INT8)
    assert "PAD" in _operators(data)
    expected = reference.run(graph, x).stored
    np.testing.assert_array_equal(tflm.run(data, reference.to_input(graph, x)), expected)


@pytest.mark.parametrize("activation", ["GELU", "SiLU", "LeakyReLU", "Tanh", "Sigmoid", "ReLU"])
@pytest.mark.parametrize("delegate", [True, False])
def test_activations_run_in_litert(activation: str, delegate: bool) -> None:
    """Every activation runs in int8 in LiteRT with and without XNNPACK, close to the reference."""
    import torch

    cls = getattr(torch.nn, activation)
    arguments = {**SMALL, "activation": f"{cls.__module__}.{cls.__qualname__}"}
    spec = ModelSpec("eca", 3, 200, 2, arguments)
    net = lower(randomized(spec, 0), spec)
    x = windows(spec, 60)
    graph = extract(ptq.quantize(net, x, Recipe()))
    data = tflite.write(of_graphs(graph, graph), Precision.INT8)
    got, ref = tflite.load(data, delegate=delegate)(x), reference.run(graph, x).real
    assert np.abs(got - ref).max() / np.abs(ref).max() < 0.05


def test_writing_is_deterministic(eca_bundle: Path) -> None:
    """The bundle's graph gives the bundle's file, byte for byte."""
    graph = bundle.read(eca_bundle).graph()
    assert tflite.write(of_graphs(graph, graph), Precision.INT8) == exported(eca_bundle, "int8")


def _operators(data: bytes) -> set[str]:
    names = {v: k for k, v in vars(schema.BuiltinOperator).items() if not k.startswith("_")}
    return {names[code.builtinCode] for code in parsed(data).operatorCodes}
