# SPDX-License-Identifier: BSD-3-Clause
"""Serve braindecode's ``EEGNet`` (Lawhern et al. 2018, arXiv:1611.08024).

A bank of temporal filters, D combinations of electrodes for each, a pool, a separable convolution,
a pool and a linear layer. The first two and their batch norms become a mix of the electrodes and a
filter for each mixture: 8 times fewer multiplications for 22 electrodes and filters of 64 samples.
A maximum norm is a parametrization of the weights, and constant once training is over.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from typing import Any

from torch import nn

from edge.families.base import Family, refuse_dense_predictions
from edge.lower import pools
from edge.lower.activations import deploy_activation
from edge.lower.chain import HEAD, Chain, finished
from edge.lower.fold import fold_batch_norm, head_as_conv
from edge.lower.stem import linear_stem
from edge.spec import ModelSpec


def limits(spec: ModelSpec) -> tuple[str, ...]:
    """Say why the arguments cannot work; empty if they can."""
    wrong = refuse_dense_predictions(spec)
    if (mode := spec.arguments.get("pool_mode", "mean")) not in ("mean", "max"):
        wrong += (f"pool_mode must be mean or max, got {mode!r}.",)
    return wrong


def lower(model: Any, _: ModelSpec) -> Chain:
    """Rewrite braindecode's module as an equal network; the module is not changed."""
    like = model.conv_temporal.weight
    stem = linear_stem(
        like[:, 0, 0],
        model.conv_spatial.weight[:, 0, :, 0],
        model.conv_temporal.padding[1],
        between=model.bnorm_temporal,
        behind=model.bnorm_1,
    )
    parts = OrderedDict[str, nn.Module](stem.parts(like))
    parts["temporal_act"] = deploy_activation(model.elu_1)
    parts["stem_pool"] = pools.pool(model.pool_1)
    parts["depthwise"] = copy.deepcopy(model.conv_separable_depth)
    parts["pointwise"] = fold_batch_norm(model.conv_separable_point, model.bnorm_2)
    parts["pointwise_act"] = deploy_activation(model.elu_2)
    parts["block_pool"] = pools.pool(model.pool_2)
    parts[HEAD] = head_as_conv(FAMILY.head(model), model.conv_separable_point.out_channels)
    return finished(Chain(parts), like)


FAMILY = Family(
    path="braindecode.models.EEGNet",
    marks=("pool1_kernel_size", "conv_spatial_max_norm"),
    heads=("final_layer.conv_classifier", "final_layer.linearconstraint"),
    lower=lower,
    limits=limits,
    reals=("conv_spatial_max_norm",),
)
