# SPDX-License-Identifier: BSD-3-Clause
"""Integer graphs for the engine's tests: random networks of many shapes, and the shipped ones."""

from __future__ import annotations

import contextlib
import functools
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.checkpoint import find as checkpoints
from edge.checkpoint.files import load
from edge.families.base import lower
from edge.spec import ModelSpec
from quantize.graph import files as graph_files
from quantize.graph import reference
from quantize.graph.qgraph import QGraph
from quantize.pt2e import ptq
from quantize.pt2e.extract import extract
from quantize.recipe import Recipe
from quantize.refine.equalize import equalize, mixed_pair
from tests.networks import SMALL, randomized, windows

SHAPES: Mapping[str, dict[str, Any]] = {
    "odd": {},
    "even filter": {"temp_filter_length_inp": 8},
    "one tap": {"temp_filter_length_inp": 1},
    "even second filter": {"temp_filter_length": 6},
    "long filter": {"temp_filter_length_inp": 51},
    "pool not a multiple": {"pool_length_inp": 21, "pool_stride_inp": 6},
    "pool coprime": {"pool_length_inp": 9, "pool_stride_inp": 4},
    "pool with gaps": {"pool_length_inp": 6, "pool_stride_inp": 9},
    "pool of one": {"pool_length_inp": 1, "pool_stride_inp": 1},
    "large blocks": {"pool_length_inp": 64, "pool_stride_inp": 64, "pool_length": 2},
    "expansion": {"spatial_expansion": 2, "n_temporal_filters": 5},
    "one filter": {"n_temporal_filters": 1, "ch_dim": 3},
    "wide": {"n_temporal_filters": 19, "ch_dim": 37},
    "pool of its own": {"pool_length": 5, "pool_stride": 3},
}
"""Arguments that differ from a small network's."""

ACTIVATIONS = ("ELU", "GELU", "SiLU", "LeakyReLU", "Tanh", "Sigmoid", "ReLU")


@functools.cache
def random_graph(
    shape: str, activation: str = "ELU", mode: str = "eca", n_chans: int = 5
) -> QGraph:
    """The integer graph of a network with random parameters."""
    arguments = {**SMALL, **SHAPES[shape], "activation": f"torch.nn.{activation}"}
    spec = ModelSpec(mode, n_chans, 203, 3, arguments)
    net = lower(randomized(spec, 1), spec)
    return extract(ptq.quantize(net, windows(spec, 60), Recipe()))


@functools.cache
def mode_graph(mode: str) -> QGraph:
    """The integer graph of a network of any mode with random parameters, default sizes."""
    return _once_a_run(f"mode-{mode}", lambda: _mode_graph(mode))


def _once_a_run(name: str, make: Callable[[], QGraph]) -> QGraph:
    """A graph that the processes of a test run make once between them, through a file."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    folder = Path(tempfile.gettempdir()) / f"edge-graphs-{run}"
    if not (folder / name).exists():
        folder.mkdir(exist_ok=True)
        own = Path(tempfile.mkdtemp(dir=folder))
        graph_files.save(make(), own / "graph")
        with contextlib.suppress(OSError):  # another process was faster: the same bytes
            own.rename(folder / name)
    return graph_files.load(folder / name / "graph")


def _mode_graph(mode: str) -> QGraph:
    spec = ModelSpec(mode, 22, 1000, 4)
    net = lower(randomized(spec, 1), spec)
    return extract(ptq.quantize(net, windows(spec, 60), Recipe()))


@functools.cache
def shipped_graph(mode: str) -> QGraph:
    """The integer graph of a shipped checkpoint, calibrated on noise."""
    model = load(checkpoints.ZOO / mode)
    x = windows(model.spec, 40)
    net = lower(model.module, model.spec)
    pair = mixed_pair(extract(ptq.trace(net, *x.shape[1:])))
    balanced = net if pair is None else equalize(net, x, pair)
    return extract(ptq.quantize(balanced, x, Recipe()))


def stored_windows(graph: QGraph, count: int, seed: int = 0) -> NDArray[np.int8]:
    """(count, n_times, n_chans) int8: quantized noise, then uniform noise, then the extremes."""
    rng = np.random.default_rng(seed)
    shape = graph[graph.input].shape[-2:]
    quant = graph.quant(graph.input)
    stored = reference.quantize(rng.standard_normal((count, *shape)).astype(np.float32), quant)
    half = count // 2
    stored[half:] = rng.integers(-128, 128, stored[half:].shape)
    stored[-1], stored[-2] = -128, 127
    return stored


def expected(graph: QGraph, stored: NDArray[np.int8]) -> reference.Logits:
    """The reference's logits of stored windows (count, n_times, n_chans)."""
    x = np.swapaxes(reference.dequantize(stored, graph.quant(graph.input)), 1, 2)
    np.testing.assert_array_equal(reference.to_input(graph, x)[:, 0], stored)
    return reference.run(graph, x)
