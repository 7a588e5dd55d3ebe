# SPDX-License-Identifier: BSD-3-Clause
"""Lower the mode ``ge``: gather and excite (Hu et al. 2018, arXiv:1810.12348).

Each channel's mean over time (``extra_params``: a learned weighted sum and a batch norm), two
linear layers where ``use_mlp``, a sigmoid, the product.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from edge.families.attentionbasenet import pieces as forms
from edge.spec import ModelSpec

HAZARDS = (
    "Without parameters the gate is sigmoid(mean): steep where the means are large, and at most "
    "half a step of 1/256 off. With extra_params the learned sum cancels, so it has a scale of its "
    "own; the batch norm behind it is folded into its weights, one scale per channel."
)


def limits(spec: ModelSpec) -> tuple[str, ...]:
    """Say why the arguments cannot work; empty if they can."""
    wrong: tuple[str, ...] = ()
    if spec.arguments.get("use_mlp"):
        wrong += forms.refuse_reduction(spec, 4, forms.n_channels(spec))
    if spec.arguments.get("extra_params"):
        wrong += forms.refuse_even_filter(spec)
    return wrong


class Ge(nn.Module):
    """The deploy form: gather, maybe an MLP, sigmoid, product."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        self.gather: nn.Module = nn.Identity()
        self.is_mean = not isinstance(block.gather, nn.Sequential)
        if not self.is_mean:
            conv, bn = block.gather
            a, b = forms.batch_norm_affine(bn)
            self.gather = forms.weighted_sum(forms.double(conv.weight)[:, 0, 0] * a[:, None], b)
        has_mlp = isinstance(block.mlp, nn.Sequential)
        self.mlp = forms.Mlp(block.mlp[0], block.mlp[2]) if has_mlp else nn.Identity()
        self.sigmoid = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, n_channels, 1, n_tokens) to the same shape."""
        gathered = forms.mean_over_time(x) if self.is_mean else self.gather(x)
        return torch.mul(x, self.sigmoid(self.mlp(gathered)))


def deploy(block: Any, n_channels: int, n_tokens: int) -> nn.Module:
    """Return the gate's deploy form, made from braindecode's ``GatherExcite``."""
    return Ge(block)
