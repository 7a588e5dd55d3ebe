# SPDX-License-Identifier: BSD-3-Clause
"""Lower the mode ``catlite``: the channel half of cat (after Wu et al. 2022, arXiv:2212.06335).

Three descriptors of each channel over time (mean, maximum of the smoothed signal, entropy of its
softmax, normalized over channels), one shared network, a weighted sum, a sigmoid, the product.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from edge.families.attentionbasenet import pieces as forms
from edge.spec import ModelSpec

HAZARDS = (
    "The entropy is divided by its range over channels: where int8 makes all entropies equal, that "
    "is 0 / 0. Exponentials, logarithms and quotients have no int8 form; the gate stays in float32."
)


def limits(spec: ModelSpec) -> tuple[str, ...]:
    """Say why the arguments cannot work; empty if they can."""
    wrong = forms.refuse_reduction(spec, 4, forms.n_channels(spec))
    if forms.n_channels(spec) < 2:
        wrong += ("ch_dim must be at least 2 for catlite: entropies are compared. Try 16.",)
    return wrong


class CatLite(nn.Module):
    """The gate in operations that every runtime has."""

    def __init__(self, block: Any, n_channels: int) -> None:
        super().__init__()
        self.blur = forms.blur(block.gauss_filter, n_channels)
        self.channels = forms.ChannelScore(block, n_channels)
        self.sigmoid = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, n_channels, 1, n_tokens) to the same shape."""
        largest = forms.max_over_time(self.blur(x))
        return torch.mul(x, self.sigmoid(self.channels(x, largest)))


def deploy(block: Any, n_channels: int, n_tokens: int) -> nn.Module:
    """Return the gate's deploy form, made from braindecode's ``CATLite``."""
    return CatLite(block, n_channels)
