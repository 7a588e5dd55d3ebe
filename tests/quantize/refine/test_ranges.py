# SPDX-License-Identifier: BSD-3-Clause
"""Ranges by what they cost the logits, and the logits' own by the sums that int8 gives."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.families.base import lower
from edge.spec import ModelSpec
from quantize.graph import reference
from quantize.graph.measures import sqnr_db
from quantize.pipeline import Quantized, quantize
from quantize.recipe import Recipe
from quantize.refine import ranges
from tests.networks import SMALL, randomized, windows

SPEC = ModelSpec("eca", 4, 300, 3, SMALL)
NET = lower(randomized(SPEC, 1), SPEC)


def bursts(seed: int) -> NDArray[np.float32]:
    """Windows of which one in six is four times larger for a while."""
    x = windows(SPEC, 60, seed)
    x[::6, :, 100:140] *= 4
    return x


def made(*, fit_ranges: bool) -> Quantized:
    """The network on calibration windows with bursts."""
    return quantize(NET, bursts(0), Recipe(fit_ranges=fit_ranges))


def test_fitted_ranges_are_better_on_unseen_windows() -> None:
    """In the mean over windows, by more than a decibel, where one percentile clips the bursts."""
    x, figures = bursts(9), {}
    for fitted in (False, True):
        one = made(fit_ranges=fitted)
        wanted, got = reference.run(one.float_graph, x).real, reference.run(one.graph, x).unrounded
        each = [sqnr_db(a, b) for a, b in zip(wanted, got, strict=True)]
        figures[fitted] = float(np.mean([db for db in each if db is not None]))
    assert figures[True] > figures[False] + 1


def test_what_was_found_is_kept() -> None:
    """Every tensor but the logits has a share; given again, it makes the same graph."""
    first = made(fit_ranges=True)
    assert {"input", "mix", "temporal", "gate.mul", "block_pool"} <= first.percentiles.keys()
    assert not {"head", "logits"} & first.percentiles.keys()
    assert len(set(first.percentiles.values())) > 1
    again = quantize(NET, bursts(0), Recipe(), first.percentiles)
    assert again.graph.tensors == first.graph.tensors


def test_one_share_for_all() -> None:
    """Nothing is searched where the recipe says so, or where nothing counts percentiles."""
    assert made(fit_ranges=False).percentiles == {}
    assert quantize(NET, bursts(0), Recipe(observer="min_max")).percentiles == {}


def test_descent_weighs_windows() -> None:
    """A finer range is taken where all windows gain, and not where it ruins one of them."""
    signal = np.full(4, 1e4)
    noise = np.full((2, len(ranges.CANDIDATES), 4), 9.0)
    noise[0, 1] = 1.0
    noise[1, 3] = [8.0, 8.0, 8.0, 1e4]
    assert ranges._descend(signal, noise, [2, 2]) == [1, 2]


@pytest.mark.parametrize("largest", [1.0, 20.0])
def test_logits_have_the_range_of_the_sums(largest: float) -> None:
    """A quarter of the steps is used, and none of the calibration windows' logits is cut off."""
    x = windows(SPEC, 60)
    x[0] *= largest
    graph = quantize(NET, x, Recipe()).graph
    got = reference.run(graph, x)
    assert np.abs(got.stored).max() == pytest.approx(2**15 / 4, rel=0.01)
    assert np.abs(got.real - got.unrounded).max() <= 1.01 * graph.quant(graph.output).scale
    assert graph.quant("head") == graph.quant("logits")
