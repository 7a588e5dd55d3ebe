# SPDX-License-Identifier: BSD-3-Clause
"""Rates of one nominal value are one rate; different ones are printed so that they differ."""

from __future__ import annotations

import pytest

from edge.signal import rates

PAIRS = {
    (250.0, 249.99975): (True, ("250", "249.99975")),
    (249.9, 249.89999389648438): (True, ("249.9", "249.89999389648438")),
    (600.615, 600.614990234375): (True, ("600.615", "600.614990234375")),
    (250.0, 250.02): (True, ("250", "250.02")),
    (250.0, 250.03): (False, ("250", "250.03")),
    (256.0, 250.0): (False, ("256", "250")),
}


@pytest.mark.parametrize("pair", PAIRS)
def test_pairs(pair: tuple[float, float]) -> None:
    """100 ppm are a clock's; texts tell rates apart."""
    assert (rates.agree(*pair), rates.words(*pair)) == PAIRS[pair]
    assert rates.agree(*reversed(pair)) == PAIRS[pair][0]


def test_equal_rates() -> None:
    """One text for one rate."""
    assert rates.words(250.0, 250.0) == ("250", "250")
