# SPDX-License-Identifier: BSD-3-Clause
"""Float convolutions with int8 weights: the same values in every form and runtime."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.spec import Precision
from edge.targets.onnx import target as onnx
from edge.targets.tflite import target as tflite
from quantize.graph import files as graph_files
from quantize.graph import reference
from quantize.graph.qgraph import Conv, QGraph, Reshape, Tensor
from quantize.pt2e import quantizer
from tests import tflm
from tests.sources import of_graphs

N_TIMES, N_CHANNELS = 11, 5


@st.composite
def networks(draw: st.DrawFn) -> QGraph:
    """A float network of one convolution, its weights in int8."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    length, depthwise = draw(st.sampled_from([1, 2, 5])), draw(st.booleans())
    pad, relu = draw(st.integers(0, length // 2)), draw(st.booleans())
    n_outputs = N_CHANNELS if depthwise else draw(st.integers(1, 9))
    shape = (1, 1, length, N_CHANNELS) if depthwise else (n_outputs, 1, length, N_CHANNELS)
    out = (1, 1, N_TIMES + 2 * pad - length + 1, n_outputs)
    return QGraph(
        "input",
        "logits",
        (
            Tensor("input", (1, 1, N_TIMES, N_CHANNELS), None),
            Tensor("y", out, None),
            Tensor("logits", (1, int(np.prod(out))), None),
        ),
        (Conv("y", "input", depthwise, 1, (pad, pad), relu), Reshape("logits", "y")),
        {
            "y.weight": rng.integers(-127, 128, shape).astype(np.int8),
            "y.weight_scale": np.array([10 ** rng.uniform(-4, 0)], np.float32),
            "y.bias": rng.normal(0, 1, n_outputs).astype(np.float32),
        },
    )


@settings(max_examples=25, deadline=None)
@given(networks(), st.integers(0, 99))
def test_int8_weights_are_their_float_values(graph: QGraph, seed: int) -> None:
    """On disk, in the reference to the bit, in LiteRT, TensorFlow Lite Micro and ONNX Runtime."""
    with TemporaryDirectory() as folder:
        graph_files.save(graph, Path(folder) / "g")
        loaded = graph_files.load(Path(folder) / "g")
    assert (loaded.nodes, loaded.tensors) == (graph.nodes, graph.tensors)
    for name, value in graph.constants.items():
        assert loaded.constants[name].dtype == value.dtype
        np.testing.assert_array_equal(loaded.constants[name], value)
    real = {"y.weight": graph.float_weight(graph.head), "y.bias": graph.constants["y.bias"]}
    x = np.random.default_rng(seed).normal(0, 1, (3, N_CHANNELS, N_TIMES)).astype(np.float32)
    expected = reference.run(replace(graph, constants=real), x).real
    np.testing.assert_array_equal(reference.run(loaded, x).real, expected)
    atol = 1e-5 * (1 + np.abs(expected).max())
    data = tflite.write(of_graphs(loaded), Precision.FLOAT)
    assert graph.constants["y.weight"].tobytes() in data
    rows = np.swapaxes(x, 1, 2)[:, None]
    np.testing.assert_allclose(tflm.run(data, rows), expected, rtol=0, atol=atol)
    for delegate in (True, False):
        got = tflite.load(data, delegate=delegate)(x)
        np.testing.assert_allclose(got, expected, rtol=0, atol=atol)
    got = onnx.load(onnx.write(of_graphs(loaded), Precision.FLOAT))(x)
    n, _, t, c = len(x), *graph["y"].shape[1:]
    got = got.reshape(n, c, t).transpose(0, 2, 1).reshape(n, -1)
    np.testing.assert_allclose(got, expected, rtol=0, atol=atol)


def test_one_scale_is_refused_where_it_is_too_coarse() -> None:
    """Outputs that all have the same size are fine, also of equal weights; small ones are not."""
    weight = torch.linspace(-1, 1, 48).reshape(3, 16, 1, 1)
    assert quantizer.is_fine(weight)
    assert quantizer.is_fine(torch.full((3, 16, 1, 1), -0.3))
    weight[1] /= 100
    assert not quantizer.is_fine(weight)
    assert not quantizer.is_fine(torch.zeros(3, 16, 1, 1))
