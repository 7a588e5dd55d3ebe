# SPDX-License-Identifier: BSD-3-Clause
"""An operation is one file in quantize and one function for each target, as CONTRIBUTING says.

The tests add a maximum over a window of samples as a contributor would, and run it everywhere.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from edge.errors import IncompatibleError
from edge.spec import Precision, Verdict
from edge.targets import base, c
from edge.targets.executorch import cortex_m
from edge.targets.onnx import operations as onnx_operations
from edge.targets.onnx import target as onnx
from edge.targets.tflite import operations as tflite_operations
from edge.targets.tflite import target as tflite
from firmware_bridge.emit import emitters, float_emitters
from firmware_bridge.plan.source import Emission, identifier, time_and_channels
from quantize.graph import files, operations, reference
from quantize.graph.operations import table
from quantize.graph.operations.base import Node, Reach, Shape, Values
from quantize.graph.operations.sliding import positions, taps
from quantize.graph.qgraph import OPERATIONS, Array, Conv, QGraph, Quant, Reshape, Tensor
from quantize.graph.streaming import Streaming, all_windows
from quantize.pt2e import operations as torch_operations
from quantize.pt2e import ptq
from quantize.pt2e.extract import extract
from quantize.recipe import Recipe
from tests.sources import of_graphs

N_TIMES, N_CHANNELS, N_OUTPUTS = 40, 5, 3
SHARED = {"base", "binary", "sliding", "table"}
"""Files of the folder that hold no operation."""


@dataclass(frozen=True)
class Largest(Node):
    """The largest of ``length`` samples every ``stride``."""

    length: int
    stride: int

    kind: ClassVar[str] = "largest"
    names: ClassVar[tuple[str, ...]] = ("largest",)
    reach: ClassVar[Reach] = "neighbourhood"
    keeps_quant: ClassVar[bool] = True

    def output_shape(self, graph: QGraph) -> Shape:
        """A position for every whole window."""
        _, _, n_times, n_chans = graph[self.input].shape
        return (1, 1, positions(self.output, n_times, self.length, self.stride), n_chans)

    def kernel(self, _: QGraph) -> tuple[int, int, int]:
        """Length and stride."""
        return self.length, self.stride, 0

    def in_int8(self, _: QGraph, values: Values) -> Array:
        """The largest of the stored values."""
        return functools.reduce(np.maximum, taps(values[self.input], self.length, self.stride))

    def in_float(self, graph: QGraph, values: Values) -> Array:
        """The largest value."""
        return self.in_int8(graph, values)


def to_tflite(to: Any, node: Largest) -> None:
    """One operator."""
    options = to.schema.Pool2DOptionsT()
    options.padding = to.schema.Padding.VALID
    options.strideW, options.strideH = node.stride, 1
    options.filterWidth, options.filterHeight = node.length, 1
    to.emit("MAX_POOL_2D", node, options)


def to_onnx(to: Any, node: Largest, sources: list[str]) -> None:
    """One node."""
    sizes = {"kernel_shape": [1, node.length], "strides": [1, node.stride]}
    to.emit("MaxPool", sources, node.output, **sizes)


def to_cortex_m(to: Any, node: Largest, values: Mapping[str, Any]) -> Any:
    """One operator of the backend."""
    zero_point = to.graph.quant(node.input).zero_point
    window = ([1, node.length], [1, node.stride], [0, 0], [1, 1], False)
    return to.ops.quantized_max_pool2d(
        values[node.input], *window, zero_point, zero_point, -128, 127
    )


def to_c(graph: QGraph, node: Largest, _: str) -> Emission:
    """A loop, short enough to stand in the model's own file."""
    n, n_chans = time_and_channels(graph, node.output)
    x, y = identifier(node.input), identifier(node.output)
    return Emission(
        f"for (int32_t i = 0; i < {n}; i++) {{\n"
        f"    for (int32_t c = 0; c < {n_chans}; c++) {{\n"
        f"        int8_t most = -128;\n"
        f"        for (int32_t k = 0; k < {node.length}; k++) {{\n"
        f"            const int8_t v = {x}[(i * {node.stride} + k) * {n_chans} + c];\n"
        f"            most = v > most ? v : most;\n"
        f"        }}\n"
        f"        {y}[i * {n_chans} + c] = most;\n"
        f"    }}\n"
        f"}}"
    )


