# SPDX-License-Identifier: BSD-3-Clause
"""SQNR of every tensor: by hand, and falling from the input to the logits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edge.families.base import lower
from edge.spec import ModelSpec
from quantize.inspect import fidelity
from quantize.pipeline import quantize
from quantize.recipe import Recipe
from tests.networks import SMALL, randomized, windows

SPEC = ModelSpec("eca", 4, 300, 3, SMALL)


def test_every_tensor_is_measured() -> None:
    """Tensors of both graphs in the order of computation; a spoilt one shows, and what follows."""
    x = windows(SPEC, 60)
    made = quantize(lower(randomized(SPEC, 1), SPEC), x, Recipe())
    found = {one.name: one.sqnr_db for one in fidelity.measure(made.float_graph, made.graph, x)}
    names = [made.float_graph.input, *(node.output for node in made.float_graph.nodes)]
    assert list(found) == [name for name in names if name in found]
    assert {"mix", "temporal", "head", made.float_graph.output} <= set(found)
    assert all(value is None or value > 20 for value in found.values())
    constants = dict(made.graph.constants)
    constants["expand.bias"] = constants["expand.bias"] + np.int32(4000)
    spoilt = fidelity.measure(made.float_graph, replace(made.graph, constants=constants), x)
    after = {one.name: one.sqnr_db for one in spoilt}
    assert after["mix"] == found["mix"]
    assert (after["expand_act"] or 0) < (found["expand_act"] or 0) - 6


def test_the_same_graph_is_equal() -> None:
    """Nothing to say where nothing was rounded."""
    made = quantize(lower(randomized(SPEC, 1), SPEC), windows(SPEC, 60), Recipe())
    found = fidelity.measure(made.float_graph, made.float_graph, windows(SPEC, 2))
    assert {one.sqnr_db for one in found} == {None}
