# SPDX-License-Identifier: BSD-3-Clause
"""Count the instructions of every push: ``edge bench --stream --device cortex-m4``.

A streaming engine takes one frame a call, and what counts in an interrupt is the dearest call. The
engine runs on an emulated core from a reset on, with all of its work on the last push of a beat and
with the work spread, and so does the signal chain before it where the contract has all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from benchmarks.emulate import emulator, signal_emulator, stream_emulator
from benchmarks.measure.findings import About, Findings, Request, Result
from edge.bundle.read import Bundle
from edge.errors import IncompatibleError
from edge.terminal.console import Console
from firmware_bridge.signal import chain as signal
from firmware_bridge.signal.contract import SignalContract
from firmware_bridge.stream.generate import generate_stream
from quantize.graph.qgraph import QGraph

CORES = emulator.CORES
"""Devices whose pushes can be counted, by name."""
CHAIN = "signal-chain"
FRAMES = 16
"""Of the signal chain; every one but the first takes as long, but for what saturates."""

NOTES = (
    """push: instructions of one call of the streaming engine, emulated, over one hop after the
    first decision; filling: the mean before the first decision""",
    "signal-chain: instructions from the counts of a frame to its int8 samples",
)


def run(opened: Bundle, device: str, request: Request, console: Console) -> Findings:
    """Count a bundle's pushes on an emulated core."""
    del request  # counts are exact: no protocol of repetitions
    graph, contract = opened.graph(), opened.contract()
    results: list[Result] = []
    notes = [" ".join(note.split()) for note in NOTES]
    for form in ("stream", "stream-spread"):
        about = About(f"{form}-c", "int8", device)
        with console.waiting(f"emulating every push on {device}"):
            found, told = _pushes(graph, contract.hop, about, spread=form != "stream")
        results += found
        notes.append(f"{about.target} on {device}, pushes of a hop: {told}")
    skipped = {}
    try:
        results += _chain(contract, device)
    except IncompatibleError as error:
        skipped[CHAIN] = str(error)
    around = {"core": device, "how": "instructions of an emulated core, exact"}
    return Findings(tuple(results), tuple(notes), skipped, around=around)


def _pushes(graph: QGraph, hop: int, about: About, *, spread: bool) -> tuple[list[Result], str]:
    """Figures of a hop in the steady state, and every push of it in words."""
    firmware = generate_stream(graph, hop, spread=spread)
    _, _, n_times, n_chans = graph[graph.input].shape
    n = n_times + firmware.delay + hop
    frames = np.random.default_rng(0).integers(-128, 128, (n, n_chans)).astype(np.int8)
    n_outputs = graph[graph.output].shape[-1]
    runs = stream_emulator.pushes(firmware, CORES[about.device], frames, n_outputs)
    counts = [run.instructions - stream_emulator.AROUND_A_PUSH for run in runs]
    steady = counts[-hop:]
    figures = {
        "push_mean": sum(steady) / hop,
        "push_worst": max(steady),
        "push_filling": sum(counts[: n_times - 1]) / max(1, n_times - 1),
    }
    results = [
        about.exact(f"{name}_instructions", "instructions", value, hop)
        for name, value in figures.items()
    ]
    results.append(about.exact("decision_delay_samples", "samples", firmware.delay))
    return results, profile(steady)


def profile(counts: Sequence[int]) -> str:
    """Write pushes one behind the other; equal neighbours once, with their number.

    >>> profile([46, 46, 46, 1200])
    '3 x 46, 1,200'
    """
    runs = ((count, len(list(equal))) for count, equal in groupby(counts))
    return ", ".join(f"{n} x {count:,}" if n > 1 else f"{count:,}" for count, n in runs)


def _chain(contract: SignalContract, device: str) -> list[Result]:
    core = CORES[device]
    about = About(CHAIN, "float" if core.has_fpu else "fixed", device)
    made = signal.generate(contract, arithmetic=about.precision)
    rng = np.random.default_rng(0)
    counts = rng.integers(-4000, 4000, (FRAMES, made.n_inputs)).astype(np.int32)
    runs = [run.instructions for run in signal_emulator.frames(made, core, counts)]
    return [about.exact("frame_instructions", "instructions", max(runs[1:]), FRAMES - 1)]
