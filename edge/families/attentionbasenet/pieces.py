# SPDX-License-Identifier: BSD-3-Clause
"""Build deploy forms of attention gates from operations that every runtime has.

Gates see tokens (batch, n_channels, 1, n_tokens). Weights are computed in float64, and lowering
casts them once. A convolution over one sample mixes channels, a depthwise one scales them, and
maxima are ``amax``; with these, the mean over time and arithmetic, every gate can be written.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from edge.lower import fold
from edge.spec import ModelSpec

batch_norm_affine, double = fold.batch_norm_affine, fold.double
"""What gates need of :mod:`edge.lower.fold`, under the roof that they import."""


def mixing(weight: Tensor, bias: Tensor | None = None) -> nn.Conv2d:
    """Build the linear map ``weight`` (n_outputs, n_inputs) of every token's channels."""
    return convolution(weight[:, :, None], bias)


def convolution(weight: Tensor, bias: Tensor | None = None) -> nn.Conv2d:
    """Build a correlation over time with ``weight`` (n_outputs, n_inputs, length)."""
    n_outputs, n_inputs, length = weight.shape
    conv = nn.Conv2d(
        n_inputs, n_outputs, (1, length), padding=(0, length // 2), bias=bias is not None
    )
    _assign(conv, weight[:, :, None], bias)
    return conv


def scaling(factors: Tensor, bias: Tensor | None = None) -> nn.Conv2d:
    """Build the layer that multiplies channel ``c`` by ``factors[c]`` and adds ``bias[c]``."""
    n = len(factors)
    conv = nn.Conv2d(n, n, 1, groups=n, bias=bias is not None)
    _assign(conv, factors[:, None, None, None], bias)
    return conv


def weighted_sum(weight: Tensor, bias: Tensor | None = None) -> nn.Conv2d:
    """Build the sum over all of time with weights (n_channels, n_tokens) by channel."""
    n, n_tokens = weight.shape
    conv = nn.Conv2d(n, n, (1, n_tokens), groups=n, bias=bias is not None)
    _assign(conv, weight[:, None, None], bias)
    return conv


def _assign(conv: nn.Conv2d, weight: Tensor, bias: Tensor | None) -> None:
    conv.weight.data = weight.clone()
    if bias is not None:
        assert conv.bias is not None
        conv.bias.data = bias.clone()


def mean_over_time(x: Tensor) -> Tensor:
    """Return the mean over time, (batch, n_channels, 1, 1)."""
    return x.mean((2, 3), keepdim=True)


def max_over_time(x: Tensor) -> Tensor:
    """Return the largest value over time, (batch, n_channels, 1, 1)."""
    return torch.amax(x, (2, 3), keepdim=True)


def max_over_channels(x: Tensor) -> Tensor:
    """Return the largest value over channels, (batch, 1, 1, n_tokens)."""
    return torch.amax(x, (1,), keepdim=True)


def linear(layer: Any) -> tuple[Tensor, Tensor | None]:
    """Return weight (n_outputs, n_inputs) and bias of a linear layer or a 1x1 convolution."""
    weight = double(layer.weight).reshape(layer.weight.shape[0], -1)
    return weight, None if layer.bias is None else double(layer.bias)


class Mlp(nn.Module):
    """Two linear maps of the channels with a ReLU between them."""

    def __init__(self, first: Any, second: Any) -> None:
        super().__init__()
        self.fc1 = mixing(*linear(first))
        self.relu = nn.ReLU()
        self.fc2 = mixing(*linear(second))

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, n_channels, 1, n_tokens) to the same shape."""
        out: Tensor = self.fc2(self.relu(self.fc1(x)))
        return out


class NegativeEntropy(nn.Module):
    """The sum ``p log p`` of a softmax over time or channels, up to a constant.

    With ``u = x - max x`` and means over what the softmax runs over it is
    ``mean(u e^u) / mean(e^u) - log mean(e^u)``, less the logarithm of the count. Nothing overflows,
    and where a probability vanishes its product is 0 and not NaN.
    """

    def __init__(self, n_channels: int, *, over_time: bool) -> None:
        super().__init__()
        self.over_time = over_time
        if not over_time:
            row = torch.full((1, n_channels), 1 / n_channels, dtype=torch.float64)
            self.mean_exp = mixing(row)
            self.mean_product = mixing(row)

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, n_channels, 1, 1) over time, (batch, 1, 1, n_tokens) over channels."""
        u = torch.sub(x, max_over_time(x) if self.over_time else max_over_channels(x))
        exp = torch.exp(u)
        product = torch.mul(exp, u)
        if self.over_time:
            mean, moment = mean_over_time(exp), mean_over_time(product)
        else:
            mean, moment = self.mean_exp(exp), self.mean_product(product)
        return torch.sub(torch.div(moment, mean), torch.log(mean))


