# SPDX-License-Identifier: BSD-3-Clause
"""Write the logarithm of a signal's power in operations that every runtime has.

A power spans many decades, and its logarithm tells them apart, where eight bits have 255 steps. So
square, mean and logarithm are one part, which stays in float: it has few values, and the
convolutions around it hold nearly all of the work. ``docs/notes/families.md`` has what the
alternatives measured.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edge.lower.fold import assign


class Square(nn.Module):
    """The function ``x * x``, as a product."""

    def forward(self, x: Tensor) -> Tensor:
        """Map any shape to the same shape."""
        return torch.mul(x, x)


class Floor(nn.Sequential):
    """The function ``max(p, floor)`` of every channel.

    It is ``relu(p - floor) + floor``, in which floats lose nothing: beside the floor a small power
    is exact, and beside a large power the floor is not seen.
    """

    def __init__(self, floor: float, n_channels: int) -> None:
        super().__init__()
        self.above = shift(-floor, n_channels)
        self.relu = nn.ReLU()
        self.floored = shift(floor, n_channels)


class LogOfMean(nn.Module):
    """The function ``log(safe(pool(f(x))))``.

    Parameters
    ----------
    function, pool
        What is done before the logarithm.
    safe
        What keeps its argument above zero: a :class:`Floor`, or a :func:`shift`.
    """

    def __init__(self, function: nn.Module, pool: nn.Module, safe: nn.Module) -> None:
        super().__init__()
        self.function, self.pool, self.safe = function, pool, safe

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, n_channels, 1, n_times) to (batch, n_channels, 1, n_pooled)."""
        return torch.log(self.safe(self.pool(self.function(x))))


def shift(by: float, n_channels: int) -> nn.Conv2d:
    """Return the layer that adds a number to every value."""
    conv = nn.Conv2d(n_channels, n_channels, 1, groups=n_channels)
    ones = torch.ones_like(conv.weight)
    assign(conv.weight, ones, ones)
    assign(conv.bias, torch.full((n_channels,), by, dtype=torch.float64), ones)
    return conv
