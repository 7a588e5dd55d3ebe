# SPDX-License-Identifier: BSD-3-Clause
"""Serve braindecode's ``AttentionBaseNet``: a file in ``gates`` for each of its attention modes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge import registry
from edge.families.attentionbasenet.fast_stem import training_form
from edge.families.attentionbasenet.lowering import lower
from edge.families.base import Family
from edge.lower import pools
from edge.spec import ModelSpec


def extended() -> type[Any]:
    """Return the class with the methods that braindecode's card promises."""
    from edge.families.attentionbasenet.network import AttentionBaseNet

    return AttentionBaseNet


def limits(spec: ModelSpec) -> tuple[str, ...]:
    """Say why the arguments cannot work, as the mode's file knows it."""
    complaints: tuple[str, ...] = registry.load(registry.MODES, spec.mode, "--mode").limits(spec)
    return complaints


def lengths(module: Any) -> Mapping[str, int]:
    """Return the lengths of filters and pools, which braindecode shortens for short windows."""
    block, attention = module.input_block, module.channel_attention_block
    return {
        "temp_filter_length_inp": block.temporal_conv.kernel_size[1],
        "pool_length_inp": pools.pair(block.pool.kernel_size)[1],
        "pool_stride_inp": pools.pair(block.pool.stride)[1],
        "temp_filter_length": attention.conv[0].kernel_size[1],
        "pool_length": pools.pair(attention.pool.kernel_size)[1],
        "pool_stride": pools.pair(attention.pool.stride)[1],
    }


FAMILY = Family(
    path="braindecode.models.AttentionBaseNet",
    marks=("attention_mode",),
    heads=("final_layer.1",),
    lower=lower,
    variant="attention_mode",
    extended=extended,
    limits=limits,
    lengths=lengths,
    training_form=training_form,
)
