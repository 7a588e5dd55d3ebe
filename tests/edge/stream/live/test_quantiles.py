# SPDX-License-Identifier: BSD-3-Clause
"""Quantiles of a stream against numpy's, within the bound that is stated."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.stream.live.quantiles import ACCURACY, LEAST, MOST, Quantiles

VALUES = st.lists(st.floats(0.0, 1e6), min_size=1, max_size=300)


@given(values=VALUES, share=st.floats(0.0, 1.0))
def test_within_a_percent_of_numpys(values: list[float], share: float) -> None:
    """Of the value that numpy's ``inverted_cdf`` picks."""
    sketch = Quantiles()
    for value in values:
        sketch.add(value)
    exact = float(np.quantile(np.array(values), share, method="inverted_cdf"))
    assert sketch.quantile(share) == pytest.approx(exact, rel=ACCURACY * 1.0001, abs=LEAST)


def test_nothing_and_extremes() -> None:
    """0 where nothing was counted; what is out of range is clipped to it."""
    sketch = Quantiles()
    assert sketch.quantile(0.5) == 0
    sketch.add(10 * MOST)
    assert sketch.quantile(0.5) == pytest.approx(MOST, rel=2 * ACCURACY)
    sketch.add(0.0)
    assert sketch.quantile(0.0) == 0


def test_memory_does_not_grow() -> None:
    """However many values there are."""
    sketch = Quantiles()
    before = sketch.counts.nbytes
    for value in np.random.default_rng(0).lognormal(1, 2, 20_000):
        sketch.add(float(value))
    assert sketch.counts.nbytes == before < 20_000
    assert sketch.counts.sum() == 20_000
