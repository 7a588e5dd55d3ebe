# SPDX-License-Identifier: BSD-3-Clause
"""Emit the stem: tile sizes, scratch memory and weights for every port."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from firmware_bridge.emit import stem_layouts
from firmware_bridge.emit.stem_layouts import Packed
from firmware_bridge.plan import scaling
from firmware_bridge.plan.operations import Stem
from firmware_bridge.plan.source import (
    Constant,
    Emission,
    call,
    identifier,
    initializer,
    scratch,
    symbol,
    table_constant,
    time_and_channels,
)
from quantize.graph.qgraph import POOL_WEIGHT, QGraph

TILE = 30
"""Filter outputs per tile, about: more costs memory, fewer costs copies of the history. Multiples
of six suit the dsp port."""
LARGEST_BLOCK = 48


@dataclass(frozen=True)
class Tiling:
    """How the pool's windows are cut into blocks and tiles, in outputs of the temporal filter."""

    block: int
    tile_blocks: int
    n_blocks: int
    pool_blocks: int
    pool_stride: int

    @property
    def n_outputs(self) -> int:
        """The outputs of a tile; the number is even."""
        return self.block * self.tile_blocks

    @property
    def n_open(self) -> int:
        """The number of pool windows that a block may belong to."""
        return -(-self.pool_blocks // self.pool_stride)


def tiling(length: int, stride: int, n_windows: int) -> Tiling:
    """Choose blocks that divide the pool's length and stride, so that each is summed once."""
    common = math.gcd(length, stride)
    block = max(b for b in range(1, LARGEST_BLOCK + 1) if common % b == 0)
    fitting = [n for n in range(1, 2 * LARGEST_BLOCK) if n * block % 2 == 0]
    tile_blocks = min(fitting, key=lambda n: (abs(n * block - TILE) + 8 * (n * block % 6 > 0), n))
    return Tiling(
        block=block,
        tile_blocks=tile_blocks,
        n_blocks=((n_windows - 1) * stride + length) // block,
        pool_blocks=length // block,
        pool_stride=stride // block,
    )


def emit_stem(graph: QGraph, stem: Stem, model: str) -> Emission:
    """Return a call of ``edge_stem`` with its constants."""
    mix, temporal = stem.mix.output, stem.temporal.output
    of_mix, of_temporal = scaling.of_conv(graph, stem.mix), scaling.of_conv(graph, stem.temporal)
    mix_weight = graph.constants[f"{mix}.weight"][:, 0, 0]
    filters = np.ascontiguousarray(graph.constants[f"{temporal}.weight"][0, 0].T)
    tiles = tiling(stem.pool.length, stem.pool.stride, graph[stem.output].shape[2])
    fast = of_mix.is_short and of_temporal.is_short and stem_layouts.fields_hold(filters)
    packed = stem_layouts.pack(mix_weight, of_mix, filters, of_temporal, fast)
    taps = {**packed.temporal_weight}
    if fast:
        taps["neon"] = stem_layouts.neon_tap_pairs(filters)
    constants = (
        *stem_constants(model, stem, replace(packed, temporal_weight=taps)),
        table_constant(model, temporal, stem.table),
    )
    sizes = f"{model}_{identifier(stem.output)}_sizes"
    shape = shape_values(graph, stem, tiles)
    statement = call(
        "edge_stem" if fast else "edge_stem_plain",
        f"&{sizes}",
        identifier(graph.input),
        *(constant.name for constant in constants),
        f"(int32_t *){scratch(stem.output)}",
        identifier(stem.output),
    )
    return Emission(
        f"static const edge_stem_shape {sizes} = {initializer(shape)};\n{statement}",
        constants,
        ("edge_stem.h",),
        stem_layouts.scratch_bytes(
            mix_weight, filters, (tiles.n_outputs, tiles.tile_blocks, tiles.n_open), fast
        ),
        stem_layouts.macros(mix_weight, filters),
    )


def stem_constants(model: str, stem: Stem, packed: Packed) -> tuple[Constant, ...]:
    """Return the weights and factors of mix and temporal filter."""
    mix, temporal = stem.mix.output, stem.temporal.output
    return tuple(
        Constant(symbol(model, name, role), f"{name}: {text}", layouts)
        for name, role, text, layouts in (
            (mix, "weight", "weights", packed.mix_weight),
            (mix, "scaling", "factors", packed.mix_scaling),
            (temporal, "weight", "taps", packed.temporal_weight),
            (temporal, "scaling", "factors", packed.temporal_scaling),
        )
    )


def shape_values(graph: QGraph, stem: Stem, tiles: Tiling) -> dict[str, Any]:
    """Return the values of ``edge_stem_shape``, in its order."""
    n_times, n_chans = time_and_channels(graph, graph.input)
    pool = scaling.of_pool(graph, stem.pool)
    factors: tuple[int, ...] = (0, 0, 0, 0, 0)
    if pool is not None:
        one = (pool.bias, pool.multiplier, pool.shift)
        factors = (POOL_WEIGHT, *(int(value[0]) for value in one), pool.zero_point)
    return {
        "n_times": n_times,
        "n_chans": n_chans,
        "n_mixed": graph[stem.mix.output].shape[-1],
        "length": graph.constants[f"{stem.temporal.output}.weight"].shape[2],
        "pad": stem.temporal.pad[0],
        "mix_zero": graph.quant(stem.mix.output).zero_point,
        "temporal_zero": graph.quant(stem.temporal.output).zero_point,
        "block": tiles.block,
        "tile_blocks": tiles.tile_blocks,
        "n_blocks": tiles.n_blocks,
        "pool_blocks": tiles.pool_blocks,
        "pool_stride": tiles.pool_stride,
        "pool_length": stem.pool.length,
        "pool_keeps": int(pool is None),
        "pool_short": int(pool is not None and pool.is_short),
        **dict(
            zip(
                ("pool_weight", "pool_bias", "multiplier", "shift", "zero_point"),
                factors,
                strict=True,
            )
        ),
    }
