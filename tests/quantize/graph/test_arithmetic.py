# SPDX-License-Identifier: BSD-3-Clause
"""The fixed-point arithmetic against its definition, one integer at a time."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from quantize.graph import arithmetic

INT32 = st.integers(-(2**31) + 1, 2**31 - 1)


def defined_multiply(value: int, mantissa: int, shift: int) -> int:
    """gemmlowp's definition, in unbounded integers: nudge, truncate, then round half away."""
    product = value * 2 ** max(shift, 0) * mantissa
    nudged = product + (2**30 if product >= 0 else 1 - 2**30)
    high = abs(nudged) // 2**31 * (1 if nudged >= 0 else -1)
    exponent = max(-shift, 0)
    remainder = high & (2**exponent - 1)
    threshold = ((2**exponent - 1) >> 1) + (1 if high < 0 else 0)
    return (high >> exponent) + (1 if remainder > threshold else 0)


@given(INT32, st.floats(1e-9, 0.999))
def test_multiply_is_gemmlowps(value: int, real: float) -> None:
    """Every accumulator times every factor below one gives gemmlowp's integer."""
    mantissa, shift = arithmetic.quantize_multiplier(real)
    got = int(arithmetic.multiply(np.int64(value), mantissa, shift))
    assert got == defined_multiply(value, int(mantissa), int(shift))


@given(st.integers(-(2**20), 2**20), st.floats(1.0, 500.0))
def test_multiply_by_factors_above_one(value: int, real: float) -> None:
    """Left shifts come first, as in TFLite."""
    mantissa, shift = arithmetic.quantize_multiplier(real)
    got = int(arithmetic.multiply(np.int64(value), mantissa, shift))
    assert got == defined_multiply(value, int(mantissa), int(shift))


@given(st.floats(1e-9, 1e6))
def test_multiplier_represents_its_factor(real: float) -> None:
    """Mantissa and shift give the factor back to 31 bits, the mantissa normalized."""
    mantissa, shift = (int(part) for part in arithmetic.quantize_multiplier(real))
    assert 2**30 <= mantissa < 2**31
    assert math.isclose(mantissa * 2.0 ** (shift - 31), real, rel_tol=2**-30)


def test_double_rounding_is_not_single_rounding() -> None:
    """The reference rounds twice; a shortcut that rounds once would be noticed."""
    mantissa, shift = arithmetic.quantize_multiplier(0.3 / 4)
    values = np.arange(-2000, 2000)
    once = np.floor(values * (int(mantissa) * 2.0 ** (int(shift) - 31)) + 0.5)
    assert (arithmetic.multiply(values, mantissa, shift) != once).any()


@given(INT32, st.floats(1e-9, 1.0))
def test_multiply_by_15_bits(value: int, real: float) -> None:
    """One rounding, ties towards plus infinity, of a multiplier that is the factor's to 15 bits."""
    multiplier, right = arithmetic.reduced(*arithmetic.quantize_multiplier(real))
    assert 2**14 <= multiplier < 2**15
    assert math.isclose(multiplier * 2.0 ** -int(right), real, rel_tol=2**-14)
    got = int(arithmetic.multiply_reduced(np.int64(value), multiplier, right))
    assert got == (2 * value * int(multiplier) + 2 ** int(right)) // 2 ** (int(right) + 1)


@given(st.integers(-(10**6), 10**6), st.integers(1, 1000))
def test_divide_rounding(value: int, divisor: int) -> None:
    """Integer division to nearest with ties away from zero, as the average pool needs."""
    exact = math.copysign(
        math.floor((2 * abs(value) + divisor - divisor % 2) / (2 * divisor)), value
    )
    assert int(arithmetic.divide_rounding(np.int64(value), divisor)) == int(exact)


def test_round_half_away() -> None:
    """C's round, also just below a half where adding a half in float32 would round up."""
    values = np.array([0.5, -0.5, 1.5, 2.5, -2.5, 0.49999997], np.float32)
    assert arithmetic.round_half_away(values).tolist() == [1, -1, 2, 3, -3, 0]
