# SPDX-License-Identifier: BSD-3-Clause
"""Lower the mode ``srm``: style-based recalibration (Lee et al. 2019, arXiv:1903.10829).

Each channel's mean and standard deviation over time, combined per channel (``use_mlp``: by two
linear layers), a batch norm, a sigmoid, the product.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from edge.families.attentionbasenet import pieces as forms
from edge.spec import ModelSpec

HAZARDS = (
    "The variance is a mean of squares, whose small values int8 cannot hold beside its large ones, "
    "and square roots have no int8 form; the gate stays in float32."
)


def limits(spec: ModelSpec) -> tuple[str, ...]:
    """Say why the arguments cannot work; empty if they can."""
    if not spec.arguments.get("use_mlp"):
        return ()
    return forms.refuse_reduction(spec, 4, 2 * forms.n_channels(spec))


class Srm(nn.Module):
    """The deploy form: mean and deviation enter by weights of their own and are added.

    braindecode's deviation divides by ``n_tokens - 1``, the mean of squares by ``n_tokens``; the
    quotient goes into the weights.
    """

    def __init__(self, block: Any, n_tokens: int) -> None:
        super().__init__()
        a, b = forms.batch_norm_affine(block.bn)
        unbiased = math.sqrt(n_tokens / (n_tokens - 1)) if n_tokens > 1 else math.nan
        self.relu: nn.Module = nn.Identity()
        self.last: nn.Module = nn.Identity()
        if isinstance(conv := block.style_integration, nn.Conv1d):
            weight = forms.double(conv.weight)[:, 0] * a[:, None]
            shift = b if conv.bias is None else b + a * forms.double(conv.bias)
            self.of_mean = forms.scaling(weight[:, 0], shift)
            self.of_deviation = forms.scaling(unbiased * weight[:, 1])
        else:
            first, second = block.style_integration[1], block.style_integration[3]
            weight, bias = forms.linear(first)
            self.of_mean = forms.mixing(weight[:, 0::2], bias)
            self.of_deviation = forms.mixing(unbiased * weight[:, 1::2])
            self.relu = nn.ReLU()
            last, last_bias = forms.linear(second)
            self.last = forms.mixing(
                last * a[:, None], b if last_bias is None else b + a * last_bias
            )
        self.sigmoid = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, n_channels, 1, n_tokens) to the same shape."""
        mean = forms.mean_over_time(x)
        centred = torch.sub(x, mean)
        deviation = torch.sqrt(forms.mean_over_time(torch.mul(centred, centred)))
        style = torch.add(self.of_mean(mean), self.of_deviation(deviation))
        return torch.mul(x, self.sigmoid(self.last(self.relu(style))))


def deploy(block: Any, n_channels: int, n_tokens: int) -> nn.Module:
    """Return the gate's deploy form, made from braindecode's ``SRM``."""
    return Srm(block, n_tokens)
