# SPDX-License-Identifier: BSD-3-Clause
"""Measure ``edge bench --stream``: from a frame to its decision, paced as a headset paces.

What the filter and the smoothing delay, and how long a hop waits, follow from the contract. What
the decoder takes is measured here, on frames that arrive in real time.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import pushes
from benchmarks.measure.findings import About, Findings, Request, Result
from benchmarks.measure.machine import machine
from benchmarks.measure.protocol import median_interval
from edge.bundle.read import Bundle
from edge.errors import UsageError
from edge.signal import filters
from edge.stream.frames import Block, Header
from edge.stream.live.decision import Rule
from edge.stream.live.engine import streamer
from edge.stream.live.session import Decoder, refuse_unstreamable
from edge.stream.live.settings import Settings
from edge.terminal.console import Console
from firmware_bridge.signal.contract import AS_RECORDED, AVERAGE, SignalContract

DEVICE = "local"
BLOCK_S = 0.02
"""Signal in a block, as a headset sends it."""
NOISE_UV = 20.0

NOTES = (
    """filter_delay: the filter's group delay, median over its passband; _max: the longest, at the
    lower edge""",
    """hop_wait: half a hop, what a change waits on average until a decision looks at it; the
    window itself, which has to fill with what is to be decoded, is not counted""",
    """compute: from a block of frames (20 ms) to the decision that it completes: filter, scaling,
    quantization, network, smoothing, one thread, frames paced in real time""",
    """frame_to_decision: the same from when the frame was due, the wait for its block and for the
    scheduler included""",
    """sample_to_decision: filter delay, hop wait, median compute and smoothing together""",
    """cpu_share: processor time of the process over the time that passed""",
)


@dataclass(frozen=True, eq=False)
class Paced:
    """What was measured: µs of every decision, and the ``cpu_share`` of one core."""

    compute_us: Sequence[float]
    late_us: Sequence[float]
    cpu_share: float


def refuse(request: Request) -> None:
    """Raise for what cannot be measured this way.

    Raises
    ------
    UsageError
        For another device than this one, or targets, which take windows.
    """
    if others := [name for name in request.devices if name not in (DEVICE, *pushes.CORES)]:
        raise UsageError(
            f"--stream measures on this machine and counts on {', '.join(pushes.CORES)}, but got "
            f"--device {others[0]}. Run it there, or leave --stream out."
        )
    if request.threads > 1:
        raise UsageError(
            f"--stream decodes on one thread, but got --threads {request.threads}. Leave it out."
        )
    if request.targets:
        raise UsageError("--stream measures the streaming engine; leave --target out.")


def run(opened: Bundle, device: str, request: Request, console: Console) -> Findings:
    """Measure a bundle's stream here."""
    contract, rule, around = opened.contract(), Rule(), machine()
    refuse_unstreamable(contract)
    engine, decoder_of = streamer(opened, contract, None, None, console.note)
    decoder = Decoder(contract, header(contract), decoder_of, Settings(rule=rule))
    paced = _paced(decoder, contract, request.protocol.limit_s, console)
    precision = "int8" if contract.input_quant is not None else "float"
    about = About(f"stream-{engine}", precision, device)
    results = (*known(about, contract, rule), *measured(about, paced))
    total = _total(about, results)
    rounds = ({about.target: paced.compute_us},)
    notes = tuple(" ".join(note.split()) for note in NOTES)
    return Findings((total, *results), notes, rounds=rounds, around=around)


def header(contract: SignalContract) -> Header:
    """Return a headset that fits a contract."""
    channels = contract.channels or ()
    electrode = contract.reference not in (AS_RECORDED, AVERAGE)
    names = (*channels, contract.reference) if electrode else channels
    return Header("paced noise", names, "uV", contract.sfreq or 0.0)


def known(about: About, contract: SignalContract, rule: Rule) -> list[Result]:
    """Return what follows from the contract and the rule."""
    sfreq = contract.sfreq or 1.0
    typical_s, longest_s = filters.group_delay(contract.filter, sfreq)
    hop_s = contract.hop / sfreq
    return [
        about.exact("filter_delay_us", "us", 1e6 * typical_s),
        about.exact("filter_delay_max_us", "us", 1e6 * longest_s),
        about.exact("hop_wait_us", "us", 1e6 * hop_s / 2),
        about.exact("smoothing_delay_us", "us", 1e6 * hop_s * (rule.smooth - 1) / 2),
        about.exact("hop_us", "us", 1e6 * hop_s),
    ]


def measured(about: About, paced: Paced) -> list[Result]:
    """Return what the clock said."""
    found = [about.estimate("compute_median_us", "us", median_interval(paced.compute_us))]
    n = len(paced.compute_us)
    for name, values in (("compute", paced.compute_us), ("frame_to_decision", paced.late_us)):
        for percent in (50, 95, 99):
            value = float(np.percentile(np.array(values), percent))
            found.append(about.exact(f"{name}_p{percent}_us", "us", value, n))
    return [*found, about.exact("cpu_share", "share", paced.cpu_share, n)]


def _total(about: About, results: Sequence[Result]) -> Result:
    by_name = {result.metric: result.value for result in results}
    parts = ("filter_delay_us", "hop_wait_us", "compute_median_us", "smoothing_delay_us")
    return about.exact("sample_to_decision_us", "us", sum(by_name[part] for part in parts))


def _paced(decoder: Decoder, contract: SignalContract, limit_s: float, console: Console) -> Paced:
    """Push noise in real time, after a first window at once."""
    sfreq = contract.sfreq or 1.0
    length = max(1, round(BLOCK_S * sfreq))
    rng = np.random.default_rng(0)
    n_chans = len(decoder.montage.picks)
    number = 0

    def block(n: int, taken_s: float) -> Block:
        nonlocal number
        samples: NDArray[np.float64] = NOISE_UV * rng.standard_normal((n, n_chans))
        number += n
        return Block(samples, np.arange(number - n, number), taken_s, 1 / sfreq)

    decoder.push(block(2 * contract.n_times, time.monotonic()))
    compute_us, late_us = [], []
    begin_s, begin_cpu_s, sent = time.monotonic(), time.process_time(), 0
    with console.progress("seconds", max(1, int(limit_s))) as advance:
        shown = 0
        while sent / sfreq < limit_s:
            sent += length
            frames = block(length, begin_s + sent / sfreq)
            time.sleep(max(0.0, frames.taken_s - time.monotonic()))
            start = time.perf_counter_ns()
            moments = decoder.push(frames)
            took_us = (time.perf_counter_ns() - start) / 1000
            for moment in moments:
                compute_us.append(took_us)
                late_us.append(1000 * moment.latency_ms)
            if sent / sfreq >= shown + 1 and shown < int(limit_s):
                shown += 1
                advance(f"{len(compute_us)} decisions")
    passed_s = time.monotonic() - begin_s
    return Paced(compute_us, late_us, (time.process_time() - begin_cpu_s) / passed_s)
