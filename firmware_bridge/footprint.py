"""What generated C takes on a core: from a compiler where there is one here, else an estimate."""

from __future__ import annotations

from dataclasses import dataclass

from edge.errors import MissingToolError
from firmware_bridge import link
from firmware_bridge.cores import Core
from firmware_bridge.generate import Firmware
from quantize.qgraph import QGraph

CODE_ESTIMATE_BYTES = 20 * 1024
"""Code and constants: more than any core measured takes (``benchmarks/results/firmware.json``)."""
STACK_ESTIMATE_BYTES = 2048
WIDEST_WEIGHT_BYTES = 4
"""Of any layout, fill included: int8 weights in pairs of 16 bits, rounded up to four channels."""
LIBRARY_STACK_BYTES = 64
"""For memcpy, memmove and memset, which the compiler's report does not cover."""


@dataclass(frozen=True)
class Footprint:
    """Bytes of flash by kind, the most that a call takes of the stack, and how that is known."""

    code: int
    constants: int
    weights: int
    stack: int
    how: str


def of(firmware: Firmware, graph: QGraph, core: Core) -> Footprint:
    """What a model takes on a core."""
    for compiler in link.COMPILERS:
        try:
            program = link.build(firmware, core, compiler=compiler)
        except MissingToolError:
            continue
        flash = link.flash(program.elf)
        said = "zig cc" if compiler == "zig" else core.compiler
        return Footprint(
            flash.code,
            flash.constants,
            flash.weights,
            program.stack_bound_bytes + LIBRARY_STACK_BYTES,
            f"compiled for {core.name}: {said} -O2",
        )
    weights = sum(
        values.size for name, values in graph.constants.items() if name.endswith("weight")
    )
    return Footprint(
        CODE_ESTIMATE_BYTES,
        0,
        WIDEST_WEIGHT_BYTES * weights,
        STACK_ESTIMATE_BYTES,
        f"estimate, no compiler for {core.name} is installed: pip install ziglang",
    )
