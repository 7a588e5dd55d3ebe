# SPDX-License-Identifier: BSD-3-Clause
"""Lower braindecode's ``AttentionBaseNet`` to an equal network that is twelve times cheaper.

braindecode's stem is temporal convolution, BN1, depthwise spatial convolution and BN2. All four are
linear, so the stem equals a spatial mix followed by a depthwise temporal filter
(``docs/architecture.md`` derives it)::

    a = gamma / sqrt(var + eps),  b = beta - a * mean          for each of BN1 and BN2
    mix      = w_s                          (n_mixed, n_chans), no bias
    temporal = a2 * a1 * w_t                (n_mixed, length), zero padding length // 2
    bias     = a2 * b1 * sum_c(w_s) + b2    (n_mixed,)

Every other batch norm folds into the convolution before it, and flatten + linear becomes a
convolution over the last tokens. Shapes and lengths are read from the module, never from its
configuration, because braindecode shortens kernels for short windows.
"""

from __future__ import annotations

import copy
import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from edge import registry
from edge.families.attentionbasenet.pieces import batch_norm_affine, double
from edge.spec import ModelSpec
from quantize.graph.qgraph import LOGITS


class DeployNet(nn.Module):
    """The lowered network: (batch, n_chans, 1, n_times) -> logits (batch, n_outputs).

    The names of its parts are the names of tensors in every artifact and report.
    """

    def __init__(
        self, stem: Stem, block: Block, gate: nn.Module, activation: Callable[[], nn.Module]
    ) -> None:
        super().__init__()
        self.mix = stem.mix
        self.temporal = stem.temporal
        self.temporal_act = activation()
        self.stem_pool = stem.pool
        self.expand = block.expand
        self.expand_act = activation()
        self.depthwise = block.depthwise
        self.pointwise = block.pointwise
        self.pointwise_act = activation()
        self.gate = gate
        self.block_pool = block.pool
        self.head = block.head

    def forward(self, x: Tensor) -> Tensor:
        """Compute logits of windows (batch, n_chans, 1, n_times)."""
        return torch.flatten(self.head(self.tokens(x)), 1)

    def tokens(self, x: Tensor) -> Tensor:
        """Compute what the head reads, (batch, n_channels, 1, n_tokens)."""
        x = self.temporal_act(self.temporal(self.mix(x)))
        x = self.expand_act(self.expand(self.stem_pool(x)))
        x = self.pointwise_act(self.pointwise(self.depthwise(x)))
        gated: Tensor = self.block_pool(self.gate(x))
        return gated


VALUES: Mapping[str, Callable[[Any, Tensor], Tensor]] = MappingProxyType(
    {
        LOGITS: lambda net, x: net(x),
        "features": lambda net, x: torch.flatten(net.tokens(x), 1),
    }
)
"""What :data:`quantize.graph.outputs.VALUES` are in a :class:`DeployNet`."""


class Stem:
    """braindecode's input block, rewritten as a mix and a temporal filter."""

    def __init__(self, source: Any) -> None:
        temporal_conv, spatial_conv = source.temporal_conv, source.spatial_conv
        w_t = double(temporal_conv.weight)[:, 0, 0]
        w_s = double(spatial_conv.weight)[:, 0, :, 0]
        n_mixed, n_chans = w_s.shape
        expansion = n_mixed // len(w_t)
        a1, b1 = (v.repeat_interleave(expansion) for v in batch_norm_affine(source.intermediate_bn))
        a2, b2 = batch_norm_affine(source.bn)
        length = w_t.shape[1]
        like = temporal_conv.weight
        self.mix = nn.Conv2d(n_chans, n_mixed, 1, bias=False)
        _assign(self.mix.weight, w_s[:, :, None, None], like)
        self.temporal = nn.Conv2d(
            n_mixed, n_mixed, (1, length), padding=temporal_conv.padding, groups=n_mixed
        )
        kernel = w_t.repeat_interleave(expansion, 0) * (a1 * a2)[:, None]
        _assign(self.temporal.weight, kernel[:, None, None], like)
        _assign(self.temporal.bias, a2 * b1 * w_s.sum(1) + b2, like)
        self.pool = _pool(source.pool)