class NormalizedEntropy(nn.Module):
    """The entropy minus its minimum, divided by its range, as braindecode has it.

    From ``g``, the negative entropy: ``(max g - g) / (max g - min g)``.
    """

    def __init__(self, n_channels: int, *, over_time: bool) -> None:
        super().__init__()
        self.entropy = NegativeEntropy(n_channels, over_time=over_time)
        n_values = n_channels if over_time else 1
        self.negative = scaling(-torch.ones(n_values, dtype=torch.float64))
        self.maximum = max_over_channels if over_time else max_over_time

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, n_channels, 1, 1) over time, (batch, 1, 1, n_tokens) over channels."""
        g = self.entropy(x)
        h = self.negative(g)
        largest = self.maximum(g)
        return torch.div(torch.add(h, largest), torch.add(self.maximum(h), largest))


def blur(gauss: Any, n_channels: int) -> nn.Conv2d:
    """Build cat's smoothing over time, with one kernel for all channels."""
    kernel = double(gauss.weight).reshape(-1)
    conv = nn.Conv2d(
        n_channels,
        n_channels,
        (1, len(kernel)),
        padding=(0, len(kernel) // 2),
        groups=n_channels,
        bias=False,
    )
    _assign(conv, kernel.expand(n_channels, 1, 1, -1), None)
    return conv


class ChannelScore(nn.Module):
    """cat's score of each channel from its mean, smoothed maximum and entropy over time.

    braindecode's shared network stands three times, the weights in its last layers.
    """

    def __init__(self, block: Any, n_channels: int) -> None:
        super().__init__()
        first, (weight, bias) = linear(block.mlp[0]), linear(block.mlp[2])
        self.of_mean, self.of_max, self.of_entropy = (mixing(*first) for _ in range(3))
        self.mean_relu, self.max_relu, self.entropy_relu = (nn.ReLU() for _ in range(3))
        factors = [double(f) for f in (block.c_alpha, block.c_beta, block.c_gamma)]
        biases = [None if bias is None else f * bias for f in factors]
        self.mean_score, self.max_score, self.entropy_score = (
            mixing(f * weight, b) for f, b in zip(factors, biases, strict=True)
        )
        self.entropy = NormalizedEntropy(n_channels, over_time=True)

    def forward(self, x: Tensor, largest: Tensor) -> Tensor:
        """Return the score before the sigmoid, (batch, n_channels, 1, 1)."""
        mean = self.mean_score(self.mean_relu(self.of_mean(mean_over_time(x))))
        peak = self.max_score(self.max_relu(self.of_max(largest)))
        entropy = self.entropy_score(self.entropy_relu(self.of_entropy(self.entropy(x))))
        return torch.add(torch.add(mean, peak), entropy)


def refuse_reduction(spec: ModelSpec, default: int, n_inputs: int) -> tuple[str, ...]:
    """Say why a reduction rate cannot work: nothing would be left of the channels."""
    rate = spec.argument("reduction_rate", default)
    if 1 <= rate <= n_inputs:
        return ()
    text = f"reduction_rate must be between 1 and {n_inputs} for {spec.mode} with these channels"
    return (f"{text}, got {rate}. Try {min(default, n_inputs)}.",)


def refuse_even_kernel(spec: ModelSpec) -> tuple[str, ...]:
    """Say why an even kernel cannot work: it shifts by half a sample."""
    size = int(spec.argument("kernel_size", 9))
    if size >= 1 and size % 2 == 1:
        return ()
    return (f"kernel_size must be odd and positive for {spec.mode}, got {size}. Try {size + 1}.",)


def refuse_even_filter(spec: ModelSpec) -> tuple[str, ...]:
    """Say why an even second filter cannot work: braindecode's gate breaks."""
    length = int(spec.argument("temp_filter_length", 15))
    if length % 2 == 1:
        return ()
    text = f"temp_filter_length must be odd for {spec.mode} with these arguments"
    return (f"{text}, got {length}. Try {length + 1}.",)


def n_channels(spec: ModelSpec) -> int:
    """Return the number of channels that the gate sees."""
    return int(spec.argument("ch_dim", 16))
