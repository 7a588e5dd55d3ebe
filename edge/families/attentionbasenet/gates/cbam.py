# SPDX-License-Identifier: BSD-3-Clause
"""Lower the mode ``cbam``: convolutional block attention (Woo et al. 2018, arXiv:1807.06521).

A gate per channel from the mean and the maximum over time, then a gate per token from the mean and
the maximum over channels. The second layer of the shared network is linear, so the two descriptors
are added before it; mean over channels and convolution are one convolution.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from edge.families.attentionbasenet import pieces as forms
from edge.spec import ModelSpec

HAZARDS = (
    "Maxima over time follow outliers, means do not: each has a scale of its own before they are "
    "added. Two gates multiply one after the other, each at most half a step of 1/256 off."
)


def limits(spec: ModelSpec) -> tuple[str, ...]:
    """Say why the arguments cannot work; empty if they can."""
    reduction = forms.refuse_reduction(spec, 4, forms.n_channels(spec))
    return reduction + forms.refuse_even_kernel(spec)


class Cbam(nn.Module):
    """The gate in operations that every runtime has."""

    def __init__(self, block: Any, n_channels: int) -> None:
        super().__init__()
        first = forms.linear(block.fc[0])
        self.of_mean, self.of_max = forms.mixing(*first), forms.mixing(*first)
        self.mean_relu, self.max_relu = nn.ReLU(), nn.ReLU()
        self.channels = forms.mixing(*forms.linear(block.fc[2]))
        self.channel_sigmoid = nn.Sigmoid()
        kernel = forms.double(block.conv.weight)[:, :, 0]
        mean = kernel[:, :1].expand(1, n_channels, -1) / n_channels
        self.token_mean = forms.convolution(mean, forms.double(block.conv.bias))
        self.token_max = forms.convolution(kernel[:, 1:])
        self.token_sigmoid = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, n_channels, 1, n_tokens) to the same shape."""
        mean = self.mean_relu(self.of_mean(forms.mean_over_time(x)))
        largest = self.max_relu(self.of_max(forms.max_over_time(x)))
        x = torch.mul(x, self.channel_sigmoid(self.channels(torch.add(mean, largest))))
        score = torch.add(self.token_mean(x), self.token_max(forms.max_over_channels(x)))
        return torch.mul(x, self.token_sigmoid(score))


def deploy(block: Any, n_channels: int, n_tokens: int) -> nn.Module:
    """Return the gate's deploy form, made from braindecode's ``CBAM``."""
    return Cbam(block, n_channels)
