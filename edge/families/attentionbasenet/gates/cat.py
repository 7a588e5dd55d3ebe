# SPDX-License-Identifier: BSD-3-Clause
"""Lower the mode ``cat``: channel and temporal attention (Wu et al. 2022, arXiv:2212.06335).

A gate per channel as in catlite, and a gate per token and channel from the mean over channels, the
maximum of the smoothed signal and the entropy over channels; the two are averaged with learned
weights.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from edge.families.attentionbasenet import pieces as forms
from edge.spec import ModelSpec

HAZARDS = (
    "Two entropies are divided by their ranges: where int8 makes them equal, that is 0 / 0. "
    "Exponentials, logarithms and quotients have no int8 form; the gate stays in float32."
)


def limits(spec: ModelSpec) -> tuple[str, ...]:
    """Say why the arguments cannot work; empty if they can."""
    wrong = forms.refuse_reduction(spec, 4, forms.n_channels(spec))
    if forms.n_channels(spec) < 2:
        wrong += ("ch_dim must be at least 2 for cat: entropies are compared. Try 16.",)
    return wrong + forms.refuse_even_kernel(spec)


class TokenScore(nn.Module):
    """What the last convolution makes of three descriptors.

    Two of them are the same for all channels; only their sum is spread over these.
    """

    def __init__(self, block: Any, n_channels: int) -> None:
        super().__init__()
        alpha, beta, gamma = (forms.double(f) for f in (block.s_alpha, block.s_beta, block.s_gamma))
        ones = torch.ones(n_channels, 1, dtype=torch.float64)
        self.mean = forms.mixing(-alpha * ones.T / n_channels)
        self.entropy = forms.NormalizedEntropy(n_channels, over_time=False)
        self.weighted = forms.scaling(gamma.reshape(1))
        self.spread = forms.mixing(ones)
        self.peak = forms.scaling(beta.expand(n_channels))
        bias = None if block.conv.bias is None else forms.double(block.conv.bias)
        self.conv = forms.convolution(forms.double(block.conv.weight)[:, :, 0], bias)

    def forward(self, x: Tensor, largest: Tensor) -> Tensor:
        """Return the score before the sigmoid, (batch, n_channels, 1, n_tokens)."""
        shared = torch.add(self.mean(x), self.weighted(self.entropy(x)))
        out: Tensor = self.conv(torch.add(self.spread(shared), self.peak(largest)))
        return out


class Cat(nn.Module):
    """The gate in operations that every runtime has."""

    def __init__(self, block: Any, n_channels: int) -> None:
        super().__init__()
        self.blur = forms.blur(block.gauss_filter, n_channels)
        self.channels = forms.ChannelScore(block, n_channels)
        self.tokens = TokenScore(block, n_channels)
        self.channel_sigmoid, self.token_sigmoid = nn.Sigmoid(), nn.Sigmoid()
        shares = torch.softmax(torch.cat([forms.double(block.c_w), forms.double(block.s_w)]), 0)
        self.channel_share = forms.scaling(shares[0].expand(n_channels))
        self.token_share = forms.scaling(shares[1].expand(n_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, n_channels, 1, n_tokens) to the same shape."""
        largest = forms.max_over_time(self.blur(x))
        channels = self.channel_share(self.channel_sigmoid(self.channels(x, largest)))
        tokens = self.token_share(self.token_sigmoid(self.tokens(x, largest)))
        return torch.mul(x, torch.add(tokens, channels))


def deploy(block: Any, n_channels: int, n_tokens: int) -> nn.Module:
    """Return the gate's deploy form, made from braindecode's ``CAT``."""
    return Cat(block, n_channels)
