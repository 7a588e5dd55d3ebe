# SPDX-License-Identifier: BSD-3-Clause
"""Compute with integers as TensorFlow Lite Micro does; every other runtime is compared with this.

A real factor ``r`` is a 31-bit mantissa ``M`` and a shift ``s`` with ``r = M * 2**(s - 31)``.
Multiplying an accumulator by it rounds twice: once in the doubling high multiply (ties towards plus
infinity) and once in the division by a power of two (ties away from zero). Where the result has 16
bits, the mantissa has 15, and the product is rounded once. Functions work on int64 arrays that hold
int32 values, so that nothing overflows on the way.

Sources: TFLite's quantization specification, and Jacob et al. 2018 (arXiv:1712.05877), section 2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Int64 = NDArray[np.int64]

INT8_MIN = -128
INT8_MAX = 127


def quantize_multiplier(real: ArrayLike) -> tuple[Int64, Int64]:
    """Split positive real factors (float64) into mantissas in [2**30, 2**31) and shifts.

    Returns
    -------
    tuple of int64 arrays
        ``(mantissa, shift)`` with ``real`` about ``mantissa * 2.0**(shift - 31)``.
    """
    fraction, exponent = np.frexp(np.asarray(real, np.float64))
    mantissa = np.floor(fraction * 2.0**31 + 0.5).astype(np.int64)
    shift = exponent.astype(np.int64)
    overflow = mantissa == 2**31
    mantissa = np.where(overflow, 2**30, mantissa)
    shift = np.where(overflow, shift + 1, shift)
    underflow = shift < -31
    return np.where(underflow, 0, mantissa), np.where(underflow, 0, shift)


def rounding_doubling_high_multiply(value: Int64, mantissa: Int64) -> Int64:
    """Compute ``round(value * mantissa / 2**31)``, ties towards +infinity."""
    return (value * mantissa + 2**30) >> 31


def rounding_divide_by_power_of_two(value: Int64, exponent: Int64) -> Int64:
    """Compute ``round(value / 2**exponent)``, ties away from zero."""
    half = (np.int64(1) << exponent) >> 1
    negative = (value < 0) & (exponent > 0)
    return (value + half - negative) >> exponent


def multiply(value: Int64, mantissa: Int64, shift: Int64) -> Int64:
    """Multiply an int32 accumulator by a quantized real factor, rounding twice."""
    left = np.int64(1) << np.maximum(shift, 0)
    right = np.maximum(-shift, 0)
    return rounding_divide_by_power_of_two(
        rounding_doubling_high_multiply(value * left, mantissa), right
    )


def reduced(mantissa: Int64, shift: Int64) -> tuple[Int64, Int64]:
    """Return a quantized real factor with at most 15 bits, and how far to shift it right.

    Returns
    -------
    tuple of int64 arrays
        ``(multiplier, right)`` with the factor about ``multiplier / 2.0**right``.
    """
    return np.minimum((mantissa + 2**15) >> 16, 2**15 - 1), 15 - shift


def multiply_reduced(value: Int64, multiplier: Int64, right: Int64) -> Int64:
    """Compute ``round(value * multiplier / 2**right)``, ties towards +infinity."""
    return (value * multiplier + (np.int64(1) << (right - 1))) >> right


def saturate(value: Int64, low: int = INT8_MIN, high: int = INT8_MAX) -> NDArray[np.int8]:
    """Clamp to [low, high] and store as int8."""
    return np.clip(value, low, high).astype(np.int8)


def round_half_away(value: NDArray[np.floating]) -> NDArray[np.float64]:
    """Round as C's ``round`` does: to the nearest integer, ties away from zero.

    In float64, where adding a half to a float32 is exact.
    """
    exact = value.astype(np.float64)
    return np.copysign(np.floor(np.abs(exact) + 0.5), exact)


def divide_rounding(value: Int64, divisor: int) -> Int64:
    """Divide integers, rounded to the nearest, ties away from zero."""
    half = divisor // 2
    return np.where(value > 0, (value + half) // divisor, -((half - value) // divisor))
