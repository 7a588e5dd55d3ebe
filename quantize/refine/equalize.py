# SPDX-License-Identifier: BSD-3-Clause
"""Rescale channels between two linear layers so that they share one int8 range well.

The spatial mix has one scale for all its channels, and their ranges differ. Because only the
depthwise temporal filter reads them, a channel may be divided by its range in the mix and
multiplied by it in the filter: the network stays exactly the same, up to rounding, and per-channel
weights take up the factor without loss (Nagel et al. 2019, arXiv:1906.04721, section 4.1).
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

RANGE_PERCENTILE = 99.9


def equalize(net: nn.Module, windows: NDArray[np.float32]) -> nn.Module:
    """Return a copy of a lowered network whose mixed channels have equal ranges.

    Parameters
    ----------
    net
        With parts ``mix`` (1x1 convolution without bias) and ``temporal`` (depthwise).
    windows
        (n, n_chans, n_times) float32, scaled; from the training part only.
    """
    balanced = copy.deepcopy(net)
    mix, temporal = balanced.mix, balanced.temporal
    assert isinstance(mix, nn.Conv2d)
    assert isinstance(temporal, nn.Conv2d)
    assert mix.bias is None
    weight = mix.weight.detach()[:, :, 0, 0].double().numpy()
    ranges = np.array([_range(row, windows) for row in weight])
    ranges[ranges == 0] = 1  # a channel that is always zero needs no scale
    factor = torch.from_numpy(ranges).to(mix.weight.dtype)[:, None, None, None]
    mix.weight.data /= factor
    temporal.weight.data *= factor
    return balanced


def _range(row: NDArray[np.float64], windows: NDArray[np.float32]) -> float:
    """Largest magnitude of one mixed channel, a few outliers aside."""
    mixed = np.abs(np.einsum("c,nct->nt", row.astype(np.float32), windows))
    return float(np.percentile(mixed, RANGE_PERCENTILE))
