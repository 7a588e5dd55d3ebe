# SPDX-License-Identifier: BSD-3-Clause
"""The judge of graphs: it passes what we make and names what is wrong in what we do not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quantize.errors import IncompatibleError
from quantize.graph import bounds, files, reference
from quantize.graph.check import check
from quantize.graph.qgraph import AveragePool, Conv, QGraph, Quant
from tests.synthetic import Shape, network

GRAPH = network(Shape())


def node(name: str, **changes: Any) -> QGraph:
    """The graph with one node changed."""
    nodes = tuple(replace(n, **changes) if n.output == name else n for n in GRAPH.nodes)
    return replace(GRAPH, nodes=nodes)


def tensor(name: str, **changes: Any) -> QGraph:
    """The graph with one tensor changed."""
    tensors = tuple(replace(t, **changes) if t.name == name else t for t in GRAPH.tensors)
    return replace(GRAPH, tensors=tensors)


def constant(name: str, value: Any) -> QGraph:
    """The graph with one constant changed."""
    return replace(GRAPH, constants={**GRAPH.constants, name: value})


def without(name: str) -> QGraph:
    """The graph without one constant."""
    return replace(GRAPH, constants={k: v for k, v in GRAPH.constants.items() if k != name})


def renamed(old: str, new: str) -> QGraph:
    """The graph with a tensor called otherwise everywhere."""

    def name(word: Any) -> Any:
        return new if word == old else word

    nodes = [
        replace(
            n,
            **{f: name(getattr(n, f)) for f in ("output", "input", "other") if hasattr(n, f)},
        )
        for n in GRAPH.nodes
    ]
    return replace(
        GRAPH,
        tensors=tuple(replace(t, name=name(t.name)) for t in GRAPH.tensors),
        nodes=tuple(nodes),
        constants={k.replace(f"{old}.", f"{new}.", 1): v for k, v in GRAPH.constants.items()},
    )


MIX = GRAPH.constants["mix.weight"]
SCALE = GRAPH.constants["mix.weight_scale"]
BIAS = GRAPH.constants["mix.bias"]

WRONG: dict[str, tuple[Callable[[], QGraph], str]] = {
    "mix weights of another shape": (
        lambda: constant("mix.weight", MIX[..., :2]),
        "'mix.weight': its shape is (5, 1, 1, 2) and should be (5, 1, length, 3)",
    ),
    "weights of three axes": (
        lambda: constant("mix.weight", MIX[0]),
        "'mix.weight': its shape is (1, 1, 3) and should be (5, 1, length, 3)",
    ),
    "float weights": (
        lambda: constant("mix.weight", MIX.astype(np.float32)),
        "'mix.weight': it holds float32, not int8",
    ),
    "bias of another length": (
        lambda: constant("mix.bias", BIAS[:2]),
        "'mix.bias': its shape is (2,) and should be (5,)",
    ),
    "no bias": (lambda: without("mix.bias"), "'mix.bias': this constant is missing"),
    "a constant too many": (
        lambda: constant("more.weight", MIX),
        "'more.weight': no node needs this constant",
    ),
    "NaN weight scale": (
        lambda: constant("mix.weight_scale", np.full_like(SCALE, np.nan)),
        "'mix.weight_scale': it holds NaN or infinity",
    ),
    "zero weight scale": (
        lambda: constant("mix.weight_scale", 0 * SCALE),
        "'mix.weight_scale': a scale in it is not positive, or too small for a float32",
    ),
    "pool longer than what it reads": (
        lambda: node("block_pool", length=500),
        "'block_pool': its length is 500 and it reads 21 samples",
    ),
    "pool of no length": (
        lambda: node("block_pool", length=0),
        "'block_pool': its length is 0 and it reads 21 samples",
    ),
    "stride zero": (
        lambda: node("block_pool", stride=0),
        "'block_pool': its stride is 0; 1 ... 32768 are allowed",
    ),
    "pad of a billion": (
        lambda: node("temporal", pad=(10**9, 0)),
        "'temporal': its pad is (1000000000, 0); 0 ... 8 are allowed",
    ),
    "negative pad": (
        lambda: node("temporal", pad=(-1, 0)),
        "'temporal': its pad is (-1, 0); 0 ... 8 are allowed",
    ),
    "NaN scale": (
        lambda: tensor("mix", quant=Quant(float("nan"), 0)),
        "'mix': its scale is nan; it must be positive and a normal float32",
    ),
    "negative scale": (
        lambda: tensor("mix", quant=Quant(-1.0, 0)),
        "'mix': its scale is -1.0; it must be positive and a normal float32",
    ),
    "zero point beyond int8": (
        lambda: tensor("mix", quant=Quant(1.0, 128)),
        "'mix': its zero point is 128; -128 ... 127 are allowed",
    ),
    "zero point of the logits": (
        lambda: tensor("logits", quant=Quant(1.0, 1, bits=16)),
        "'logits': its zero point is 1; 0 ... 0 are allowed",
    ),
    "16 bits inside": (
        lambda: tensor("mix", quant=Quant(1.0, 0, bits=16)),
        "'mix': it holds 16 bits, as the logits alone may",
    ),
    "shape that does not follow": (
        lambda: tensor("temporal", shape=(1, 1, 121, 5)),
        "'temporal': its shape is (1, 1, 121, 5) and should be (1, 1, 120, 5)",
    ),
    "shape of no axes": (
        lambda: tensor("mix", shape=()),
        "'mix': its shape () is neither (1, n) nor (1, 1, n, n)",
    ),
    "endless tensor": (
        lambda: tensor("x", shape=(1, 1, 2**40, 3)),
        "'x': its shape is (1, 1, 1099511627776, 3); 1 ... 16777216 values are allowed",
    ),
    "C in a name": (
        lambda: renamed("mix", "mix*/ int evil; /*"),
        "'mix*/ int evil; /*': names are ASCII letters, digits, underscores and single dots, a "
        "letter first, 100 characters at most",
    ),
    "one identifier for two": (
        lambda: renamed("gate.mean", "gate_conv"),
        "'gate_conv': 2 tensors are called so",
    ),
    "float32 in the middle": (
        lambda: tensor("expand_act", quant=None),
        "'expand_act': it mixes int8 and float32, which only conversions may",
    ),
    "function without an int8 form": (
        lambda: node("expand_act", function="exp"),
        "'expand_act': 'exp' has no int8 form",
    ),
    "sums beyond 32 bits": (
        lambda: constant("mix.bias", np.full_like(BIAS, 2**31 - 1)),
        "'mix': its sums may reach ",
    ),
    "scale that shifts sums out of 32 bits": (
        lambda: tensor("mix", quant=Quant(1e-20, 0)),
        "'mix': its scaled sums may reach ",
    ),
    "logits of another number": (
        lambda: tensor("logits", shape=(1, 4)),
        "'logits': (1, 1, 1, 3) cannot be reshaped to (1, 4)",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_graphs_are_refused_by_name(name: str, tmp_path: Path) -> None:
    """Each fault in memory and, where a file can hold it, from a file."""
    make, expected = WRONG[name]
    graph = make()
    with pytest.raises(IncompatibleError) as refused:
        check(graph)
    assert str(refused.value).startswith(f"Not a valid graph: {expected}")
    if "nan" not in expected:
        files.save(graph, tmp_path / "g")
        with pytest.raises(IncompatibleError, match=r"g\.json: Not a valid graph"):
            files.load(tmp_path / "g")


def test_order_is_checked_in_the_file(tmp_path: Path) -> None:
    """A node that reads what comes later would be a cycle."""
    files.save(GRAPH, tmp_path / "g")
    document = json.loads((tmp_path / "g.json").read_text())
    document["nodes"] = document["nodes"][::-1]
    (tmp_path / "g.json").write_text(json.dumps(document))
    with pytest.raises(IncompatibleError, match=r"g\.json: node 'logits' reads"):
        files.load(tmp_path / "g")


@pytest.mark.parametrize("seed", range(20))
def test_what_passes_runs_within_its_bounds(seed: int) -> None:
    """Random shapes pass, and no sum of extreme windows exceeds the bound that was proved."""
    rng = np.random.default_rng(seed)
    shape = Shape(
        n_chans=int(rng.integers(1, 9)),
        n_times=int(rng.integers(100, 200)),
        length=int(rng.integers(1, 20)),
        pool=int(rng.integers(1, 30)),
        stride=int(rng.integers(1, 12)),
        gate=bool(rng.integers(2)),
    )
    assert shape.possible
    graph = network(shape, seed=seed)
    proved = check(graph)
    quant = graph.quant(graph.input)
    stored = rng.choice([-128, 127], (8, shape.n_times, shape.n_chans)).astype(np.int8)
    windows = reference.dequantize(stored, quant).swapaxes(1, 2)
    values = reference.trace(graph, windows)
    for one in graph.nodes:
        if isinstance(one, Conv):
            sums = one.accumulate(graph, values[one.input])
            assert np.abs(sums).max() <= proved[one.output] < 2**31
        if isinstance(one, AveragePool):
            assert one.output in proved


def test_a_proof_names_what_it_holds_for() -> None:
    """The ranges are all that the stored integers can be, dequantized."""
    graph = network(Shape(gate=True), seed=3)
    for one in bounds.accumulators(graph):
        node = next(node for node in graph.nodes if node.output == one.node)
        assert one.operation == node.kind
        assert tuple(one.inputs) == node.inputs
        for name, ends in one.inputs.items():
            stored = np.array([-128, 127], np.int8)
            assert np.array_equal(reference.dequantize(stored, graph.quant(name)), np.float32(ends))
        assert 0 < one.bound < bounds.LIMIT
