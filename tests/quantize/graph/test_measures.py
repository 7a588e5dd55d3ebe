# SPDX-License-Identifier: BSD-3-Clause
"""One SQNR, one choice of windows, three layouts: each by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edge import parity
from quantize.graph.layouts import to_nchw, to_nhwc, to_samples, with_height
from quantize.graph.measures import FLOOR_DB, evenly, sqnr_db
from quantize.inspect import fidelity, sensitivity


def test_sqnr_by_hand() -> None:
    """A tenth of the amplitude is 20 dB; nothing is None."""
    reference = np.array([3.0, -4.0], np.float32)
    assert sqnr_db(reference, reference * np.float32(1.1)) == pytest.approx(20, abs=1e-4)
    assert sqnr_db(reference, reference) is None


def test_a_dead_tensor_with_wrong_integers_is_not_equal() -> None:
    """Zero in float and something in int8 is the worst there is, in every report."""
    dead, wrong = np.zeros((2, 3), np.float32), np.ones((2, 3), np.float32)
    assert sqnr_db(dead, wrong) == FLOOR_DB
    assert sqnr_db(dead, dead) is None
    assert fidelity.sqnr_db is parity.sqnr_db is sqnr_db
    figures = sensitivity.compare(wrong, dead)
    assert figures.sqnr_db == FLOOR_DB
    assert figures.logit_error > 1e6
    assert sensitivity.compare(dead, dead) == sensitivity.Figures(None, 0.0, 1.0)


@given(st.integers(0, 600), st.integers(1, 600), st.booleans())
def test_evenly_is_spread_and_has_both_ends(n: int, count: int, down: bool) -> None:
    """As many as were asked for or as there are, no gap two larger than another."""
    chosen = evenly(n, count, down=down)
    assert len(chosen) == min(n, count)
    assert (np.diff(chosen) > 0).all()
    if len(chosen) > 1:
        assert (chosen[0], chosen[-1]) == (0, n - 1)
        assert np.ptp(np.diff(chosen)) <= 1


def test_layouts_move_every_sample_where_it_belongs() -> None:
    """Numbered samples: window, channel and time."""
    windows = np.arange(2 * 3 * 5, dtype=np.float32).reshape(2, 3, 5)
    assert to_nchw(windows).shape == (2, 3, 1, 5)
    assert to_nhwc(windows).shape == (2, 1, 5, 3)
    assert to_samples(windows[0]).shape == (5, 3)
    for n, c, t in np.ndindex(2, 3, 5):
        value = windows[n, c, t]
        assert to_nchw(windows)[n, c, 0, t] == to_nhwc(windows)[n, 0, t, c] == value
        assert to_samples(windows[n])[t, c] == value
    assert with_height(windows).shape == (2, 1, 3, 5)
    assert to_nhwc(windows).flags.c_contiguous
    assert to_samples(windows[0]).flags.c_contiguous
    assert torch.equal(to_nchw(torch.from_numpy(windows)), torch.from_numpy(to_nchw(windows)))
