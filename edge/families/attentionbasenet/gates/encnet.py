# SPDX-License-Identifier: BSD-3-Clause
"""Lower the mode ``encnet``: context encoding (Zhang et al. 2018, arXiv:1803.08904).

Every token is assigned softly to learned codewords; the gate is a linear map of what remains of the
tokens beside them. Distances are ``|x|**2 - 2 <x, w> + |w|**2``, so they come out of two mixings;
the residuals of codeword k and channel c are one product of ``n_codewords * n_channels`` channels.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from edge.families.attentionbasenet import pieces as forms
from edge.spec import ModelSpec

HAZARDS = (
    "Distances are sums of squares, and the softmax turns a step of them into a factor: int8 would "
    "assign tokens to the wrong codeword. Its quotient has no int8 form; the gate stays in float32."
)


def limits(spec: ModelSpec) -> tuple[str, ...]:
    """Say why the arguments cannot work; empty if they can."""
    n = int(spec.argument("n_codewords", 4))
    return () if n >= 1 else (f"n_codewords must be positive for encnet, got {n}. Try 4.",)


class EncNet(nn.Module):
    """The gate in operations that every runtime has."""

    def __init__(self, block: Any, n_tokens: int) -> None:
        super().__init__()
        words, smoothing = forms.double(block.codewords), forms.double(block.smoothing)
        n_words, n_channels = words.shape
        self.of_squares = forms.mixing(smoothing[:, None].expand(n_words, n_channels))
        self.of_values = forms.mixing(
            -2 * smoothing[:, None] * words, smoothing * words.square().sum(1)
        )
        ones = torch.ones(1, n_words, dtype=torch.float64)
        self.total = forms.mixing(ones)
        self.repeat = forms.mixing(
            torch.eye(n_words, dtype=torch.float64).repeat_interleave(n_channels, 0)
        )
        tiled = torch.eye(n_channels, dtype=torch.float64).repeat(n_words, 1)
        self.residual = forms.mixing(tiled, -words.reshape(-1))
        a, b = (v.repeat_interleave(n_channels) for v in forms.batch_norm_affine(block.bn))
        self.norm = forms.scaling(n_tokens * a, b)
        self.relu = nn.ReLU()
        weight, bias = forms.linear(block.fc)
        self.fc = forms.mixing(weight.repeat(1, n_words) / n_words, bias)
        self.sigmoid = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, n_channels, 1, n_tokens) to the same shape."""
        distance = torch.add(self.of_squares(torch.mul(x, x)), self.of_values(x))
        exp = torch.exp(torch.sub(distance, forms.max_over_channels(distance)))
        share = torch.div(exp, self.total(exp))
        residual = torch.mul(self.residual(x), self.repeat(share))
        encoded = self.relu(self.norm(forms.mean_over_time(residual)))
        return torch.mul(x, self.sigmoid(self.fc(encoded)))


def deploy(block: Any, n_channels: int, n_tokens: int) -> nn.Module:
    """Return the gate's deploy form, made from braindecode's ``EncNet``."""
    return EncNet(block, n_tokens)
