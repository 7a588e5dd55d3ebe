# SPDX-License-Identifier: BSD-3-Clause
"""Say how a network is quantized, in one frozen value that is stored with every bundle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ObserverName = Literal["histogram", "min_max", "percentile"]

MIN_WINDOWS = 48
"""Fewer calibration windows are refused: ranges then depend on the draw."""
SAFE_WINDOWS = 100
"""Fewer give a warning."""
MAX_WINDOWS = 400
"""More are not used; :func:`quantize.calibration.choose` spreads them evenly."""


@dataclass(frozen=True)
class Recipe:
    """The settings of post-training quantization.

    Attributes
    ----------
    observer
        How activation ranges are chosen: torchao's ``histogram`` (least squared error) or
        ``min_max``, or our ``percentile``.
    percentile
        Share of values, in percent, that ``percentile`` keeps inside the range.
    fit_ranges
        Whether every tensor gets a share of its own, the one that costs the logits least
        (:mod:`quantize.refine.ranges`); changes nothing with other observers.
    own_pool_scale
        Whether short average pools get a scale of their own instead of their input's.
    equalize
        Whether channels of the spatial mix are rescaled to equal ranges first, which the
        per-channel weights of the temporal filter undo exactly.
    correct_bias
        Whether the mean error of every convolution outside the gate is taken off its bias.
    float_parts
        Parts of the network left in float, by name (``("gate",)``).
    """

    observer: ObserverName = "percentile"
    percentile: float = 99.9
    fit_ranges: bool = True
    own_pool_scale: bool = True
    equalize: bool = True
    correct_bias: bool = True
    float_parts: tuple[str, ...] = ()
