# SPDX-License-Identifier: BSD-3-Clause
"""Define what a benchmark is asked and what it finds: figures with units, and the machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol as Interface

from benchmarks.emulate.cycles.model import Cycles
from benchmarks.measure import protocol
from benchmarks.measure.protocol import Estimate, Protocol, Samples
from edge.bundle.read import Bundle
from edge.terminal.console import Console
from firmware_bridge.project.power import Beside

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Request:
    """What ``edge bench`` was asked for.

    Attributes
    ----------
    bundle
        Folder.
    targets
        Targets of the bundle; all of them where empty.
    devices
        Names of :func:`benchmarks.devices.devices.load`, measured one after the other.
    stock
        Whether the stock route is exported and timed beside.
    samples
        Where every single latency is written, as JSON lines.
    stream
        Whether a live signal is decoded instead of windows.
    threads
        Of every runtime; the C engine has one whatever is asked for.
    beside
        What else the battery of a microcontroller feeds.
    """

    bundle: Path
    samples: Path
    targets: tuple[str, ...] = ()
    devices: tuple[str, ...] = ("local",)
    stock: bool = True
    stream: bool = False
    threads: int = 1
    beside: Beside = field(default_factory=Beside)
    protocol: Protocol = field(default_factory=Protocol)


@dataclass(frozen=True)
class Result:
    """One figure with its unit and interval.

    Attributes
    ----------
    target
        ``tflite``, ``executorch``, … for our artifacts; ``stock-executorch``, ``stock-onnx`` for
        the same weights exported by stock tools; ``pytorch`` for braindecode's module itself.
    precision
        ``float`` or ``int8``.
    low, high
        95 % interval; None where the figure is exact. Of modelled cycles, and of what follows from
        them, the interval that the model has earned.
    n
        Values behind it.
    """

    target: str
    precision: str
    device: str
    metric: str
    unit: str
    value: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class Failure:
    """A device that could not be measured, and the exit code that says so."""

    device: str
    why: str
    exit_code: int


@dataclass(frozen=True)
class Report:
    """Everything that one ``edge bench`` found.

    Attributes
    ----------
    skipped
        What could not be measured, by name, and why.
    notes
        What a figure means.
    machine
        Where the command was typed.
    devices
        What each device is, by name.
    failures
        Devices that gave nothing, or something wrong; see :func:`benchmarks.measure.bench.refuse`.
    """

    bundle: str
    bundle_sha256: str
    results: tuple[Result, ...]
    skipped: Mapping[str, str]
    notes: tuple[str, ...]
    protocol: Protocol
    machine: Mapping[str, str]
    devices: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True)
class Findings:
    """What a runner brings back; see :class:`Report`. ``around`` describes the device."""

    results: tuple[Result, ...]
    notes: tuple[str, ...]
    skipped: Mapping[str, str] = field(default_factory=dict)
    rounds: tuple[Samples, ...] = ()
    around: Mapping[str, str] = field(default_factory=dict)


class Runner(Interface):
    """The interface of a file in ``benchmarks/devices/runners``."""

    def run(self, opened: Bundle, device: str, request: Request, console: Console) -> Findings:
        """Measure a bundle on the device, called by the name that the user typed."""


@dataclass(frozen=True)
class About:
    """What the figures of one artifact have in common."""

    target: str
    precision: str
    device: str

    def estimate(self, metric: str, unit: str, found: Estimate) -> Result:
        """Return a figure with an interval."""
        return Result(
            self.target,
            self.precision,
            self.device,
            metric,
            unit,
            found.value,
            found.low,
            found.high,
            found.n,
        )

    def modelled(self, metric: str, found: Cycles, n: int) -> Result:
        """Return modelled cycles with the interval that their model has earned."""
        return Result(
            *(self.target, self.precision, self.device, metric, "cycles"),
            *(found.value, found.low, found.high, n),
        )

    def exact(self, metric: str, unit: str, value: float, n: int = 1) -> Result:
        """Return a figure without an interval."""
        return Result(self.target, self.precision, self.device, metric, unit, value, None, None, n)


def latencies(about: About, name: str, rounds: Sequence[Samples]) -> list[Result]:
    """Return median, p95, p99 and spread of an entrant's calls."""
    n_calls = sum(len(r[name]) for r in rounds)
    found = [about.estimate("latency_median_us", "us", protocol.median(rounds, name))]
    for percent in (95, 99):
        value = protocol.percentile(rounds, name, percent / 100)
        found.append(about.exact(f"latency_p{percent}_us", "us", value, n_calls))
    spread = protocol.spread(rounds, name)
    return [*found, about.exact("latency_spread", "IQR/median", spread, n_calls)]


def threads_note(request: Request) -> str:
    """Say on how many threads runtimes were measured."""
    return f"threads: {request.threads}; the C engine has one"
