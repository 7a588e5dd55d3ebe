# SPDX-License-Identifier: BSD-3-Clause
"""Observe the values that a tensor takes on calibration windows, and derive its range.

``histogram`` and ``min_max`` are torchao's. ``percentile`` is ours: it keeps a stated share of all
values inside the range, so that a few outlier windows do not set the step for all others.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchao.quantization.pt2e import HistogramObserver, MinMaxObserver
from torchao.quantization.pt2e.observer import UniformQuantizationObserverBase

from quantize.recipe import Recipe

SMALLEST_SCALE = 1e-12
"""torchao's default of 2**-12 would clamp the scale of EEG in volts."""


class _DeadTensors:
    """Gives a tensor that is always zero the scale 1.

    Any scale holds zero, but the bias of the convolution behind is stored in steps of it, and
    there are not enough integers for a bias in steps of 1e-12.
    """

    def calculate_qparams(self) -> tuple[Tensor, Tensor]:
        """Scale and zero point, each of shape (1,)."""
        scale, zero_point = super().calculate_qparams()  # type: ignore[misc]  # of the observer
        return torch.where(scale <= SMALLEST_SCALE, torch.ones_like(scale), scale), zero_point


class _Histogram(_DeadTensors, HistogramObserver):  # type: ignore[misc]  # untyped base
    pass


class _MinMax(_DeadTensors, MinMaxObserver):  # type: ignore[misc]  # untyped base
    pass


class PercentileObserver(UniformQuantizationObserverBase):  # type: ignore[misc]  # untyped base
    """An observer whose range leaves out equally many values on either side.

    Values are counted by their bfloat16 bits, 65,536 buckets of 0.4 % relative width, so that
    memory does not grow with the number of windows and the result does not depend on their order.
    """

    def __init__(self, percentile: float = 99.99, **settings: Any) -> None:
        super().__init__(**settings)
        self.percentile = percentile
        self.register_buffer("counts", torch.zeros(2**16, dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        """Count the values of ``x`` and hand it on."""
        bits = x.detach().to(torch.bfloat16).contiguous().view(torch.int16).flatten()
        self.counts += torch.bincount(bits.long() + 2**15, minlength=2**16)
        return x

    def calculate_qparams(self) -> tuple[Tensor, Tensor]:
        """Return scale and zero point, each of shape (1,)."""
        low, high = self.range()
        scale, zero_point = self._calculate_qparams(low, high)
        return scale, zero_point

    def range(self) -> tuple[Tensor, Tensor]:
        """Return the smallest and largest value that int8 must hold, float32."""
        bits = torch.arange(-(2**15), 2**15, dtype=torch.int16)
        seen = self.counts > 0
        values, order = bits.view(torch.bfloat16)[seen].float().sort()
        cumulative = self.counts[seen][order].cumsum(0)
        total = int(cumulative[-1])
        outside = int((1 - self.percentile / 100) / 2 * total)
        low = torch.searchsorted(cumulative, outside + 1)
        high = torch.searchsorted(cumulative, total - outside)
        return values[low], values[high]


class _Percentile(_DeadTensors, PercentileObserver):
    pass


def constructor(recipe: Recipe) -> Any:
    """Return the observer that a recipe asks for, ready for a ``QuantizationSpec``."""
    if recipe.observer == "percentile":
        return _Percentile.with_args(percentile=recipe.percentile, eps=SMALLEST_SCALE)
    observer = _Histogram if recipe.observer == "histogram" else _MinMax
    return observer.with_args(eps=SMALLEST_SCALE)
