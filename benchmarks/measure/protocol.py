# SPDX-License-Identifier: BSD-3-Clause
"""Measure latency in interleaved blocks, until the medians are tight or time is up.

One round runs a block of every entrant, one after the other, so that whatever else the machine does
falls on all of them; a ratio is taken inside a round. Nothing is averaged away: the samples of
every block are kept.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import comb
from typing import Any

Samples = Mapping[str, Sequence[float]]
"""One round: µs of every call, by entrant."""

Block = Callable[[int], Sequence[float]]
"""Makes one call that is not counted, then so many that are; µs of these."""


@dataclass(frozen=True)
class Protocol:
    """When to stop, and how long a block is.

    Attributes
    ----------
    min_rounds
        Rounds at least.
    tight
        Half the 95 % interval of each entrant's median, relative to it, at which to stop.
    limit_s
        Seconds after which to stop in any case.
    block_us
        A block has as many calls as fit, three at least, after one that is not counted.
    processes
        Fresh processes for load time and memory.
    """

    min_rounds: int = 30
    tight: float = 0.01
    limit_s: float = 60.0
    block_us: float = 20_000.0
    processes: int = 3


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval and the number of values behind it."""

    value: float
    low: float
    high: float
    n: int


def interleave(
    entrants: Mapping[str, Callable[[], Any]],
    protocol: Protocol,
    advance: Callable[[Sequence[Samples]], None] = lambda _: None,
) -> tuple[Samples, ...]:
    """Run rounds, five at least; ``advance`` gets all of them after each."""
    return interleave_blocks({n: timed(call) for n, call in entrants.items()}, protocol, advance)


def timed(call: Callable[[], Any]) -> Block:
    """Return a call of this process as a :data:`Block`."""
    return partial(_block, call)


def interleave_blocks(
    entrants: Mapping[str, Block],
    protocol: Protocol,
    advance: Callable[[Sequence[Samples]], None] = lambda _: None,
) -> tuple[Samples, ...]:
    """Interleave blocks that run elsewhere, in another process or on a device."""
    calls = {name: _calls_per_block(block, protocol) for name, block in entrants.items()}
    rounds: list[Samples] = []
    end = time.perf_counter() + protocol.limit_s
    while len(rounds) < 5 or (time.perf_counter() < end and not _tight(rounds, protocol)):
        rounds.append({name: block(calls[name]) for name, block in entrants.items()})
        advance(rounds)
    return tuple(rounds)


def _calls_per_block(block: Block, protocol: Protocol) -> int:
    once = max(statistics.median(block(5)), 0.01)
    return max(3, int(protocol.block_us / once))


def _block(call: Callable[[], Any], count: int) -> list[float]:
    """Microseconds of ``count`` calls; the garbage collector waits."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        call()
        ticks = [time.perf_counter_ns()]
        for _ in range(count):
            call()
            ticks.append(time.perf_counter_ns())
    finally:
        if collecting:
            gc.enable()
    return [(b - a) / 1000 for a, b in zip(ticks, ticks[1:])]


def _tight(rounds: Sequence[Samples], protocol: Protocol) -> bool:
    if len(rounds) < protocol.min_rounds:
        return False
    return widest(rounds) <= protocol.tight


def widest(rounds: Sequence[Samples]) -> float:
    """Return half the 95 % interval of the least certain median, relative to it."""
    estimates = (median(rounds, name) for name in rounds[0])
    return max((e.high - e.low) / 2 / e.value for e in estimates)


def median(rounds: Sequence[Samples], name: str) -> Estimate:
    """Return the median over rounds of an entrant's median in each, µs."""
    return median_interval([statistics.median(r[name]) for r in rounds])


def ratio(rounds: Sequence[Samples], slower: str, faster: str) -> Estimate:
    """Return the median over rounds of the ratio of two entrants' medians."""
    medians = ((statistics.median(r[slower]), statistics.median(r[faster])) for r in rounds)
    return median_interval([a / b for a, b in medians])


def percentile(rounds: Sequence[Samples], name: str, share: float) -> float:
    """Return the value that ``share`` of all calls stay at or below, µs."""
    values = sorted(value for r in rounds for value in r[name])
    return values[min(len(values) - 1, int(share * len(values)))]


def spread(rounds: Sequence[Samples], name: str) -> float:
    """Return the interquartile range of all calls over their median."""
    low, middle, high = (percentile(rounds, name, share) for share in (0.25, 0.5, 0.75))
    return (high - low) / middle


def median_interval(values: Sequence[float]) -> Estimate:
    """Return a median with its 95 % interval from order statistics.

    The interval from the k-th smallest to the k-th largest of n values misses the median with
    probability ``2 P(Binomial(n, 1/2) < k)``; k is the largest for which that is at most 5 %. Below
    six values there is none, and the range stands in.
    """
    ordered = sorted(values)
    n = len(ordered)
    k, outside = 0, 0.0
    while k < n // 2 and outside + comb(n, k) / 2**n <= 0.025:
        outside += comb(n, k) / 2**n
        k += 1
    k = max(k, 1)
    return Estimate(statistics.median(ordered), ordered[k - 1], ordered[n - k], n)
