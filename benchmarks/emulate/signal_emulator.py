# SPDX-License-Identifier: BSD-3-Clause
"""Run the signal chain in C on emulated cores, one call for each frame of counts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from benchmarks.emulate import emulator
from benchmarks.emulate.emulator import Core, Machine, Run
from firmware_bridge.build import link
from firmware_bridge.signal.chain import SignalChain

_DRIVER = """
#include "{name}_signal.c"
/* Driven from outside: forget all. */
int driven_infer_sums({name}_signal_t *s, const int32_t *counts, int32_t *sums);
int driven_infer_sums({name}_signal_t *s, const int32_t *counts, int32_t *sums)
{{
    (void)counts;
    (void)sums;
    {name}_signal_reset(s);
    return 1;
}}

int driven_infer({name}_signal_t *s, const int32_t *counts, int8_t *frame);
int driven_infer({name}_signal_t *s, const int32_t *counts, int8_t *frame)
{{
    return (int){name}_signal(s, counts, frame);
}}
"""


def frames(
    chain: SignalChain, core: Core, counts: NDArray[np.int32], compiler: str = "zig"
) -> Iterator[Run]:
    """Run the frames (n, n_inputs) from a reset on; an output is (n_chans,) int8."""
    files = {**chain.files, "driven.c": _DRIVER.format(name=chain.name)}
    entries = ("driven_infer", "driven_infer_sums")
    made = link.image(files, ["driven.c"], entries, core, emulator.OPTIONS, compiler)
    state_bytes = chain.state_bytes + 64
    machine = Machine(link.Program(core, "driven", made.elf, state_bytes, 0, made.frames))
    given = np.ascontiguousarray(counts, np.int32).view(np.int8)
    machine.call("infer_sums", given[:1], np.zeros(1, np.int32))
    for frame in given:
        yield machine.call("infer", frame[None], np.zeros(chain.n_chans, np.int8))
