# SPDX-License-Identifier: BSD-3-Clause
"""Lower the mode ``gsop``: global second-order pooling (Gao et al. 2019, arXiv:1811.12006).

The covariance of a few mixed channels, and a linear map of it, is the gate; no sigmoid. Batch norm,
row convolution and last mixing are all linear, so they become one matrix, and because a covariance
is symmetric it needs only the pairs ``i <= j``, each the mean of one product.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from edge.families.attentionbasenet import pieces as forms
from edge.spec import ModelSpec

HAZARDS = (
    "Covariances are products, whose range grows with the square of the signal's: a loud window "
    "makes the step coarse for all others, and no sigmoid bounds the gate behind it."
)


def limits(spec: ModelSpec) -> tuple[str, ...]:
    """Say why the arguments cannot work; empty if they can."""
    return forms.refuse_reduction(spec, 4, forms.n_channels(spec))


class Gsop(nn.Module):
    """The deploy form: two mixings to pairs, centred, multiplied, averaged, mixed to the gate."""

    def __init__(self, block: Any, n_tokens: int) -> None:
        super().__init__()
        weight, bias = forms.linear(block.pw_conv1)
        size = len(weight)
        first, second = torch.triu_indices(size, size)
        self.left = forms.mixing(weight[first], None if bias is None else bias[first])
        self.right = forms.mixing(weight[second], None if bias is None else bias[second])
        matrix, constant = _gate_of_covariance(block, size)
        both = matrix[:, first, second] + matrix[:, second, first] * (first != second)
        unbiased = n_tokens / (n_tokens - 1) if n_tokens > 1 else float("nan")
        self.gate = forms.mixing(unbiased * both, constant)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, n_channels, 1, n_tokens) to the same shape."""
        left, right = self.left(x), self.right(x)
        left = torch.sub(left, forms.mean_over_time(left))
        right = torch.sub(right, forms.mean_over_time(right))
        covariance = forms.mean_over_time(torch.mul(left, right))
        return torch.mul(x, self.gate(covariance))


def _gate_of_covariance(block: Any, size: int) -> tuple[Tensor, Tensor]:
    """Matrix (n_channels, size, size) and constant (n_channels,) from covariance to gate."""
    a, b = forms.batch_norm_affine(block.bn)
    rows = forms.double(block.rw_conv.weight)[:, 0, :, 0]  # (4 * size, size)
    group = torch.arange(len(rows)) // 4
    last, last_bias = forms.linear(block.pw_conv2)
    spread = torch.zeros(len(rows), size, size, dtype=torch.float64)
    spread[torch.arange(len(rows)), group] = rows * a[group][:, None]
    constant = rows.sum(1) * b[group]
    if block.rw_conv.bias is not None:
        constant = constant + forms.double(block.rw_conv.bias)
    constant = last @ constant
    return torch.einsum("or,rij->oij", last, spread), (
        constant if last_bias is None else constant + last_bias
    )


def deploy(block: Any, n_channels: int, n_tokens: int) -> nn.Module:
    """Return the gate's deploy form, made from braindecode's ``GSoP``."""
    return Gsop(block, n_tokens)
