# SPDX-License-Identifier: BSD-3-Clause
"""Show the memory that the C engine needs on a microcontroller, byte by byte."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.report import figures
from benchmarks.report.document import (
    Absent,
    Block,
    Cell,
    Column,
    Part,
    Section,
    Table,
    number,
    row,
)
from benchmarks.report.sources import Source
from edge.errors import EdgeError
from firmware_bridge.emit.generate import Firmware
from firmware_bridge.project import device
from firmware_bridge.project.device import Device
from quantize.graph.qgraph import QGraph


def section(sources: Sequence[Source], shown: Sequence[Source]) -> Section:
    """Return a row for every bundle, and a map for each of those ``shown``."""
    rows: list[tuple[Cell, ...]] = []
    parts: list[Part] = []
    absent: list[Absent] = []
    for source in sources:
        try:
            firmware, graph = source.firmware(), source.opened.graph()
        except EdgeError as error:
            absent.append(Absent("memory", str(error).rstrip("."), source.label))
            continue
        rows.append(
            row(
                source.label,
                source.mode,
                number(firmware.state_bytes, ","),
                number(firmware.plan.n_bytes, ","),
                number(firmware.floats.n_bytes, ","),
                number(constant_bytes(graph), ","),
                number(math.prod(graph[graph.input].shape), ","),
            )
        )
        if source in shown:
            parts.append(_part(source, firmware, len(parts)))
    blocks: list[Block] = [_table(rows), _devices(needs(sources))] if rows else []
    return Section("memory", "Memory of the device", (*blocks, *absent), tuple(parts))


def constant_bytes(graph: QGraph) -> int:
    """Return the bytes of int8 weights and int32 biases of the graph."""
    kept = (a for a in graph.constants.values() if a.dtype in (np.int8, np.int32))
    return sum(int(a.nbytes) for a in kept)


@dataclass(frozen=True)
class Need:
    """What a bundle's C engine needs for certain: stack and code come on top."""

    source: Source
    ram_bytes: int
    flash_bytes: int

    def fits(self, one: Device) -> bool:
        """Return whether a device has that much."""
        return self.ram_bytes <= one.ram_bytes and self.flash_bytes <= one.flash_bytes


def needs(sources: Sequence[Source]) -> tuple[Need, ...]:
    """Return state and window in RAM, weights and biases in flash, of every C engine."""
    found = []
    for source in sources:
        try:
            state, graph = source.firmware().state_bytes, source.opened.graph()
        except EdgeError:
            continue
        window = math.prod(graph[graph.input].shape)
        found.append(Need(source, state + window, constant_bytes(graph)))
    return tuple(found)


def _devices(found: Sequence[Need]) -> Table:
    columns = (
        Column("device"), Column("what it is"), Column("core"),
        Column("RAM", "KiB", numeric=True), Column("of it, at most", "%", numeric=True),
        Column("flash", "KiB", numeric=True), Column("of it, at most", "%", numeric=True),
        Column("fits"),
    )  # fmt: skip
    rows = []
    for name in device.names():
        one = device.load(name)
        fit = [need for need in found if need.fits(one)]
        everything = len(fit) == len(found)
        text = "yes" if everything else f"{len(fit)} of {len(found)} bundles"
        rows.append(
            row(
                name,
                one.title,
                one.core,
                number(one.ram_bytes / 1024, ",.0f"),
                number(100 * max(need.ram_bytes for need in found) / one.ram_bytes, ".2g"),
                number(one.flash_bytes / 1024, ",.0f"),
                number(100 * max(need.flash_bytes for need in found) / one.flash_bytes, ".2g"),
                Cell(text, tone="good" if everything else "fair" if fit else "bad"),
            )
        )
    caption = (
        "State and a whole window in RAM, weights and biases in flash, against what the device "
        "has. Stack and code come on top: edge firmware BUNDLE --device NAME compiles, adds them "
        "and refuses what is over."
    )
    return Table("devices", caption, columns, tuple(rows))


def _table(rows: Sequence[tuple[Cell, ...]]) -> Table:
    columns = (
        Column("bundle"), Column("mode"), Column("state", "bytes", numeric=True),
        Column("of it int8 arena", "bytes", numeric=True),
        Column("of it float", "bytes", numeric=True),
        Column("weights and biases", "bytes", numeric=True),
        Column("input window", "bytes", numeric=True),
    )  # fmt: skip
    caption = (
        "The C engine, planned ahead: all state is one struct; no heap. Stack and code depend on "
        "the core and its compiler (edge firmware). The window is the caller's and is read in "
        "place."
    )
    return Table("memory", caption, columns, tuple(rows))


def _part(source: Source, firmware: Firmware, index: int) -> Part:
    title = f"Memory map of {source.label}"
    return Part(title, (figures.memory(f"memory-{index}", title, firmware.plan, firmware.steps),))
