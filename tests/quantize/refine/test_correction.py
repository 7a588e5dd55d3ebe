# SPDX-License-Identifier: BSD-3-Clause
"""Bias correction takes off what quantization adds on average, in both forms of the graph."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from edge.families.base import lower
from edge.spec import ModelSpec
from quantize.graph import reference
from quantize.graph.qgraph import QGraph
from quantize.pipeline import quantize
from quantize.pt2e.extract import extract
from quantize.recipe import Recipe
from quantize.refine import correction
from tests.networks import SMALL, randomized, windows

SPEC = ModelSpec("eca", 4, 300, 3, SMALL)


def shifted(graph: QGraph, name: str, steps: int) -> QGraph:
    """The graph with one bias off by some steps."""
    constants = dict(graph.constants)
    constants[f"{name}.bias"] = constants[f"{name}.bias"] + np.int32(steps)
    return replace(graph, constants=constants)


def test_a_shift_is_taken_off() -> None:
    """However far a bias is off, correction finds the same one."""
    x = windows(SPEC, 60)
    made = quantize(lower(randomized(SPEC, 1), SPEC), x, Recipe(correct_bias=False))
    once = correction.correct(made.graph, made.float_graph, x)
    for name in ("temporal", "expand", "pointwise"):
        again = correction.correct(shifted(made.graph, name, 300), made.float_graph, x)
        np.testing.assert_allclose(
            again.constants[f"{name}.bias"], once.constants[f"{name}.bias"], atol=2
        )


def test_the_mean_error_falls() -> None:
    """On windows that it has not seen; the gate's own biases are not touched.

    Nor are those of convolutions that only the next one reads, which takes their errors off.
    """
    x, unseen = windows(SPEC, 60), windows(SPEC, 60, 9)
    made = quantize(lower(randomized(SPEC, 1), SPEC), x, Recipe(correct_bias=False))
    better = correction.correct(made.graph, made.float_graph, x, made.gates)
    wanted = reference.run(made.float_graph, unseen).real
    before, after = (
        np.abs((reference.run(graph, unseen).unrounded - wanted).mean(0)).max()
        for graph in (made.graph, better)
    )
    assert after < before / 2
    for name, value in made.graph.constants.items():
        if name.startswith(("gate", "mix", "depthwise")):
            np.testing.assert_array_equal(value, better.constants[name])


def test_both_forms_are_the_same() -> None:
    """What ExecuTorch lowers is the integer graph, bit for bit."""
    made = quantize(lower(randomized(SPEC, 1), SPEC), windows(SPEC, 60), Recipe())
    again = extract(made.qdq)
    assert (again.nodes, again.tensors) == (made.graph.nodes, made.graph.tensors)
    assert again.constants.keys() == made.graph.constants.keys()
    for name, value in made.graph.constants.items():
        np.testing.assert_array_equal(again.constants[name], value)
    x = torch.from_numpy(windows(SPEC, 1))[:, :, None]
    assert bool(torch.isfinite(made.qdq(x)).all())
