# SPDX-License-Identifier: BSD-3-Clause
"""The ladder's measurements and its refusals."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from edge import parity
from edge.spec import Parity
from quantize.graph.measures import evenly, sqnr_db

RNG = np.random.default_rng(0)
REF = RNG.standard_normal((50, 4)).astype(np.float32)


@given(st.integers(0, 500), st.integers(1, 500))
def test_wilson_is_scipys(count: int, n: int) -> None:
    """The interval is the one that scipy gives."""
    count = min(count, n)
    expected = stats.binomtest(count, n).proportion_ci(method="wilson")
    got = parity.wilson(count, n)
    np.testing.assert_allclose((got.low, got.high), expected, atol=1e-12)


def test_sqnr_of_known_noise() -> None:
    """Noise of a hundredth of the amplitude is 40 dB."""
    noise = np.full_like(REF, 0.01 * np.sqrt((REF**2).mean()))
    assert sqnr_db(REF, REF + noise) == pytest.approx(40, abs=0.01)
    assert sqnr_db(REF, REF) is None


def test_median_window_ignores_outliers() -> None:
    """One ruined window lowers the overall figure and not the median."""
    out = REF * 1.01
    out[0] += 100
    overall, median = sqnr_db(REF, out), parity.median_window_sqnr_db(REF, out)
    assert overall is not None
    assert median == pytest.approx(40, abs=0.01)
    assert overall < 0


def compared(out: np.ndarray, **settings: float) -> Parity:
    """``out`` against REF, repeated exactly."""
    return parity.compare("x", "y", REF, out.astype(np.float32), again=out, **settings)  # type: ignore[arg-type]


def test_steps_are_whole() -> None:
    """Rounded logits and others have one yardstick."""
    ref = np.array([[0.0, 1.0]], np.float32)
    out = np.array([[0.14, 0.96]], np.float32)
    found = parity.compare("x", "y", ref, out, again=out, step=0.1)
    assert (found.max_steps, found.within_one_step) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("out", "settings", "complaint"),
    [
        (REF, {}, None),
        (REF + 1e-6, {}, None),
        (REF * 1.01, {}, "x against y: relative error 1.0e-02, at most 1e-04 is allowed"),
        (REF + 0.1, {"step": 0.1}, None),
        (
            REF + 0.3,
            {"step": 0.1},
            "x against y: a logit is 3 steps off, at most 2 are allowed",
        ),
        (REF * 1.02, {"saturated": 0.0}, None),
        (
            REF * 1.02,
            {"saturated": 0.2},
            "x against y: 20.0 % of a tensor's values saturate",
        ),
        (REF * 0.85, {"saturated": 0.0}, "x against y: logits are 0.85 times the float ones"),
        (
            -REF,
            {"saturated": 0.0},
            "x against y: SQNR of the median window is -6.0 dB, 15 are needed",
        ),
        (np.full_like(REF, np.nan), {}, "x against y: logits that are not finite"),
    ],
)
def test_complaints(out: np.ndarray, settings: dict[str, float], complaint: str | None) -> None:
    """What holds is silent, what does not is said in one line."""
    assert parity.complaint(compared(out, **settings)) == complaint


def test_runs_that_differ_are_refused() -> None:
    """A runtime that leaks state from one window to the next shows in the second run."""
    found = dataclasses.replace(compared(REF), repeatable=False)
    assert parity.complaint(found) == "x against y: two runs on the same windows differ"


def test_share_within_one_step() -> None:
    """Two steps are allowed in one logit of a hundred."""
    out = REF.copy()
    out[:3, 0] += 0.2
    complaint = parity.complaint(compared(out, step=0.1))
    assert complaint == "x against y: 98.50 % of logits are within one step, 99 % are needed"


def test_evenly() -> None:
    """Indices are spread over the whole range, each once."""
    assert evenly(10, 4).tolist() == [0, 3, 6, 9]
    assert evenly(3, 10).tolist() == [0, 1, 2]


@pytest.mark.parametrize(("off", "held"), [(0.3, True), (1.6, True), (1.7, False)])
def test_noisy_networks_have_an_upper_bound(off: float, held: bool) -> None:
    """Below int8's own error a logit may be 3 or 16 steps off, and never 17."""
    found = compared(REF + off, step=0.1, noise_db=-20.0)
    steps = round(off / 0.1)
    said = f"a logit is {steps} steps off, at most 2 are allowed"
    assert parity.complaint(found) == (None if held else f"x against y: {said}")
    exception = parity.exception(found)
    assert (exception or "").startswith(f"x: {said}; accepted, the difference is ") == held