class Block:
    """Everything behind the stem except the gate, with batch norms folded."""

    def __init__(self, model: Any) -> None:
        attention = model.channel_attention_block
        self.expand = fold_batch_norm(model.channel_expansion[0], model.channel_expansion[1])
        self.depthwise = copy.deepcopy(attention.conv[0])
        self.pointwise = fold_batch_norm(attention.conv[1], attention.conv[2])
        self.pool = _pool(attention.pool)
        self.head = _linear_as_conv(model.final_layer[1], self.pointwise.out_channels)


def lower(model: Any, spec: ModelSpec) -> DeployNet:
    """Rewrite braindecode's module as an equal network; the module is not changed.

    Parameters
    ----------
    model
        ``braindecode.models.AttentionBaseNet``, in float32 or float64.
    spec
        What it is; decides the mode file that lowers its gate.

    Returns
    -------
    DeployNet
        In evaluation mode, same precision, no gradients.
    """
    stem, block = Stem(model.input_block), Block(model)
    mode = registry.load(registry.MODES, spec.mode, "--mode")
    gate = mode.deploy(
        model.channel_attention_block.attention_block,
        block.pointwise.out_channels,
        n_tokens(model, spec.n_times),
    )
    source = model.input_block.nonlinearity
    net = DeployNet(stem, block, gate, lambda: deploy_activation(source))
    net = net.to(model.input_block.temporal_conv.weight.dtype).eval()
    return net.requires_grad_(False)


def n_tokens(model: Any, n_times: int) -> int:
    """Return the number of tokens that the gate sees."""
    stem, attention = model.input_block, model.channel_attention_block
    n = _filtered(n_times, stem.temporal_conv)
    n = (n - _pair(stem.pool.kernel_size)[1]) // _pair(stem.pool.stride)[1] + 1
    return _filtered(n, attention.conv[0])


def _filtered(n: int, conv: nn.Conv2d) -> int:
    """Samples behind a filter with its zeros on either side."""
    pad = conv.padding[1]
    assert isinstance(pad, int)
    return n + 2 * pad - conv.kernel_size[1] + 1


class Silu(nn.Module):
    """The function ``x * sigmoid(x)``, in the two operations that integer runtimes have."""

    def __init__(self) -> None:
        super().__init__()
        self.sigmoid = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Map any shape to the same shape."""
        return torch.mul(x, self.sigmoid(x))


def deploy_activation(source: nn.Module) -> nn.Module:
    """Return a fresh activation that equals ``source``."""
    return Silu() if isinstance(source, nn.SiLU) else copy.deepcopy(source)


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
    _assign(folded.weight, double(conv.weight) * a[:, None, None, None], conv.weight)
    bias = b if conv.bias is None else b + a * double(conv.bias)
    _assign(folded.bias, bias, conv.weight)
    return folded


def _linear_as_conv(linear: nn.Linear, n_channels: int) -> nn.Conv2d:
    """Flatten + linear as a convolution over all remaining tokens."""
    n_tokens = linear.in_features // n_channels
    conv = nn.Conv2d(n_channels, linear.out_features, (1, n_tokens))
    weight = double(linear.weight).reshape(linear.out_features, n_channels, 1, n_tokens)
    _assign(conv.weight, weight, linear.weight)
    _assign(conv.bias, double(linear.bias), linear.weight)
    return conv


def _pool(pool: nn.AvgPool2d) -> nn.Module:
    """An equal pool; where windows overlap, blocks are averaged first and then their averages.

    With block g = gcd(length, stride) every block is read once instead of length / stride times.
    Without padding, ``count_include_pad=False`` changes nothing, but delegates insist on it.
    """
    length, stride = _pair(pool.kernel_size)[1], _pair(pool.stride)[1]
    block = math.gcd(length, stride)
    if block in (1, length):
        return _average(length, stride)
    return nn.Sequential(
        OrderedDict(
            blocks=_average(block, block), windows=_average(length // block, stride // block)
        )
    )


def _average(length: int, stride: int) -> nn.AvgPool2d:
    return nn.AvgPool2d((1, length), (1, stride), count_include_pad=False)


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def _assign(parameter: Tensor | None, value: Tensor, like: Tensor) -> None:
    assert parameter is not None
    parameter.data = value.to(like.dtype).clone()
