# SPDX-License-Identifier: BSD-3-Clause
"""Positions in time: which of one tensor another depends on, and which windows share."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Field:
    """Which positions of one tensor a position ``j`` of another depends on.

    Positions ``j * stride - pad`` to ``j * stride - pad + length - 1``; those outside the tensor
    are zeros.
    """

    length: int = 1
    stride: int = 1
    pad: int = 0

    def behind(self, length: int, stride: int, pad: int) -> Field:
        """Return the field of a kernel's output; this one is its input's."""
        return Field(
            self.length + (length - 1) * self.stride,
            self.stride * stride,
            self.pad + pad * self.stride,
        )

    def begin(self, j: int) -> int:
        """Return the first position that ``j`` depends on."""
        return j * self.stride - self.pad

    def end(self, j: int) -> int:
        """Return the position behind the last one that ``j`` depends on."""
        return self.begin(j) + self.length

    def inside(self, low: int, high: int) -> tuple[int, int]:
        """Return the range of positions that depend on nothing outside of [low, high).

        The second may be smaller than the first.
        """
        first = -(-(low + self.pad) // self.stride)
        return first, (high + self.pad - self.length) // self.stride + 1


@dataclass(frozen=True)
class Span:
    """Which positions of a tensor (n in a window) windows share, and how.

    Attributes
    ----------
    low, high
        Positions low ... high - 1 see no edge of the window.
    step
        Positions by which the window moves on from decision to decision.
    ahead
        Positions before ``low`` are computed for the window this many decisions ahead.
    """

    n: int
    low: int
    high: int
    step: int
    ahead: int
