# SPDX-License-Identifier: BSD-3-Clause
"""Measure what generated C takes on a core, with a compiler if one is here, else estimate it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from firmware_bridge.build import link
from firmware_bridge.build.cores import Core
from firmware_bridge.build.toolchain import CompilerError
from firmware_bridge.emit.generate import Firmware
from firmware_bridge.signal.chain import SignalChain
from firmware_bridge.stream.generate import StreamFirmware
from quantize.errors import MissingToolError
from quantize.graph.qgraph import QGraph

CODE_ESTIMATE_BYTES = 24 * 1024
"""Code and constants of a model in integers; the most that one took is 19.8 KB, on a Cortex-A72."""
FLOAT_ESTIMATE_BYTES = 16 * 1024
"""On top where a part stays in float; 34.9 KB together, cat's on a Cortex-M4, is the most."""
CHAIN_ESTIMATE_BYTES = 8 * 1024
"""The same of a signal chain; ``float`` in software is most of it."""
STACK_ESTIMATE_BYTES = 2048
WIDEST_WEIGHT_BYTES = 4
"""Of any layout, fill included: int8 weights in pairs of 16 bits, rounded up to four channels."""
ASM_STACK_BYTES = 8
"""What asm of the kernels pushes, which the compiler's report does not cover either."""
LIBRARY_STACK_BYTES = 64
"""For memcpy, memmove and memset, which the compiler's report does not cover."""


@dataclass(frozen=True)
class Footprint:
    """Bytes of flash by kind, the stack of a call, and how both are known."""

    code: int
    constants: int
    weights: int
    stack: int
    how: str


@dataclass(frozen=True)
class Sources:
    """C to be measured: its files, the one to compile, what is called, and an estimate of it."""

    files: Mapping[str, str]
    source: str
    entries: tuple[str, ...]
    code_estimate: int
    n_weights: int


def windowed(firmware: Firmware, graph: QGraph) -> Sources:
    """Return what ``NAME_infer`` is compiled from."""
    return _model(firmware, (f"{firmware.name}_infer",), graph)


def streaming(firmware: StreamFirmware, graph: QGraph) -> Sources:
    """Return what ``NAME_push`` and ``NAME_reset`` are compiled from."""
    return _model(firmware, (f"{firmware.prefix}_push", f"{firmware.prefix}_reset"), graph)


def _model(firmware: Firmware, entries: tuple[str, ...], graph: QGraph) -> Sources:
    weights = (values.size for key, values in graph.constants.items() if key.endswith("weight"))
    code = CODE_ESTIMATE_BYTES + (FLOAT_ESTIMATE_BYTES if graph.float_nodes() else 0)
    return Sources(firmware.files, f"{firmware.name}.c", entries, code, sum(weights))


def chain(made: SignalChain) -> Sources:
    """Return what ``NAME_signal`` and ``NAME_signal_reset`` are compiled from."""
    function = f"{made.name}_signal"
    entries = (function, f"{function}_reset")
    return Sources(made.files, f"{function}.c", entries, CHAIN_ESTIMATE_BYTES, 0)


def of(sources: Sources, core: Core) -> Footprint:
    """Measure what sources take on a core.

    Raises
    ------
    CompilerError
        When a compiler is installed and fails.
    """
    for compiler in link.COMPILERS:
        try:
            made = link.image(
                sources.files, [sources.source], sources.entries, core, compiler=compiler
            )
        except CompilerError:
            raise
        except MissingToolError:
            continue
        flash = link.flash(made.elf)
        said = "zig cc" if compiler == "zig" else core.compiler
        return Footprint(
            flash.code,
            flash.constants,
            flash.weights,
            sum(made.frames) + LIBRARY_STACK_BYTES + (ASM_STACK_BYTES if core.is_thumb else 0),
            f"compiled for {core.name}: {said} -O2",
        )
    return Footprint(
        sources.code_estimate,
        0,
        WIDEST_WEIGHT_BYTES * sources.n_weights,
        STACK_ESTIMATE_BYTES,
        f"estimate, no compiler for {core.name} is installed: pip install ziglang",
    )


def stack_bound(takes: Footprint) -> str:
    """Say how the stack is known."""
    compiled = takes.how.startswith("compiled")
    return "bound: every function's frame once" if compiled else "estimate"
