# SPDX-License-Identifier: BSD-3-Clause
"""Serve braindecode's ``ShallowFBCSPNet`` (Schirrmeister et al. 2017, arXiv:1703.05051).

Temporal filters, combinations of all of them over all electrodes, a square, a mean and a logarithm:
the power of learned spatial filters in learned bands. Every combination reads every filter, so the
first two layers become one kernel over electrodes and time: 2.6 times fewer multiplications.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from torch import nn

from edge.families.base import Family, import_class, refuse_dense_predictions
from edge.lower import pools
from edge.lower.activations import deploy_activation
from edge.lower.chain import HEAD, Chain, finished
from edge.lower.fold import head_as_conv
from edge.lower.power import Floor, LogOfMean
from edge.lower.stem import linear_stem
from edge.spec import ModelSpec


def limits(spec: ModelSpec) -> tuple[str, ...]:
    """Say why the arguments cannot work; empty if they can."""
    wrong = refuse_dense_predictions(spec)
    if (mode := spec.arguments.get("pool_mode", "mean")) not in ("mean", "max"):
        wrong += (f"pool_mode must be mean or max, got {mode!r}.",)
    if spec.arguments.get("split_first_layer", True) is not True:
        wrong += ("split_first_layer must be true: braindecode cannot build the network without.",)
    return wrong


def lower(model: Any, _: ModelSpec) -> Chain:
    """Rewrite braindecode's module as an equal network; the module is not changed."""
    time, space = model.conv_time_spat.conv_time, model.conv_time_spat.conv_spat
    n, like = space.out_channels, time.weight
    stem = linear_stem(
        like[:, 0, :, 0],
        space.weight[:, :, 0],
        0,
        behind=getattr(model, "bnorm", None),
        temporal_bias=time.bias,
        spatial_bias=space.bias,
    )
    parts = OrderedDict[str, nn.Module](stem.parts(like))
    function, pool = deploy_activation(model.conv_nonlin_exp), pools.pool(model.pool)
    after = model.pool_nonlin_exp
    if isinstance(after, import_class("braindecode.modules.SafeLog")):
        parts["power"] = LogOfMean(function, pool, Floor(after.epsilon, n))
    else:
        parts |= {"nonlin": function, "pool": pool, "pool_nonlin": deploy_activation(after)}
    parts[HEAD] = head_as_conv(FAMILY.head(model), n)
    return finished(Chain(parts), like)


FAMILY = Family(
    path="braindecode.models.ShallowFBCSPNet",
    marks=("conv_nonlin", "activation_pool_nonlin"),
    heads=("final_layer.conv_classifier",),
    lower=lower,
    limits=limits,
)