def read(name: str, sources: Any, node: Any) -> Node:
    """PyTorch's ``max_pool2d``."""
    return Largest(name, sources[0], int(node.args[1][-1]), int(node.args[2][-1]))


def with_row(patch: pytest.MonkeyPatch, module: Any, name: str, key: Any, value: Any) -> None:
    """Add a row to a table."""
    patch.setattr(module, name, MappingProxyType({**getattr(module, name), key: value}))


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows that a contributor writes, one in a file; who imports a table has it anew."""
    for module in (files, base):
        with_row(monkeypatch, module, "OPERATIONS", "largest", Largest)
    reader = torch_operations.Reader(read, "input")
    with_row(monkeypatch, torch_operations, "READERS", torch.ops.aten.max_pool2d.default, reader)
    for name in ("extract", "quantizer"):
        module = importlib.import_module(f"quantize.pt2e.{name}")
        monkeypatch.setattr(module, "READERS", torch_operations.READERS)
    from edge.targets.onnx import write as onnx_write
    from edge.targets.tflite import write as tflite_write

    with_row(monkeypatch, tflite_write, "WRITERS", "largest", to_tflite)
    with_row(monkeypatch, tflite_write, "VERSIONS", "MAX_POOL_2D", (1, 2))
    with_row(monkeypatch, onnx_write, "WRITERS", "largest", to_onnx)
    with_row(monkeypatch, cortex_m, "WRITERS", "largest", to_cortex_m)
    with_row(monkeypatch, emitters, "EMITTERS", "largest", to_c)


def graph_with_pool() -> QGraph:
    """A pool and a head that reads all of it, random weights."""
    rng = np.random.default_rng(0)
    n, quant = (N_TIMES - 6) // 2 + 1, Quant(0.05, 3)
    weight = rng.integers(-127, 128, (N_OUTPUTS, 1, n, N_CHANNELS)).astype(np.int8)
    logits = Quant(0.001, 0, bits=16)
    return QGraph(
        input="input",
        output="logits",
        tensors=(
            Tensor("input", (1, 1, N_TIMES, N_CHANNELS), quant),
            Tensor("pooled", (1, 1, n, N_CHANNELS), quant),
            Tensor("head", (1, 1, 1, N_OUTPUTS), logits),
            Tensor("logits", (1, N_OUTPUTS), logits),
        ),
        nodes=(
            Largest("pooled", "input", 6, 2),
            Conv("head", "pooled", depthwise=False, stride=1, pad=(0, 0), relu=False),
            Reshape("logits", "head"),
        ),
        constants={
            "head.weight": weight,
            "head.bias": rng.integers(-99, 99, N_OUTPUTS).astype(np.int32),
            "head.weight_scale": np.full(N_OUTPUTS, 0.001, np.float32),
        },
    )


def windows(count: int) -> Any:
    """Noise, (count, n_chans, n_times)."""
    rng = np.random.default_rng(1)
    return rng.standard_normal((count, N_CHANNELS, N_TIMES)).astype(np.float32)


@pytest.mark.usefixtures("registered")
def test_every_target_computes_it(tmp_path: Path) -> None:
    """Its file is read back, TFLite and C give the reference's integers, ONNX Runtime nearly."""
    files.save(graph_with_pool(), tmp_path / "graph")
    graph = files.load(tmp_path / "graph")
    assert graph.nodes == graph_with_pool().nodes
    x, sources = windows(20), of_graphs(graph, graph)
    expected = reference.run(graph, x)
    for written in (tflite, c):
        session = written.load(written.write(sources, Precision.INT8))
        np.testing.assert_array_equal(session(x), expected.real)
    found = onnx.load(onnx.write(sources, Precision.INT8))(x)
    np.testing.assert_allclose(found, expected.unrounded, atol=1e-4)


