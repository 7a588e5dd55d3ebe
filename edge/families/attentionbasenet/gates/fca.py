# SPDX-License-Identifier: BSD-3-Clause
"""Lower the mode ``fca``: frequency channel attention (Qin et al. 2021, arXiv:2012.11879).

One coefficient of each channel's discrete cosine transform in the place of its mean. The cosine is
a constant, so the coefficient is a depthwise convolution over all tokens.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from edge.families.attentionbasenet import pieces as forms
from edge.spec import ModelSpec

HAZARDS = (
    "A coefficient with freq_idx above 0 adds tokens of both signs: its range is small beside the "
    "sum of magnitudes, so it has a scale of its own. The cosine itself is stored in int8, its "
    "largest value exactly; the gate has the fixed scale 1/256."
)


def limits(spec: ModelSpec) -> tuple[str, ...]:
    """Say why the arguments cannot work; empty if they can."""
    index = int(spec.argument("freq_idx", 0))
    wrong = (f"freq_idx must not be negative for fca, got {index}. Try 0.",) if index < 0 else ()
    reduction = forms.refuse_reduction(spec, 4, forms.n_channels(spec))
    return wrong + reduction + forms.refuse_even_filter(spec)


class Fca(nn.Module):
    """The deploy form: weighted sum over time, linear, ReLU, linear, sigmoid, product.

    Where braindecode shortened the second filter to an even length there is a token more than its
    cosine has; with a single one it multiplies them all, which PyTorch's broadcasting lets pass.
    """

    def __init__(self, block: Any, n_tokens: int) -> None:
        super().__init__()
        cosine = forms.double(block.weight).expand(-1, n_tokens)
        self.transform = forms.weighted_sum(cosine)
        self.mlp = forms.Mlp(block.fc[0], block.fc[2])
        self.sigmoid = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, n_channels, 1, n_tokens) to the same shape."""
        return torch.mul(x, self.sigmoid(self.mlp(self.transform(x))))


def deploy(block: Any, n_channels: int, n_tokens: int) -> nn.Module:
    """Return the gate's deploy form, made from braindecode's ``FCA``."""
    return Fca(block, n_tokens)
