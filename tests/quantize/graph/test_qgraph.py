# SPDX-License-Identifier: BSD-3-Clause
"""The graph on disk and the checks that it makes of itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from quantize.errors import IncompatibleError
from quantize.graph import files as graph_files
from quantize.graph.qgraph import Activation, Conv, QGraph, Quant, Reshape, Tensor


def small_graph() -> QGraph:
    """A convolution, an ELU and a head."""
    quant = Quant(0.5, 3)
    return QGraph(
        input="input",
        output="logits",
        tensors=(
            Tensor("input", (1, 1, 4, 2), quant),
            Tensor("mix", (1, 1, 4, 3), Quant(0.25, -1)),
            Tensor("act", (1, 1, 4, 3), Quant(0.125, 0)),
            Tensor("head", (1, 1, 1, 2), Quant(0.5, 0, bits=16)),
            Tensor("logits", (1, 2), Quant(0.5, 0, bits=16)),
        ),
        nodes=(
            Conv("mix", "input", depthwise=False, stride=1, pad=(0, 0), relu=False),
            Activation("act", "mix", "elu"),
            Conv("head", "act", depthwise=False, stride=1, pad=(0, 0), relu=False),
            Reshape("logits", "head"),
        ),
        constants={
            "mix.weight": np.ones((3, 1, 1, 2), np.int8),
            "mix.bias": np.array([1, 2, 3], np.int32),
            "mix.weight_scale": np.array([0.1, 0.2, 0.3], np.float32),
            "head.weight": np.ones((2, 1, 4, 3), np.int8),
            "head.bias": np.zeros(2, np.int32),
            "head.weight_scale": np.array([0.5, 0.25], np.float32),
        },
    )


def test_round_trip_is_exact(tmp_path: Path) -> None:
    """What is loaded is what was saved: structure, scales to the bit, constants, types."""
    graph = small_graph()
    graph_files.save(graph, tmp_path / "qgraph")
    loaded = graph_files.load(tmp_path / "qgraph")
    assert (loaded.input, loaded.output) == (graph.input, graph.output)
    assert (loaded.tensors, loaded.nodes) == (graph.tensors, graph.nodes)
    for name, value in graph.constants.items():
        assert loaded.constants[name].dtype == value.dtype
        np.testing.assert_array_equal(loaded.constants[name], value)


def test_files_are_deterministic(tmp_path: Path) -> None:
    """The same graph gives the same bytes."""
    for name in "ab":
        graph_files.save(small_graph(), tmp_path / name)
    for suffix in (".json", ".npz"):
        first, second = ((tmp_path / name).with_suffix(suffix).read_bytes() for name in "ab")
        assert first == second


def test_head_and_accumulator_scale() -> None:
    """The head is found behind the reshape; its step is input scale times weight scale."""
    graph = small_graph()
    assert graph.head.output == "head"
    np.testing.assert_array_equal(
        graph.accumulator_scale(), np.array([0.0625, 0.03125], np.float32)
    )


def test_reading_before_writing_is_refused() -> None:
    """A node may only read what an earlier node wrote."""
    graph = small_graph()
    with pytest.raises(ValueError, match="node 'act' reads"):
        QGraph(graph.input, graph.output, graph.tensors, graph.nodes[1:], graph.constants)


def test_other_schema_version_is_refused(tmp_path: Path) -> None:
    """A file of another version is not guessed at."""
    graph_files.save(small_graph(), tmp_path / "g")
    text = (tmp_path / "g.json").read_text().replace('"schema_version": 2', '"schema_version": 9')
    (tmp_path / "g.json").write_text(text)
    with pytest.raises(
        IncompatibleError, match="has schema_version 9; this version of edge reads 2"
    ):
        graph_files.load(tmp_path / "g")
