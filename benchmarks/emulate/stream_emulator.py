# SPDX-License-Identifier: BSD-3-Clause
"""Run the streaming engine on emulated cores, one call of the emulator for each decision."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.emulate import emulator
from benchmarks.emulate.emulator import Core, Machine, Run
from firmware_bridge.stream.generate import StreamFirmware

_DRIVER = """
/* Driven from outside: forget all, and take what comes before the first decision. */
int {file}_infer_sums({file}_t *m, const int8_t *frames, int32_t *sums);
int {file}_infer_sums({file}_t *m, const int8_t *frames, int32_t *sums)
{{
    {name}_reset(m);
    for (int32_t i = 0; i < {upper}_N_TIMES - {upper}_HOP; i++) {{
        if ({name}_push_sums(m, frames + i * {upper}_N_CHANS, sums) != EDGE_NOTHING_YET) {{
            return 0;
        }}
    }}
    return 1;
}}

/* The frames of one decision. */
int {file}_infer({file}_t *m, const int8_t *frames, int16_t *logits);
int {file}_infer({file}_t *m, const int8_t *frames, int16_t *logits)
{{
    edge_status done = EDGE_ERROR;
    for (int32_t i = 0; i < {upper}_HOP; i++) {{
        done = {name}_push(m, frames + i * {upper}_N_CHANS, logits);
    }}
    return done;
}}
"""

_PUSH = """
/* Driven from outside: forget all. */
int {file}_infer_sums({file}_t *m, const int8_t *frames, int32_t *sums);
int {file}_infer_sums({file}_t *m, const int8_t *frames, int32_t *sums)
{{
    (void)frames;
    (void)sums;
    {name}_reset(m);
    return 1;
}}

/* One push; what it returns stands behind the logits. */
int {file}_infer({file}_t *m, const int8_t *frames, int16_t *logits);
int {file}_infer({file}_t *m, const int8_t *frames, int16_t *logits)
{{
    logits[{upper}_N_OUTPUTS] = (int16_t){name}_push(m, frames, logits);
    return 1;
}}
"""

AROUND_A_PUSH = 8
"""Instructions of the driver in each, about; they are counted as the push's."""


@dataclass(frozen=True)
class Built:
    """A streaming engine with its driver, linked for a core."""

    firmware: StreamFirmware
    program: emulator.Program


def build(
    firmware: StreamFirmware,
    core: Core,
    options: tuple[str, ...] = emulator.OPTIONS,
    markers: bool = False,
    compiler: str = "zig",
    driver: str = _DRIVER,
) -> Built:
    """Compile and link; see :func:`benchmarks.emulate.emulator.build`."""
    source = f"{firmware.name}.c"
    driver = driver.format(file=firmware.name, name=firmware.prefix, upper=firmware.prefix.upper())
    driven = replace(firmware, files={**firmware.files, source: firmware.files[source] + driver})
    return Built(firmware, emulator.build(driven, core, options, markers, compiler))


def replay(built: Built, frames: NDArray[np.int8], n_times: int, n_outputs: int) -> Iterator[Run]:
    """Run every decision on a signal (n_samples, n_chans), one emulated call each.

    Instructions are of all pushes of a decision and the loop around them; what comes before the
    first decision's hop is not counted.
    """
    hop = built.firmware.hop
    machine = Machine(built.program)
    sums: NDArray[Any] = np.zeros(n_outputs, np.int32)
    machine.call("infer_sums", frames[: n_times - hop], sums)
    for end in range(n_times, len(frames) + 1, hop):
        yield machine.call("infer", frames[end - hop : end], np.zeros(n_outputs, np.int16))


@dataclass(frozen=True)
class Push:
    """An emulated push: its instructions, and the logits (n_outputs,) int16 that it gave."""

    instructions: int
    logits: NDArray[np.int16] | None


def pushes(
    firmware: StreamFirmware, core: Core, frames: NDArray[np.int8], n_outputs: int
) -> Iterator[Push]:
    """Run every push of a signal (n_samples, n_chans) on a core, from a reset on."""
    built = build(firmware, core, driver=_PUSH)
    machine = Machine(built.program)
    machine.call("infer_sums", frames[:1], np.zeros(n_outputs, np.int32))
    for frame in frames:
        run = machine.call("infer", frame[None], np.zeros(n_outputs + 1, np.int16))
        *logits, status = run.output.tolist()
        given = np.array(logits, np.int16) if status == 1 else None
        yield Push(run.instructions, given)
