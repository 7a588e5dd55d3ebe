# SPDX-License-Identifier: BSD-3-Clause
"""Lower the mode ``eca``: efficient channel attention (Wang et al. 2020, arXiv:1910.03151).

Each channel's mean over time, a small convolution across neighbouring channels, a sigmoid, and the
product with the input. The convolution over channels is a 1x1 convolution with a banded matrix,
which every runtime has.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edge.families.attentionbasenet import pieces as forms
from edge.spec import ModelSpec

HAZARDS = (
    "The mean of many tokens is small beside the tokens' range, so it has a scale of its own; the "
    "gate lies in (0, 1) and is stored with the fixed scale 1/256, at most half a step off."
)


def limits(spec: ModelSpec) -> tuple[str, ...]:
    """Say why the arguments cannot work; empty if they can."""
    return forms.refuse_even_kernel(spec)


class Eca(nn.Module):
    """The deploy form: mean, banded 1x1 convolution, sigmoid, product."""

    def __init__(self, kernel: Tensor, n_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_channels, n_channels, 1, bias=False)
        self.conv.weight.data = banded(kernel, n_channels)[:, :, None, None]
        self.sigmoid = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, n_channels, 1, n_tokens) to the same shape."""
        return torch.mul(x, self.sigmoid(self.conv(forms.mean_over_time(x))))


def banded(kernel: Tensor, n_channels: int) -> Tensor:
    """Return the matrix (n_channels, n_channels) of a zero-padded correlation by ``kernel``."""
    offset = torch.arange(n_channels)[None, :] - torch.arange(n_channels)[:, None]
    position = offset + len(kernel) // 2
    inside = (position >= 0) & (position < len(kernel))
    return torch.where(inside, kernel[position.clamp(0, len(kernel) - 1)], 0)


def deploy(block: nn.Module, n_channels: int, n_tokens: int) -> nn.Module:
    """Return the gate's deploy form, made from braindecode's ``ECA``."""
    conv = block.conv
    assert isinstance(conv, nn.Conv1d)
    return Eca(conv.weight.detach()[0, 0].clone(), n_channels)
