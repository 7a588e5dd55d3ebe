# SPDX-License-Identifier: BSD-3-Clause
"""Provide the runtime ``c``: the generated C99, compiled for this machine."""

from __future__ import annotations

from edge.spec import Precision
from edge.targets import c
from edge.targets.base import Sources
from edge.targets.runtime import Built
from firmware_bridge.emit.generate import generate

TARGET = IN_EXPORT = "c"
RUNS_WITH = c.RUNS_WITH
ABILITIES = c.ABILITIES
EXACT = c.EXACT


def build(sources: Sources) -> Built:
    """Compile the sources; memory is the struct that the caller owns."""
    files = c.write(sources, Precision.INT8)
    state_bytes = generate(sources.graph(Precision.INT8)).state_bytes
    return Built(c.load(files), sum(map(len, files.values())), state_bytes)
