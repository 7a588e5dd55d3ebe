# SPDX-License-Identifier: BSD-3-Clause
"""Emit the streaming stem: one beat of mix, filter, table and block sums."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from firmware_bridge.emit.layouts import padded
from firmware_bridge.emit.stem import shape_values, stem_constants, tiling
from firmware_bridge.emit.stem_layouts import Layouts, fields_hold, macros, pack, pair_order
from firmware_bridge.plan import scaling
from firmware_bridge.plan.source import Emission, call, initializer, table_constant
from firmware_bridge.stream.plan import StemPlan, StreamPlan
from quantize.graph.qgraph import QGraph

FROM_PORTS = {"dsp": "dsp", "neon": "neon", "dot": "neon", "plain": "plain"}
"""Ports that have a streaming stem, and whose layout it reads; the others take the plain one."""


@dataclass(frozen=True)
class StemMemory:
    """The bytes that the stem keeps between beats, and needs while one runs."""

    rows: int
    carries: int
    pending: int
    sums: int
    scratch: int


def memory_of(plan: StemPlan, n_mixed: int, n_chans: int) -> StemMemory:
    """Return the sizes for the port that needs most."""
    ends = plan.beat + plan.n_last + plan.pad
    pairs = 2 * len(pair_order(n_chans)) * ((plan.beat + 1) // 2)
    dsp = 4 * (pairs + 2 * words(plan)) + ends + 32
    lanes = max(plan.pad - plan.offset, 0) + plan.length + plan.beat + plan.n_last + 4
    return StemMemory(
        rows=max(padded(n_mixed, 4) * plan.row, padded(n_mixed, 8) * lanes),
        carries=2 * n_mixed,
        pending=2 * n_mixed * max(plan.n_left, 1),
        sums=2 * n_mixed * plan.n_sums,
        scratch=max(ends + plan.pad + plan.length, dsp, 8 * (ends + 12)),
    )


def words(plan: StemPlan) -> int:
    """Return the words of a packed row of the dsp port, as many as its filter may read."""
    sums = max(plan.beat + plan.n_last, plan.pad) // 2 + 3
    return max(sums, plan.row // 2 + 1) + (plan.length + 2) // 2 + 3


def shape_name(model: str) -> str:
    """Return what the model's ``edge_beats_shape`` is called."""
    return f"{model}_beat_sizes"


def shape_definition(graph: QGraph, plan: StreamPlan, model: str) -> str:
    """Return the ``edge_beats_shape`` of a model."""
    stem, beat = plan.stem, plan.stem_plan
    tiles = tiling(stem.pool.length, stem.pool.stride, graph[stem.output].shape[2])
    inner = shape_values(graph, stem, tiles)
    outer = {
        "beat": beat.beat,
        "n_fresh": beat.n_fresh,
        "carried": beat.carried,
        "n_left": beat.n_left,
        "tail": beat.tail,
        "offset": beat.offset,
        "n_right": beat.n_right,
        "n_last": beat.n_last,
        "row": beat.row,
    }
    text = initializer(outer, {"stem": initializer(inner)})
    return f"static const edge_beats_shape {shape_name(model)} = {text};"


def emit_stream_stem(graph: QGraph, plan: StreamPlan, model: str) -> Emission:
    """Return a call of ``edge_beats`` with its constants."""
    stem = plan.stem
    mix, temporal = stem.mix.output, stem.temporal.output
    of_mix, of_temporal = scaling.of_conv(graph, stem.mix), scaling.of_conv(graph, stem.temporal)
    mix_weight = graph.constants[f"{mix}.weight"][:, 0, 0]
    filters = np.ascontiguousarray(graph.constants[f"{temporal}.weight"][0, 0].T)
    fast = of_mix.is_short and of_temporal.is_short and fields_hold(filters)
    packed = pack(mix_weight, of_mix, filters, of_temporal, fast)
    constants = tuple(
        replace(constant, layouts=_of_ports(constant.layouts))
        for constant in stem_constants(model, stem, packed)
    )
    table = table_constant(model, temporal, stem.table)
    statement = call(
        "edge_beats" if fast else "edge_beats_plain",
        f"&{shape_name(model)}",
        "frames",
        *(constant.name for constant in (*constants, table)),
        *("rows", "carries", "pending", "first", "due", "stem_scratch", "sums_of_blocks"),
        *("from", "to"),
    )
    memory = memory_of(plan.stem_plan, *mix_weight.shape)
    defined = {**macros(mix_weight, filters), "EDGE_BEATS_WORDS": words(plan.stem_plan)}
    return Emission(statement, (*constants, table), ("edge_beats.h",), memory.scratch, defined)


def _of_ports(layouts: Layouts) -> Layouts:
    return {port: layouts[source] for port, source in FROM_PORTS.items() if source in layouts}
