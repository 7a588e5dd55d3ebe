# SPDX-License-Identifier: BSD-3-Clause
"""Run ``edge stream``: a source goes through a contract's chain into a decoder."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import IncompatibleError
from edge.signal.chain import Chain
from edge.stream.frames import Block, EndOfSignal, Header, Source
from edge.stream.live.decision import Decider, Decision
from edge.stream.live.engine import Streamer
from edge.stream.live.guard import Event, Guard, Stretch
from edge.stream.live.link import Link
from edge.stream.live.montage import montage
from edge.stream.live.quantiles import Quantiles
from edge.stream.live.settings import Settings
from edge.stream.live.sink import Line, Sink
from edge.stream.numbering.numbered import ClockReport
from firmware_bridge.signal import settling
from firmware_bridge.signal.contract import SignalContract

FILLING = "filling"
SETTLING = "settling"
PERCENTILES = (50, 95, 99)


@dataclass(frozen=True, eq=False)
class Moment:
    """One decision with what belongs to it.

    Attributes
    ----------
    sample
        Number of the window's last frame.
    logits
        (n_outputs,); None while the first window fills.
    latency_ms
        From when that frame was taken to the decision.
    """

    sample: int
    decision: Decision
    logits: NDArray[np.float32] | None
    latency_ms: float


class Decoder:
    """Everything behind the link, with its state: guard, chain, network, decision."""

    def __init__(
        self,
        contract: SignalContract,
        header: Header,
        streamer: Streamer,
        settings: Settings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        refuse_unstreamable(contract)
        assert contract.sfreq is not None
        self.contract, self.streamer, self.clock = contract, streamer, clock
        self.montage = montage(header, contract)
        tolerance = settings.tolerance(contract.sfreq)
        self.guard = Guard(self.montage.channels, self.montage.limits, tolerance)
        self.chain = Chain(contract)
        self.decider = Decider(settings.rule)
        self.settling = settling.samples(contract.filter)
        self.power = np.zeros(len(contract.channels or ()))
        self._restart()

    def _restart(self) -> None:
        self.chain.reset()
        self.streamer.reset()
        self.count = 0
        self.bad_until = 0
        self.bad_why = ""

    def push(self, block: Block) -> list[Moment]:
        """Return the decisions that a block of the source completes."""
        picked = replace(block, samples=block.samples[:, self.montage.picks])
        return [
            moment for stretch in self.guard.push(picked) for moment in self._decide(stretch, block)
        ]

    def _decide(self, stretch: Stretch, block: Block) -> list[Moment]:
        if stretch.restart:
            self._restart()
        before, n = self.count, len(stretch.samples)
        self.count += n
        filtered = self.chain.push(self.montage.samples(stretch.samples))
        self._measure(filtered)
        decided = self.streamer.push(np.ascontiguousarray(filtered.T))
        rows = [decision.logits for decision in decided]
        ends = self._ends(before)
        logits: list[NDArray[np.float32] | None] = [None] * (len(ends) - len(rows))
        now_s = self.clock()
        moments = []
        for end, row in zip(ends, [*logits, *rows], strict=True):
            decision = self._judge(row, stretch, before, end)
            sample = stretch.first + end - before - 1
            taken_s = block.taken_s - (int(block.numbers[-1]) - sample) * block.period_s
            moments.append(Moment(sample, decision, row, max(0.0, 1e3 * (now_s - taken_s))))
        self._remember(stretch, before)
        return moments

    def _judge(
        self, row: NDArray[np.float32] | None, stretch: Stretch, before: int, end: int
    ) -> Decision:
        if row is None:
            return self.decider.abstain(FILLING)
        if why := self._why_not(stretch, before, end):
            return self.decider.abstain(why)
        return self.decider.push(row)

    def _measure(self, filtered: NDArray[np.float32]) -> None:
        """Power of each channel over the last second or so, for the quality of the signal."""
        weight = -np.expm1(-filtered.shape[1] / (self.contract.sfreq or 1))
        self.power += weight * ((filtered.astype(np.float64) ** 2).mean(1) - self.power)

    def _ends(self, before: int) -> list[int]:
        """Counts of samples at which a decision is due, the ones without a full window too."""
        hop = self.contract.hop
        phase = self.contract.n_times % hop
        first = before + 1 + (phase - before - 1) % hop
        return list(range(first, self.count + 1, hop))

    def _why_not(self, stretch: Stretch, before: int, end: int) -> str:
        """Why a window that ends at a count cannot be trusted; empty where it can."""
        faulty = np.flatnonzero(stretch.faults[: end - before].any(1))
        start = end - self.contract.n_times
        if len(faulty) and before + int(faulty[-1]) >= start:
            return self._fault(stretch, int(faulty[-1]))
        if self.bad_until > start:
            return self.bad_why
        return SETTLING if start < self.settling else ""

    def _fault(self, stretch: Stretch, t: int) -> str:
        names = [self.montage.channels[i] for i in np.flatnonzero(stretch.faults[t])]
        return f"bad channel {', '.join(names)}"

    def _remember(self, stretch: Stretch, before: int) -> None:
        faulty = np.flatnonzero(stretch.faults.any(1))
        if len(faulty):
            self.bad_until = before + int(faulty[-1]) + 1
            self.bad_why = self._fault(stretch, int(faulty[-1]))


def refuse_unstreamable(contract: SignalContract) -> None:
    """Raise if a live signal cannot be what the decoder expects.

    Raises
    ------
    IncompatibleError
        With everything that is unknown of its contract.
    """
    if reasons := contract.unstreamable():
        raise IncompatibleError(
            f"This bundle cannot be fed a live signal: {', '.join(reasons)}. Train on recordings "
            f"with --contract FILE.toml, which says all of it, and export again."
        )


@dataclass
class Session:
    """A stream that is being decoded; :meth:`run` tells the whole story."""

    contract: SignalContract
    connect: Callable[[], Source]
    streamer: Streamer
    settings: Settings
    sinks: Sequence[Sink]
    stop: threading.Event
    show: Callable[[Session], None] = lambda _: None
    about: Mapping[str, Any] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic
    decisions: int = 0
    abstained: int = 0
    latest: Moment | None = None
    latencies_ms: Quantiles = field(default_factory=Quantiles)
    device_clock: ClockReport | None = None

    def run(self) -> Line:
        """Decode until the signal ends, the limit is reached or ``stop`` is set."""
        refuse_unstreamable(self.contract)
        self.link = Link(self.connect, self.settings.patience, self._note, self.stop, self.clock)
        try:
            self.decoder = Decoder(
                self.contract, self.link.header, self.streamer, self.settings, self.clock
            )
            self._write(self._head())
            self._decode()
        finally:
            self.link.close()
            summary = self._end()
        return summary

    def _decode(self) -> None:
        while not self.stop.is_set() and not self._is_over():
            try:
                block = self.link.read()
            except EndOfSignal:
                return
            if block is not None:
                self.device_clock = block.clock or self.device_clock
                moments = self.decoder.push(block)
                self._tell_events()
                for moment in moments:
                    self._tell(moment)
            self.show(self)

    def _is_over(self) -> bool:
        limit_s = self.settings.limit_s
        return limit_s is not None and self.link.next_number >= limit_s * self.link.header.sfreq

    def _head(self) -> Line:
        contract = self.contract
        return {
            "kind": "stream",
            "schema_version": 1,
            **self.about,
            "source": self.link.header.name,
            "classes": contract.classes,
            "sfreq": contract.sfreq,
            "n_times": contract.n_times,
            "hop": contract.hop,
            "rule": asdict(self.settings.rule),
        }

    def _tell(self, moment: Moment) -> None:
        decision = moment.decision
        self.latest = moment
        self.decisions += 1
        self.abstained += decision.choice is None
        if moment.logits is not None:
            self.latencies_ms.add(moment.latency_ms)
        choice = decision.choice
        self._write(
            {
                "kind": "decision",
                "sample": moment.sample,
                "time_s": (moment.sample + 1) / self.link.header.sfreq,
                "choice": choice,
                "class": None if choice is None else self.contract.classes[choice],
                "abstain": decision.abstain or None,
                "probabilities": decision.probabilities,
                "smoothed": decision.smoothed,
                "logits": moment.logits,
                "latency_ms": moment.latency_ms,
            }
        )

    def _tell_events(self) -> None:
        for event in self.decoder.guard.take_events():
            self._write({"kind": "event", **asdict(event)})

    def _note(self, what: str) -> None:
        self._write({"kind": "event", **asdict(Event(what, self.link.next_number))})

    def _write(self, line: Line) -> None:
        for sink in self.sinks:
            sink.write(line)

    def summary(self) -> Line:
        """Return the counts since the beginning."""
        return {
            "kind": "summary",
            "decisions": self.decisions,
            "abstained": self.abstained,
            **asdict(self.decoder.guard.counts),
            **asdict(self.link.counts),
            **{f"latency_p{p}_ms": self.latencies_ms.quantile(p / 100) for p in PERCENTILES},
            "clock": None if self.device_clock is None else asdict(self.device_clock),
        }

    def _end(self) -> Line:
        """The last line, and every sink closed, whatever happened."""
        summary: Line = {}
        try:
            if hasattr(self, "decoder"):
                summary = self.summary()
                self._write(summary)
        finally:
            for sink in self.sinks:
                sink.close()
        return summary
