# SPDX-License-Identifier: BSD-3-Clause
"""Write pools so that nothing is read twice where their windows overlap."""

from __future__ import annotations

import math
from collections import OrderedDict

from torch import nn


def pool(source: nn.AvgPool2d | nn.MaxPool2d) -> nn.Module:
    """Return an equal pool over time, of one over either axis of a plane."""
    if isinstance(source, nn.AvgPool2d):
        return average(source)
    length, stride = max(pair(source.kernel_size)), max(pair(source.stride))
    return nn.MaxPool2d((1, length), (1, stride))


def average(pool: nn.AvgPool2d) -> nn.Module:
    """Return an equal pool; of windows that overlap, blocks are averaged first, then their means.

    With block g = gcd(length, stride) every block is read once instead of length / stride times.
    Without padding, ``count_include_pad=False`` changes nothing, but delegates insist on it.
    """
    length, stride = max(pair(pool.kernel_size)), max(pair(pool.stride))
    block = math.gcd(length, stride)
    if block in (1, length):
        return _plain(length, stride)
    return nn.Sequential(
        OrderedDict(blocks=_plain(block, block), windows=_plain(length // block, stride // block))
    )


def _plain(length: int, stride: int) -> nn.AvgPool2d:
    return nn.AvgPool2d((1, length), (1, stride), count_include_pad=False)


def pair(value: int | tuple[int, int]) -> tuple[int, int]:
    """Return what PyTorch takes as one number for both axes as two numbers."""
    return (value, value) if isinstance(value, int) else value
