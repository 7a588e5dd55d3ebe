# SPDX-License-Identifier: BSD-3-Clause
"""Lower the mode ``se``: squeeze and excitation (Hu et al. 2018, arXiv:1709.01507).

Each channel's mean over time, two linear layers with a ReLU between them, a sigmoid, the product.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from edge.families.attentionbasenet import pieces as forms
from edge.spec import ModelSpec

HAZARDS = (
    "The mean of many tokens is small beside the tokens' range, so it has a scale of its own; the "
    "ReLU between the layers may clip everything, and its scale is then 1. The gate lies in (0, 1) "
    "and is stored with the fixed scale 1/256, at most half a step off."
)


def limits(spec: ModelSpec) -> tuple[str, ...]:
    """Say why the arguments cannot work; empty if they can."""
    return forms.refuse_reduction(spec, 4, forms.n_channels(spec))


class Se(nn.Module):
    """The deploy form: mean, linear, ReLU, linear, sigmoid, product."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        self.mlp = forms.Mlp(block.fc1, block.fc2)
        self.sigmoid = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, n_channels, 1, n_tokens) to the same shape."""
        return torch.mul(x, self.sigmoid(self.mlp(forms.mean_over_time(x))))


def deploy(block: Any, n_channels: int, n_tokens: int) -> nn.Module:
    """Return the gate's deploy form, made from braindecode's ``SqueezeAndExcitation``."""
    return Se(block)
