# SPDX-License-Identifier: BSD-3-Clause
"""Bound what the sums of the signal chain in fixed point can become.

A filtered value is at most the largest input times the sum of the magnitudes of the impulse
response, and so is each state of a section.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from quantize.errors import IncompatibleError

Section = tuple[float, float, float, float, float]
LONGEST = 2**19
"""Samples after which an impulse must have died away."""
SILENT = 1e-9
"""Of an impulse of 1, what counts as that, far below the margin of what is summed."""
MARGIN = 1.01
"""On every sum, for what was left out and for the rounding of y, which is fed back."""


@dataclass(frozen=True)
class Bounds:
    """Largest magnitudes for an input of magnitude 1, section by section: output and states."""

    outputs: tuple[float, ...]
    states: tuple[float, ...]


def of(sections: Sequence[Section]) -> Bounds:
    """Return the bounds of sections in increments, see ``edge_chain.h``.

    Raises
    ------
    IncompatibleError
        When the impulse response is too long to be summed.
    """
    states = [[0.0, 0.0] for _ in sections]
    outputs, largest = [0.0] * len(sections), [[0.0, 0.0] for _ in sections]
    for n in range(LONGEST):
        x = float(n == 0)
        for i, (d0, d1, d2, c1, c2) in enumerate(sections):
            w1, w2 = states[i]
            y = d0 * x + w1
            w1 += d1 * x - c1 * y + w2
            w2 += d2 * x - c2 * y
            states[i] = [w1, w2]
            outputs[i] += abs(y)
            largest[i][0] += abs(w1)
            largest[i][1] += abs(w2)
            x = y
        if all(abs(w) < SILENT for state in states for w in state):
            return Bounds(
                tuple(MARGIN * total for total in outputs),
                tuple(MARGIN * max(pair) for pair in largest),
            )
    raise IncompatibleError(
        f"No signal chain in fixed point for this contract: its filter still answers to an impulse "
        f"after {LONGEST} samples, so what its sums can become is not known. Use float arithmetic."
    )
