# SPDX-License-Identifier: BSD-3-Clause
"""Fold what is linear into the convolution before it.

Weights are computed in float64 and rounded once, to the precision of the network that is lowered.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def batch_norm_affine(bn: Any) -> tuple[Tensor, Tensor]:
    """Return ``(a, b)`` in float64 with ``bn(x) == a * x + b`` in evaluation mode."""
    variance = double(bn.running_var) + bn.eps
    weight = torch.ones_like(variance) if bn.weight is None else double(bn.weight)
    a = weight / torch.sqrt(variance)
    return a, bias_of(bn.bias, len(a)) - a * double(bn.running_mean)


def affine(bn: Any, n: int) -> tuple[Tensor, Tensor]:
    """Return :func:`batch_norm_affine`, and ``(1, 0)`` for n channels where there is no norm."""
    ones = torch.ones(n, dtype=torch.float64)
    return (ones, torch.zeros_like(ones)) if bn is None else batch_norm_affine(bn)


def bias_of(bias: Tensor | None, n: int) -> Tensor:
    """Return a bias (n,) in float64, zeros where a layer has none."""
    return torch.zeros(n, dtype=torch.float64) if bias is None else double(bias)


def double(parameter: Tensor) -> Tensor:
    """Return the value of a parameter in float64."""
    return parameter.detach().double()


def fold_batch_norm(conv: Any, bn: Any) -> nn.Conv2d:
    """Return one convolution with bias that equals ``bn(conv(x))``."""
    a, b = batch_norm_affine(bn)
    folded = nn.Conv2d(
        conv.in_channels,
        conv.out_channels,
        conv.kernel_size,
        conv.stride,
        conv.padding,
        groups=conv.groups,
    )
    assign(folded.weight, double(conv.weight) * a[:, None, None, None], conv.weight)
    bias = b if conv.bias is None else b + a * double(conv.bias)
    assign(folded.bias, bias, conv.weight)
    return folded


def linear_as_conv(linear: nn.Linear, n_channels: int) -> nn.Conv2d:
    """Return the convolution over all tokens that equals a flatten and a linear layer."""
    n_tokens = linear.in_features // n_channels
    conv = nn.Conv2d(n_channels, linear.out_features, (1, n_tokens))
    weight = double(linear.weight).reshape(linear.out_features, n_channels, 1, n_tokens)
    assign(conv.weight, weight, linear.weight)
    assign(conv.bias, bias_of(linear.bias, linear.out_features), linear.weight)
    return conv


def over_time(conv: Any) -> nn.Conv2d:
    """Return the same convolution with time on the last axis, of one along the first of two."""
    weight = double(conv.weight).flatten(2)[:, :, None]
    n_outputs, n_inputs, _, length = weight.shape
    turned = nn.Conv2d(
        n_inputs * conv.groups,
        n_outputs,
        (1, length),
        max(conv.stride),
        (0, max(conv.padding)),
        groups=conv.groups,
        bias=conv.bias is not None,
    )
    assign(turned.weight, weight, conv.weight)
    if conv.bias is not None:
        assign(turned.bias, double(conv.bias), conv.weight)
    return turned


def convolution(kernel: Tensor, bias: Tensor, like: Tensor) -> nn.Conv2d:
    """Return the convolution with a kernel (n_outputs, n_inputs, length), without padding."""
    n_outputs, n_inputs, length = kernel.shape
    conv = nn.Conv2d(n_inputs, n_outputs, (1, length))
    assign(conv.weight, kernel[:, :, None], like)
    assign(conv.bias, bias, like)
    return conv


def head_as_conv(head: Any, n_channels: int) -> nn.Conv2d:
    """Return the convolution over all tokens that equals a linear layer or a convolution.

    Parameters
    ----------
    head
        A linear layer behind a flatten, or a convolution that spans all of time.
    n_channels
        Channels that it reads.
    """
    if isinstance(head, nn.Linear):
        return linear_as_conv(head, n_channels)
    weight = double(head.weight).flatten(2)[:, :, None]
    conv = nn.Conv2d(n_channels, len(weight), (1, weight.shape[3]))
    assign(conv.weight, weight, head.weight)
    assign(conv.bias, bias_of(head.bias, len(weight)), head.weight)
    return conv


def assign(parameter: Tensor | None, value: Tensor, like: Tensor) -> None:
    """Set a parameter to a value, in the precision of ``like``."""
    assert parameter is not None
    parameter.data = value.to(like.dtype).clone()
