# SPDX-License-Identifier: BSD-3-Clause
"""ExecuTorch programs: one delegate, nothing on portable kernels, logits that never tie."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.bundle import read as bundle
from edge.errors import AccuracyError
from edge.exporting import rungs as ladder
from edge.families.base import lower
from edge.patches import lean_lowering
from edge.spec import ModelSpec, Precision
from edge.targets.base import Lowered, Sources
from edge.targets.executorch import target as executorch
from quantize.graph import outputs, reference
from quantize.pt2e import ptq
from quantize.pt2e.extract import extract
from quantize.recipe import Recipe
from tests.networks import SMALL, randomized, windows
from tests.sources import of_network

SPEC = ModelSpec("eca", 4, 300, 3, SMALL)


@pytest.fixture(scope="module")
def sources() -> Sources:
    """A random network in every form."""
    net = lower(randomized(SPEC, 3), SPEC)
    qdq = ptq.quantize(net, windows(SPEC, 60), Recipe())
    return of_network(net, extract(ptq.trace(net, 4, 300)), extract(qdq), qdq)


def test_float_program_is_the_network(sources: Sources) -> None:
    """Relative error below 1e-4."""
    x = windows(SPEC, 20, seed=1)
    got = executorch.load(executorch.write(sources, Precision.FLOAT))(x)
    ref = reference.run(sources.lowered.graph, x).real
    assert np.abs(got - ref).max() / np.abs(ref).max() < 1e-4


def test_int8_logits_are_the_accumulator(sources: Sources) -> None:
    """The open head gives sums, not steps of the int16 logits, close to the reference's sums."""
    x = windows(SPEC, 60, seed=1)
    graph = sources.graph(Precision.INT8)
    got = executorch.load(executorch.write(sources, Precision.INT8))(x)
    unrounded = reference.run(graph, x).unrounded
    assert np.abs(got - unrounded).max() / np.abs(unrounded).max() < 0.05
    step = graph.quant(graph.output).scale
    assert np.abs(got / step - np.rint(got / step)).max() > 0.1


def test_the_head_sums_exactly_with_int8_weights(sources: Sources) -> None:
    """Its logits are the integer sums of what it reads, and its weights are in the file as int8."""
    graph = outputs.give(sources.graph(Precision.INT8), ("features",))
    data = executorch.write(
        replace(sources, quantized=replace(sources.int8, graph=graph)), Precision.INT8
    )
    given = executorch.load(data, ("features",)).values(windows(SPEC, 30, seed=1))
    _, _, n_tokens, n_channels = graph[graph.head.input].shape
    real = given["features"].reshape(-1, n_channels, n_tokens).transpose(0, 2, 1)[:, None]
    stored = reference.quantize(real, graph.quant(graph.head.input))
    sums = graph.head.accumulate(graph, stored).reshape(len(stored), -1)
    expected = sums * graph.accumulator_scale()
    atol = 1e-6 * np.abs(expected).max()
    np.testing.assert_allclose(given["logits"], expected, rtol=0, atol=atol)
    weight = graph.constants[f"{graph.head.output}.weight"].transpose(0, 3, 1, 2)
    assert np.ascontiguousarray(weight).tobytes() in data


@pytest.mark.parametrize("precision", list(Precision))
def test_lean_lowering_gives_the_same_bytes(
    sources: Sources, precision: Precision, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left out finds nothing in our programs."""
    lean = executorch.write(sources, precision)
    monkeypatch.setattr(lean_lowering, "idle_passes", lambda _: ())
    assert executorch.write(sources, precision) == lean


def test_passes_that_may_find_something_stay() -> None:
    """A softmax may be attention's, an indexing may be resampling."""
    assert lean_lowering.idle_passes(["aten.conv2d.default"]) == tuple(lean_lowering.PATTERNS)
    assert lean_lowering.idle_passes(["aten.softmax.int"]) == ("ConvertToUpsampleBilinear2d",)
    assert lean_lowering.idle_passes(["aten.index.Tensor"]) == ("ConvertToSDPAPass",)


@pytest.mark.parametrize("worth", [0, 1000])
@pytest.mark.parametrize(("length", "n"), [(1, 1), (1, 6), (6, 7), (9, 10)])
@pytest.mark.parametrize("groups", [1, 4])
def test_float_convolutions_become_fully_connected(
    worth: int, length: int, n: int, groups: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A float convolution with int8 weights gives the same in the form that XNNPACK has."""
    import torch

    from edge.targets.executorch import fully_connected as _fully_connected

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            shape = (8, 4 // groups, 1, length)
            self.register_buffer("weight", torch.randint(-127, 128, shape, dtype=torch.int8))
            self.register_buffer("bias", torch.randn(8))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            dequantize = torch.ops.quantized_decomposed.dequantize_per_tensor.default
            weight = dequantize(self.weight, 0.01, 0, -127, 127, torch.int8)
            padding = (0, length // 2)
            return torch.conv2d(x, weight, self.bias, padding=padding, groups=groups)

    monkeypatch.setattr(_fully_connected, "WORTH", worth)
    x = torch.randn(1, 4, 1, n)
    module = torch.export.export(Net(), (x,), strict=False).module(check_guards=False)
    expected = module(x)
    rewritten = _fully_connected.rewrite(module)
    calls = {str(node.target) for node in rewritten.graph.nodes if node.op == "call_function"}
    linear = groups == 1 and (worth == 0 or (length, n) == (1, 1))
    assert ("aten.linear.default" in calls, "aten.conv2d.default" in calls) == (linear, not linear)
    torch.testing.assert_close(rewritten(x), expected, rtol=0, atol=1e-5)


def test_the_qdq_graph_is_not_changed(sources: Sources) -> None:
    """Opening the head works on a copy: the graph still gives rounded logits afterwards."""
    executorch.write(sources, Precision.INT8)
    graph = sources.graph(Precision.INT8)
    rung = ladder._run_qdq(sources.int8.qdq, windows(SPEC, 3), ("logits",))["logits"]
    step = graph.quant(graph.output).scale
    np.testing.assert_allclose(rung / step, np.rint(rung / step), atol=1e-2)


def test_an_operation_outside_the_delegate_is_refused() -> None:
    """A network that ExecuTorch would run on portable kernels is not written."""
    import torch

    class Odd(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.erfinv(torch.tanh(x)).mean(3).flatten(1)

    graph = extract(ptq.trace(lower(randomized(SPEC, 0), SPEC), 4, 300))
    with pytest.raises(
        AccuracyError, match=r"ExecuTorch left .*erfinv.* outside the XNNPACK delegate"
    ):
        executorch.write(Sources(Lowered(graph, Odd())), Precision.FLOAT)


def test_bundle_programs_run(eca_bundle: Path) -> None:
    """The exported programs give the golden logits of their rung."""
    opened = bundle.read(eca_bundle)
    golden = opened.golden()
    windows_ = opened.contract().scale(golden["x"])
    for precision in Precision:
        data = (eca_bundle / f"model.executorch.{precision}.pte").read_bytes()
        got = executorch.load(data)(windows_)
        np.testing.assert_array_equal(got, golden[f"logits/executorch {precision}"])
