"""The streaming stem's emitter: one beat of mix, filter, table and block sums."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from firmware_bridge import scaling
from firmware_bridge.layouts import plain_scaling
from firmware_bridge.source import Constant, Emission, call, identifier, table_constant
from firmware_bridge.stem import shape_values, tiling
from firmware_bridge.stem_layouts import macros
from firmware_bridge.stream_plan import StemPlan, StreamPlan
from quantize.qgraph import QGraph


@dataclass(frozen=True)
class StemMemory:
    """Bytes that the stem keeps between beats, and needs while one runs."""

    rows: int
    carries: int
    pending: int
    sums: int
    scratch: int


def memory_of(plan: StemPlan, n_mixed: int) -> StemMemory:
    """Sizes for the port that needs most."""
    return StemMemory(
        rows=n_mixed * plan.row,
        carries=2 * n_mixed,
        pending=2 * n_mixed * max(plan.n_left, 1),
        sums=2 * n_mixed * plan.n_sums,
        scratch=plan.beat + plan.n_last + 2 * plan.pad + plan.length,
    )


def shape_definition(graph: QGraph, plan: StreamPlan, name: str) -> str:
    """``edge_beats_shape`` of a model."""
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
    lines = ",\n".join(f"     {value} /* {field} */" for field, value in inner.items())
    rest = ",\n".join(f"    {value} /* {field} */" for field, value in outer.items())
    return f"static const edge_beats_shape {name} = {{\n    {{\n{lines}}},\n{rest}}};"


def emit_stream_stem(graph: QGraph, plan: StreamPlan, shape: str) -> Emission:
    """A call of ``edge_beats`` with its constants."""
    stem = plan.stem
    mix, temporal = stem.mix.output, stem.temporal.output
    of_mix, of_temporal = scaling.of_conv(graph, stem.mix), scaling.of_conv(graph, stem.temporal)
    mix_weight = graph.constants[f"{mix}.weight"][:, 0, 0]
    filters = np.ascontiguousarray(graph.constants[f"{temporal}.weight"][0, 0].T)
    constants = (
        Constant(f"{identifier(mix)}_weight", f"{mix}: weights", {"plain": mix_weight}),
        Constant(f"{identifier(mix)}_scaling", f"{mix}: factors", {"plain": plain_scaling(of_mix)}),
        Constant(f"{identifier(temporal)}_weight", f"{temporal}: taps", {"plain": filters}),
        Constant(
            f"{identifier(temporal)}_scaling",
            f"{temporal}: factors",
            {"plain": plain_scaling(of_temporal)},
        ),
        table_constant(temporal, stem.table),
    )
    statement = call(
        "edge_beats",
        f"&{shape}",
        "frames",
        *(constant.name for constant in constants),
        *("rows", "carries", "pending", "first", "due", "stem_scratch", "sums_of_blocks"),
    )
    memory = memory_of(plan.stem_plan, graph[mix].shape[-1])
    return Emission(
        statement,
        constants,
        ("edge_beats.h",),
        memory.scratch,
        macros(mix_weight, filters),
    )
