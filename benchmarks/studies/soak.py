# SPDX-License-Identifier: BSD-3-Clause
"""Decode two live sources for as long as asked, and see that memory, samples and time hold.

    python -m benchmarks.studies.soak --minutes 60 --save

BrainFlow's synthetic board (250 Hz) and a stream of the Lab Streaming Layer (1000 Hz) are decoded
side by side in real time. The stream comes from a process of its own, with jitter, lost frames and
outlets that end and come back; its first channel carries the frame's number, by which every frame
that was not lost on purpose is accounted for. Bars: resident memory grows by less than 1 MB an
hour, no frame is missing, and the 99th percentile of the latency stays below a hop.
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

from edge.errors import EdgeError
from edge.signal import filters
from edge.stream.frames import Block, Header, Source, SourceRequest
from edge.stream.live.engine import Windowed
from edge.stream.live.link import Patience
from edge.stream.live.session import Session, Settings
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


def is_lost(number: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether the outlet leaves frames (n,) out."""
    return np.asarray(number % LOST == LOST // 2)


def outlet(name: str, seconds: float) -> None:
    """Push a stream as a device would; runs in a process of its own."""
    from mne_lsl.lsl import StreamInfo, StreamOutlet, local_clock

    rng = np.random.default_rng(0)
    info = StreamInfo(name, "EEG", LSL_CHANNELS, LSL_HZ, "float64", name)
    info.set_channel_names([f"E{i}" for i in range(LSL_CHANNELS)])
    info.set_channel_units(["microvolts"] * LSL_CHANNELS)
    end_s, number = time.monotonic() + seconds, 0
    while time.monotonic() < end_s:
        stream, begin_s, first = StreamOutlet(info), local_clock(), number
        while local_clock() - begin_s < OUTLET_S and time.monotonic() < end_s:
            due = first + int((local_clock() - begin_s) * LSL_HZ)
            for n in range(number, due):
                frame = 20 * rng.standard_normal(LSL_CHANNELS)
                frame[0] = n
                stamp_s = begin_s + (n - first + JITTER * rng.uniform(-1, 1)) / LSL_HZ
                if not is_lost(np.array([n]))[0]:
                    stream.push_sample(frame, stamp_s)
            number = max(number, due)
            time.sleep(0.002)
        del stream
        time.sleep(1.0)


@dataclass
class Account:
    """What became of the frames of the stream."""

    received: int = 0
    connections: int = 0
    missing: int = 0
    lost_on_purpose: int = 0
    told_lost: int = 0


class Accounted:
    """A source whose first channel is the frame's number."""

    def __init__(self, source: Source, account: Account) -> None:
        self.source, self.account = source, account
        self.header: Header = source.header
        self.last: tuple[int, int] | None = None
        account.connections += 1

    def read(self, timeout_s: float) -> Block | None:
        """Read on, and account for every frame."""
        block = self.source.read(timeout_s)
        if block is not None and len(block.numbers):
            sent = block.samples[:, 0].astype(np.int64)
            if self.last is not None:
                between = np.arange(self.last[0] + 1, sent[-1])
                absent = np.setdiff1d(between, sent)
                on_purpose = int(is_lost(absent).sum())
                self.account.lost_on_purpose += on_purpose
                self.account.missing += len(absent) - on_purpose
                self.account.told_lost += int(block.numbers[-1]) - self.last[1] - len(sent)
            self.account.received += len(sent)
            self.last = (int(sent[-1]), int(block.numbers[-1]))
        return block

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


def growth_mb_h(times_s: NDArray[np.float64], memory_mb: NDArray[np.float64]) -> float:
    """Slope of a straight line after the warm-up, MB an hour."""
    warm = times_s >= min(max(120.0, WARM_UP * times_s[-1]), 0.5 * times_s[-1])
    return float(3600 * np.polyfit(times_s[warm], memory_mb[warm], 1)[0])


def soak(minutes: float) -> dict[str, Any]:
    """Run both sources and return what was measured."""
    name, stop, account = f"edge-soak-{os.getpid()}", threading.Event(), Account()
    code = f"from benchmarks.studies import soak; soak.outlet({name!r}, {60 * minutes + 60})"
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
        "minutes": round((time.monotonic() - begin_s) / 60, 2),
        "growth_mb_h": round(growth_mb_h(np.array(times_s), np.array(memory_mb)), 3),
        "first_mb": memory_mb[0],
        "last_mb": memory_mb[-1],
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
    if found["stream"]["missing"]:
        bars.append(f"{found['stream']['missing']} frames were sent and did not arrive")
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
@click.option("--save/--no-save", default=False, help=f"Write {RESULTS.name} beside the others.")
def main(minutes: float, save: bool) -> None:
    """Exit 4 when a bar is missed."""
    found = soak(minutes)
    print(json.dumps(found, indent=1))
    bars = missed(found)
    for bar in bars:
        print(f"missed: {bar}")
    if save:
        RESULTS.write_text(json.dumps({"schema_version": 1, **found}, indent=1) + "\n")
    sys.exit(4 if bars else 0)


if __name__ == "__main__":
    main()
