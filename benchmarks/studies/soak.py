# SPDX-License-Identifier: BSD-3-Clause
"""Decode two live sources for as long as asked, and see that memory, samples and time hold.

    python -m benchmarks.studies.soak --minutes 60 --save

BrainFlow's synthetic board (250 Hz) and a stream of the Lab Streaming Layer (1000 Hz) are decoded
side by side in real time. The stream comes from a process of its own, with jitter, lost frames and
outlets that end and come back; its first channel carries the frame's number, by which every frame
that was not lost on purpose is accounted for, also from one connection to the next. Bars: after the
warm-up, which loads libraries and fills buffers, resident memory grows by less than 1 MB an hour;
no frame is missing; the session tells of as many lost frames as were left out; the outlet did end
and come back; and the 99th percentile of the latency stays below a hop.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from benchmarks.studies import records
from edge.errors import EdgeError
from edge.signal import filters
from edge.stream.frames import Block, Header, Source, SourceRequest
from edge.stream.live.engine import Windowed
from edge.stream.live.link import Patience
from edge.stream.live.session import Session
from edge.stream.live.settings import Settings
from edge.stream.sources import brainflow, lsl
from firmware_bridge.signal.contract import Scaling, SignalContract

RESULTS = Path(__file__).parent / "results" / "soak.json"
GROWTH_MB_H = 1.0
"""Bar on the growth of resident memory."""
SAMPLE_S = 5.0
WARM_UP = 0.2
"""Share of the run that is left out of the growth, two minutes at least where there are as many."""
LSL_HZ, LSL_CHANNELS = 1000.0, 8
LOST = 997
"""One frame of so many is not sent."""
JITTER = 0.3
"""Frames, half the width."""
OUTLET_S = 120.0
"""How long an outlet lives, and a pause of a second follows."""
FLUSH_S = 0.5
"""An outlet that ends stays for so long without a new frame, so that none is lost underway."""


def is_lost(number: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether the outlet leaves frames (n,) out."""
    return np.asarray(number % LOST == LOST // 2)


def outlet(name: str, seconds: float, life_s: float) -> None:
    """Push a stream as a device would; runs in a process of its own."""
    from mne_lsl.lsl import StreamInfo, StreamOutlet, local_clock

    rng = np.random.default_rng(0)
    info = StreamInfo(name, "EEG", LSL_CHANNELS, LSL_HZ, "float64", name)
    info.set_channel_names([f"E{i}" for i in range(LSL_CHANNELS)])
    info.set_channel_units(["microvolts"] * LSL_CHANNELS)
    end_s, number = time.monotonic() + seconds, 0
    while time.monotonic() < end_s:
        stream = StreamOutlet(info)
        while not stream.wait_for_consumers(1.0) and time.monotonic() < end_s:
            pass  # what is pushed before anybody listens goes nowhere
        begin_s, first = local_clock(), number
        while local_clock() - begin_s < life_s and time.monotonic() < end_s:
            due = first + int((local_clock() - begin_s) * LSL_HZ)
            for n in range(number, due):
                frame = 20 * rng.standard_normal(LSL_CHANNELS)
                frame[0] = n
                stamp_s = begin_s + (n - first + JITTER * rng.uniform(-1, 1)) / LSL_HZ
                if not is_lost(np.array([n]))[0]:
                    stream.push_sample(frame, stamp_s)
            number = max(number, due)
            time.sleep(0.002)
        time.sleep(FLUSH_S)
        del stream
        time.sleep(1.0)


@dataclass
class Account:
    """What became of the frames of the stream, over all connections.

    Attributes
    ----------
    received, connections
        Frames that arrived, and how often the stream was opened.
    missing, lost_on_purpose, unseen
        Frames between the first and the last that did not arrive: sent; left out during a
        connection; and left out between two, which nobody on this side can know of.
    told_lost
        Frames that the source's own numbering says were lost.
    last
        Number of the last frame that arrived; -1 before the first.
    """

    received: int = 0
    connections: int = 0
    missing: int = 0
    lost_on_purpose: int = 0
    unseen: int = 0
    told_lost: int = 0
    last: int = -1


class Accounted:
    """A source whose first channel is the frame's number."""

    def __init__(self, source: Source, account: Account) -> None:
        self.source, self.account = source, account
        self.header: Header = source.header
        self.next_number: int | None = None
        account.connections += 1

    def read(self, timeout_s: float) -> Block | None:
        """Read on, and account for every frame."""
        block = self.source.read(timeout_s)
        if block is not None and len(block.numbers):
            self._account(block.samples[:, 0].astype(np.int64), block.numbers)
        return block

    def _account(self, sent: NDArray[np.int64], numbers: NDArray[np.int64]) -> None:
        """Add frames (n,) by their sender's numbers and by the source's."""
        account = self.account
        begin = int(sent[0]) if account.last < 0 else account.last + 1
        absent = np.setdiff1d(np.arange(begin, sent[-1]), sent)
        on_purpose = int(is_lost(absent).sum())
        between = int(is_lost(absent[absent < sent[0]]).sum()) if self.next_number is None else 0
        account.lost_on_purpose += on_purpose - between
        account.unseen += between
        account.missing += len(absent) - on_purpose
        expected = int(numbers[0]) if self.next_number is None else self.next_number
        account.told_lost += int(numbers[-1]) + 1 - expected - len(sent)
        account.received += len(sent)
        account.last, self.next_number = int(sent[-1]), int(numbers[-1]) + 1

    def close(self) -> None:
        """Let the stream go."""
        self.source.close()


class Nothing:
    """A sink that keeps nothing but the number of incidents by name."""

    def __init__(self) -> None:
        self.events: dict[str, int] = {}

    def write(self, line: Any) -> None:
        """Count an incident."""
        if line["kind"] == "event":
            self.events[line["event"]] = self.events.get(line["event"], 0) + 1

    def close(self) -> None:
        """Nothing to do."""


def contract(channels: tuple[str, ...], sfreq: float) -> SignalContract:
    """Windows of a second, a decision every tenth."""
    n = len(channels)
    return SignalContract(
        channels=channels,
        reference="as recorded",
        unit="uV",
        sfreq=sfreq,
        filter=filters.design(4.0, 30.0, 2, sfreq),
        scaling=Scaling("per_channel", (0.0,) * n, (20.0,) * n),
        n_times=int(sfreq),
        hop=int(sfreq / 10),
        classes=("left", "right"),
    )


def templates(windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Decode by two templates; what a network computes is not what is soaked."""
    mean = windows.mean(1)
    half = mean.shape[1] // 2
    return np.stack([mean[:, :half].sum(1), mean[:, half:].sum(1)], 1).astype(np.float32)


@dataclass
class Decoded:
    """A source that is being decoded in a thread."""

    name: str
    hop_ms: float
    session: Session
    sink: Nothing
    summary: dict[str, Any] = field(default_factory=dict)
    error: str = ""

    def run(self) -> None:
        """Decode until stopped."""
        try:
            self.summary = dict(self.session.run())
        except EdgeError as error:
            self.error = str(error)


def decoded(
    name: str, connect: Callable[[], Source], held: SignalContract, stop: threading.Event
) -> Decoded:
    """A session over a source."""
    sink = Nothing()
    settings = Settings(patience=Patience(lost_s=2.0, attempts=20, longest_s=1.0))
    session = Session(held, connect, Windowed(held, templates), settings, [sink], stop)
    return Decoded(name, 1e3 * held.hop / (held.sfreq or 1), session, sink)


def resident_mb() -> float:
    """Memory of this process that is in use, MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def warm_up_s(seconds: float) -> float:
    """What is left out of a run of so many seconds when memory is judged."""
    return min(max(120.0, WARM_UP * seconds), 0.5 * seconds)


def growth_mb_h(times_s: NDArray[np.float64], memory_mb: NDArray[np.float64]) -> float:
    """Slope of a straight line after the warm-up, MB an hour."""
    warm = times_s >= warm_up_s(times_s[-1])
    return float(3600 * np.polyfit(times_s[warm], memory_mb[warm], 1)[0])


def soak(minutes: float, life_s: float = OUTLET_S) -> dict[str, Any]:
    """Run both sources and return what was measured."""
    name, stop, account = f"edge-soak-{os.getpid()}", threading.Event(), Account()
    code = (
        f"from benchmarks.studies import soak; soak.outlet({name!r}, {60 * minutes + 60}, {life_s})"
    )
    sender = subprocess.Popen([sys.executable, "-c", code])
    names = tuple(f"E{i}" for i in range(1, LSL_CHANNELS))
    request = SourceRequest(name, {"timeout": 60})
    board = ("Fz", "C3", "Cz", "C4", "Pz", "PO7", "Oz", "PO8")
    runs = [
        decoded(
            "lsl", lambda: Accounted(lsl.connect(request), account), contract(names, LSL_HZ), stop
        ),
        decoded(
            "brainflow",
            lambda: brainflow.connect(SourceRequest("synthetic")),
            contract(board, 250.0),
            stop,
        ),
    ]
    threads = [threading.Thread(target=run.run) for run in runs]
    begin_s, times_s, memory_mb = time.monotonic(), [], []
    try:
        for thread in threads:
            thread.start()
        while time.monotonic() - begin_s < 60 * minutes and all(t.is_alive() for t in threads):
            times_s.append(time.monotonic() - begin_s)
            memory_mb.append(resident_mb())
            time.sleep(SAMPLE_S)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        sender.terminate()
        sender.wait()
    return {
        "outlet_s": life_s,
        "minutes": round((time.monotonic() - begin_s) / 60, 2),
        "growth_mb_h": round(growth_mb_h(np.array(times_s), np.array(memory_mb)), 3),
        "warm_up_minutes": round(warm_up_s(times_s[-1]) / 60, 2),
        "memory_mb_each_minute": [
            round(mb, 2) for mb in memory_mb[:: max(1, round(60 / SAMPLE_S))]
        ],
        "stream": asdict(account),
        "sources": {
            run.name: {
                "hop_ms": run.hop_ms,
                "error": run.error,
                "events": run.sink.events,
                **{key: run.summary.get(key) for key in KEPT},
            }
            for run in runs
        },
    }


KEPT = (
    *("decisions", "received", "lost", "interpolated", "repeated", "restarts", "reconnects"),
    *("latency_p50_ms", "latency_p95_ms", "latency_p99_ms", "clock"),
)


def missed(found: dict[str, Any]) -> list[str]:
    """Bars that were not met."""
    bars = []
    if found["growth_mb_h"] >= GROWTH_MB_H:
        bars.append(f"memory grew by {found['growth_mb_h']} MB an hour (bar {GROWTH_MB_H:g})")
    stream = found["stream"]
    if stream["missing"]:
        bars.append(f"{stream['missing']} frames were sent and did not arrive")
    if stream["told_lost"] != stream["lost_on_purpose"]:
        bars.append(
            f"{stream['told_lost']} frames were told as lost, {stream['lost_on_purpose']} were"
        )
    if 60 * found["minutes"] > 1.2 * found["outlet_s"] and stream["connections"] < 2:
        bars.append("the outlet ended and its stream was not opened again")
    for name, run in found["sources"].items():
        if run["error"]:
            bars.append(f"{name}: {run['error']}")
        elif not run["latency_p99_ms"] < run["hop_ms"]:
            bars.append(f"{name}: p99 {run['latency_p99_ms']:.1f} ms, a hop is {run['hop_ms']:g}")
    if found["sources"]["brainflow"]["lost"]:
        bars.append(f"brainflow: {found['sources']['brainflow']['lost']} frames lost")
    return bars


@click.command()
@click.option("--minutes", default=60.0, show_default=True)
@click.option("--outlet-s", default=OUTLET_S, show_default=True, help="How long an outlet lives.")
@click.option("--save/--no-save", default=False, help=f"Write {RESULTS.name} beside the others.")
def main(minutes: float, outlet_s: float, save: bool) -> None:
    """Exit 4 when a bar is missed."""
    found = soak(minutes, outlet_s)
    print(json.dumps(found, indent=1))
    bars = missed(found)
    for bar in bars:
        print(f"missed: {bar}")
    if save:
        records.save(RESULTS, {"schema_version": 1, **found})
    sys.exit(4 if bars else 0)


if __name__ == "__main__":
    main()
