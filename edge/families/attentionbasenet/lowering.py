# SPDX-License-Identifier: BSD-3-Clause
"""Lower braindecode's ``AttentionBaseNet`` to an equal network that is twelve times cheaper.

The stem becomes a spatial mix and a depthwise temporal filter (:mod:`edge.lower.stem`). Every other
batch norm folds into the convolution before it, and flatten + linear becomes a convolution over the
last tokens. Shapes and lengths are read from the module, never from its configuration, because
braindecode shortens kernels for short windows.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from typing import Any

from torch import nn

from edge import registry
from edge.lower import pools
from edge.lower.activations import deploy_activation
from edge.lower.chain import HEAD, Chain, finished
from edge.lower.fold import fold_batch_norm, linear_as_conv
from edge.lower.stem import LinearStem, linear_stem
from edge.spec import ModelSpec

GATE = "gate"


def stem_of(block: Any) -> LinearStem:
    """Return the linear layers of braindecode's input block."""
    return linear_stem(
        block.temporal_conv.weight[:, 0, 0],
        block.spatial_conv.weight[:, 0, :, 0],
        block.temporal_conv.padding[1],
        between=block.intermediate_bn,
        behind=block.bn,
    )


def lower(model: Any, spec: ModelSpec) -> Chain:
    """Rewrite braindecode's module as an equal network; the module is not changed.

    Parameters
    ----------
    model
        ``braindecode.models.AttentionBaseNet``, in float32 or float64.
    spec
        What it is; decides the mode file that lowers its gate.

    Returns
    -------
    Chain
        In evaluation mode, same precision, no gradients.
    """
    block, attention = model.input_block, model.channel_attention_block
    like, nonlinearity = block.temporal_conv.weight, block.nonlinearity
    pointwise = fold_batch_norm(attention.conv[1], attention.conv[2])
    mode = registry.load(registry.MODES, spec.mode, "--mode")
    n = pointwise.out_channels
    gate = mode.deploy(attention.attention_block, n, n_tokens(model, spec.n_times))
    parts = OrderedDict[str, nn.Module](stem_of(block).parts(like))
    parts["temporal_act"] = deploy_activation(nonlinearity)
    parts["stem_pool"] = pools.average(block.pool)
    parts["expand"] = fold_batch_norm(model.channel_expansion[0], model.channel_expansion[1])
    parts["expand_act"] = deploy_activation(nonlinearity)
    parts["depthwise"] = copy.deepcopy(attention.conv[0])
    parts["pointwise"] = pointwise
    parts["pointwise_act"] = deploy_activation(nonlinearity)
    parts[GATE] = gate
    parts["block_pool"] = pools.average(attention.pool)
    parts[HEAD] = linear_as_conv(model.final_layer[1], n)
    return finished(Chain(parts, (GATE,)), like)


def n_tokens(model: Any, n_times: int) -> int:
    """Return the number of tokens that the gate sees."""
    stem, attention = model.input_block, model.channel_attention_block
    n = _filtered(n_times, stem.temporal_conv)
    n = (n - pools.pair(stem.pool.kernel_size)[1]) // pools.pair(stem.pool.stride)[1] + 1
    return _filtered(n, attention.conv[0])


def _filtered(n: int, conv: nn.Conv2d) -> int:
    """Samples behind a filter with its zeros on either side."""
    pad = conv.padding[1]
    assert isinstance(pad, int)
    return n + 2 * pad - conv.kernel_size[1] + 1
