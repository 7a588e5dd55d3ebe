# SPDX-License-Identifier: BSD-3-Clause
"""Model the cycles of one decision: the signal chain over a hop of frames, and the network."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.emulate import emulator, stream_emulator
from benchmarks.emulate.cost import Case
from benchmarks.emulate.cycles.model import Cycles, Model
from benchmarks.emulate.cycles.program import Traced
from edge.errors import IncompatibleError, UsageError
from firmware_bridge.build import link
from firmware_bridge.build.cores import Core
from firmware_bridge.signal import chain as signal
from firmware_bridge.signal.chain import SignalChain
from firmware_bridge.signal.contract import SignalContract
from firmware_bridge.stream.generate import generate_stream

UV_PER_COUNT = 0.0223517
"""Of an ADS1299 at gain 24, where the contract names no converter; no cost depends on it."""
_DRIVER = """
#include "{name}_signal.h"

/* The frames of one decision, through the chain.
 *   counts   ({hop}, {n_inputs}) int32
 */
int {name}_chain_infer({name}_signal_t *s, const int32_t *counts, int8_t *frame)
{{
    for (int32_t i = 0; i < {hop}; i++) {{
        {name}_signal(s, counts + i * {n_inputs}, frame);
    }}
    return 1;
}}

int {name}_chain_infer_sums({name}_signal_t *s, const int32_t *counts, int8_t *frame)
{{
    {name}_signal_reset(s);
    return {name}_chain_infer(s, counts, frame);
}}
"""


@dataclass(frozen=True)
class Decision:
    """What one decision takes.

    Attributes
    ----------
    form
        ``streaming``, or ``windowed`` where the network cannot be streamed.
    network
        The frames of a hop through the streaming engine, or a whole window.
    chain
        The same frames through the signal chain; None where there is none.
    period_s
        From a decision to the next; None where the contract names no rate.
    why_not
        Why there is no chain, or no streaming form.
    """

    form: str
    network: Cycles
    chain: Cycles | None
    period_s: float | None
    why_not: tuple[str, ...] = ()

    @property
    def cycles(self) -> Cycles:
        """Chain and network together."""
        return self.network if self.chain is None else self.chain + self.network


def of(case: Case, contract: SignalContract, core: Core, model: Model, window: Cycles) -> Decision:
    """Model a decision on a core; ``window`` is what a whole window takes."""
    period_s = None if contract.sfreq is None else contract.hop / contract.sfreq
    form, network, why_not = "streaming", window, []
    try:
        network = _streamed(case, contract.hop, core, model)
    except (IncompatibleError, UsageError) as error:
        form = "windowed"
        why_not.append(f"streaming: {error}")
    chain = None
    try:
        counted = replace(contract, uv_per_count=contract.uv_per_count or UV_PER_COUNT)
        chain = _chained(signal.generate(counted, "edge", "float"), contract.hop, core, model)
    except IncompatibleError as error:
        why_not.append(f"signal chain: {error}")
    return Decision(form, network, chain, period_s, tuple(why_not))


def _streamed(case: Case, hop: int, core: Core, model: Model) -> Cycles:
    """The frames of a hop through the streaming engine, behind a first window."""
    built = stream_emulator.build(generate_stream(case.graph, hop), core)
    interval = model.compiled if case.graph.float_nodes() else model.assembly
    traced = Traced(built.program, model, interval)
    frames = np.concatenate([case.windows[0], case.windows[-1]])
    n_times, n_outputs = len(case.windows[0]), case.logits.shape[1]
    traced.machine.call("infer_sums", frames[: n_times - hop], np.zeros(n_outputs, np.int32))
    out = np.zeros(n_outputs, np.int16)
    return traced.call("infer", np.ascontiguousarray(frames[n_times - hop : n_times]), out)


def _chained(chain: SignalChain, hop: int, core: Core, model: Model) -> Cycles:
    """The frames of a hop through the chain, behind those of the hop before."""
    driver = _DRIVER.format(name=chain.name, hop=hop, n_inputs=chain.n_inputs)
    source = f"{chain.name}_signal.c"
    files = {**chain.files, source: chain.files[source] + driver}
    name = f"{chain.name}_chain"
    elf = link.image(files, [source], [f"{name}_infer", f"{name}_infer_sums"], core).elf
    program = emulator.Program(core, name, elf, chain.state_bytes, 0, ())
    traced = Traced(program, model, model.compiled)
    rng = np.random.default_rng(0)
    counts: NDArray[np.int32] = rng.integers(-2000, 2000, (2 * hop, chain.n_inputs), np.int32)
    bytes_of = counts.view(np.int8)
    out = np.zeros(chain.n_chans, np.int8)
    traced.machine.call("infer_sums", np.ascontiguousarray(bytes_of[:hop]), out)
    return traced.call("infer", np.ascontiguousarray(bytes_of[hop:]), out)
