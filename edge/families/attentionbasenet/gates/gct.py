# SPDX-License-Identifier: BSD-3-Clause
"""Lower the mode ``gct``: gated channel transformation (Yang et al. 2020, arXiv:1909.11519).

Each channel's l2 norm over time, normalized by all channels' norms, a tanh, and the product with
``1 + tanh``, written as ``x + x * tanh`` so that no constant has to be added.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from edge.families.attentionbasenet import pieces as forms
from edge.spec import ModelSpec

EPS = 1e-5

HAZARDS = (
    "Squares double the dynamic range: 48 dB of int8 become 24 dB of amplitude, so quiet channels "
    "vanish. Square roots and quotients have no int8 form, and the gate stays in float32."
)


def limits(spec: ModelSpec) -> tuple[str, ...]:
    """Return no reason why arguments cannot work, since this mode has none."""
    return ()


class Gct(nn.Module):
    """The deploy form.

    ``sum x**2`` is ``n_tokens * mean(x * x)``; the mean over channels is a mixing to one channel.
    """

    def __init__(self, block: Any, n_channels: int, n_tokens: int) -> None:
        super().__init__()
        ones = torch.ones(n_channels, dtype=torch.float64)
        alpha, beta, gamma = (
            forms.double(p).reshape(-1) for p in (block.alpha, block.beta, block.gamma)
        )
        self.energy = forms.scaling(n_tokens * ones, EPS * ones)
        self.alpha = forms.scaling(alpha)
        eps = torch.tensor([EPS], dtype=torch.float64)
        self.mean_square = forms.mixing(ones[None] / n_channels, eps)
        self.affine = forms.scaling(gamma, beta)
        self.tanh = nn.Tanh()

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, n_channels, 1, n_tokens) to the same shape."""
        norm = torch.sqrt(self.energy(forms.mean_over_time(torch.mul(x, x))))
        embedding = self.alpha(norm)
        total = torch.sqrt(self.mean_square(torch.mul(embedding, embedding)))
        gate = self.tanh(self.affine(torch.div(embedding, total)))
        return torch.add(x, torch.mul(x, gate))


def deploy(block: Any, n_channels: int, n_tokens: int) -> nn.Module:
    """Return the gate's deploy form, made from braindecode's ``GCT``."""
    return Gct(block, n_channels, n_tokens)
