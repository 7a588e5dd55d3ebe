# SPDX-License-Identifier: BSD-3-Clause
"""Compare sampling rates, and write those that differ with enough digits."""

from __future__ import annotations

TOLERANCE_PPM = 100.0
"""What two clocks of one nominal rate may be apart. A crystal is off by up to 50 ppm or so."""


def agree(one: float, other: float) -> bool:
    """Return whether two rates in Hz are one nominal rate, within :data:`TOLERANCE_PPM`.

    >>> agree(250.0, 249.99975), agree(250.0, 249.9)
    (True, False)
    """
    return abs(one - other) <= 1e-6 * TOLERANCE_PPM * max(abs(one), abs(other))


def words(*rates_hz: float) -> tuple[str, ...]:
    """Write rates shortly, or with all their digits where they would look alike.

    >>> words(250.0, 249.9), words(250.0, 249.99975)
    (('250', '249.9'), ('250', '249.99975'))
    """
    texts = tuple(f"{rate:g}" for rate in rates_hz)
    if len(set(texts)) == len(set(rates_hz)):
        return texts
    return tuple(repr(rate).removesuffix(".0") for rate in rates_hz)