@pytest.mark.usefixtures("registered")
def test_cortex_m_computes_it() -> None:
    """ExecuTorch's own implementation of the operator gives the reference's integers."""
    graph = cortex_m.narrowed(graph_with_pool())
    net = cortex_m.network(graph, cortex_m.operators())
    stored = reference.to_input(graph, windows(8))
    with torch.no_grad():
        given = [net(torch.from_numpy(one[None]).permute(0, 3, 1, 2)).numpy() for one in stored]
    np.testing.assert_array_equal(np.concatenate(given), reference.run(graph, windows(8)).stored)


@pytest.mark.usefixtures("registered")
def test_it_streams() -> None:
    """A window that slides gives what the whole window gives."""
    graph = graph_with_pool()
    frames = np.random.default_rng(2).standard_normal((90, N_CHANNELS)).astype(np.float32)
    steps = Streaming(graph, hop=4).push(reference.quantize(frames, graph.quant("input")))
    whole = reference.run(graph, np.swapaxes(all_windows(frames, N_TIMES, 4), 1, 2))
    np.testing.assert_array_equal(np.concatenate([s.logits.stored for s in steps]), whole.stored)


@pytest.mark.usefixtures("registered")
def test_it_is_read_from_pytorch() -> None:
    """Quantized, it keeps its input's scale."""
    net = torch.nn.Sequential(
        torch.nn.MaxPool2d((1, 6), (1, 2)),
        torch.nn.Conv2d(N_CHANNELS, N_OUTPUTS, (1, 18)),
        torch.nn.Flatten(),
    ).eval()
    graph = extract(ptq.quantize(net, windows(60), Recipe()))
    (pool,) = (node for node in graph.nodes if isinstance(node, Largest))
    assert (pool.length, pool.stride) == (6, 2)
    assert graph[pool.input].quant == graph[pool.output].quant


@pytest.mark.usefixtures("registered")
def test_a_target_without_a_writer_is_refused_by_name() -> None:
    """Its table has no row, because the row comes with the writer."""
    judged = base.judge(graph_with_pool(), tflite.ABILITIES)
    assert judged.verdict == Verdict.BLOCKED
    assert judged.reasons[0].operation == "largest"
    ready = base.all_in_int8("", (*tflite_operations.WRITERS, "largest"))
    assert base.judge(graph_with_pool(), ready).verdict == Verdict.FULL


@pytest.mark.parametrize("written", [tflite, onnx, c], ids=["tflite", "onnx", "c"])
def test_a_graph_that_was_not_judged(written: Any) -> None:
    """A writer that lacks an operation names it; it was a KeyError."""
    graph = graph_with_pool()
    with pytest.raises(IncompatibleError, match=r"Node 'pooled' needs .*'largest'.*--targets"):
        written.write(of_graphs(graph, graph), Precision.INT8)


def test_a_graph_with_an_unknown_operation_is_refused(tmp_path: Path) -> None:
    """Nothing is registered here: the file names the kind and those that exist."""
    files.save(graph_with_pool(), tmp_path / "graph")
    with pytest.raises(IncompatibleError, match=r"kind.*'largest'"):
        files.load(tmp_path / "graph")


def test_every_file_holds_an_operation() -> None:
    """Files of the folder and rows of the table are the same; keys of abilities are unique."""
    found = set()
    for module in pkgutil.iter_modules(operations.__path__):
        loaded = importlib.import_module(f"quantize.graph.operations.{module.name}")
        own = {
            one.kind
            for one in vars(loaded).values()
            if isinstance(one, type)
            and issubclass(one, Node)
            and one.__module__ == loaded.__name__
            and "kind" in vars(one)
        }
        assert bool(own) is (module.name not in SHARED), module.name
        found |= own
    assert found == set(OPERATIONS) == set(table.OPERATIONS)
    keys = [name for node in OPERATIONS.values() for name in node.names]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("kind", OPERATIONS)
def test_every_operation_is_written_everywhere(kind: str) -> None:
    """Each target and C have a function for each of ours; conversions are part of some."""
    converts = OPERATIONS[kind].converts
    assert kind in tflite_operations.WRITERS
    for written in (onnx_operations.WRITERS, cortex_m.WRITERS, emitters.INT8_KINDS):
        assert kind in written or converts
    assert kind in (*float_emitters.FLOAT_EMITTERS, "quantize", "reshape")
