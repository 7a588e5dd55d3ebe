# SPDX-License-Identifier: BSD-3-Clause
"""Measure one mode with everything that takes part: latency, size, memory, accuracy, effort."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from benchmarks.measure import constants, entrants, fresh, planned, protocol
from benchmarks.measure.entrants import Entrant
from benchmarks.measure.findings import About, Result, latencies
from benchmarks.measure.machine import machine
from benchmarks.measure.protocol import Estimate, Protocol, Samples
from benchmarks.studies.peers import exports, install
from benchmarks.studies.peers.exports import Work
from edge import parity
from edge.bundle import types as bundle_types
from edge.targets.base import Session
from edge.terminal.console import Console
from firmware_bridge.build import link
from quantize import plain as manifest
from quantize.graph.measures import sqnr_db

DEVICE = "local"
OURS = ("c", "executorch", "onnx", "tflite")
ANY = "any"
RUNTIMES: Mapping[str, tuple[Sequence[str], Sequence[str]]] = {
    "ExecuTorch": (("executorch",), ("stock-executorch",)),
    "ONNX Runtime": (("onnx",), ("stock-onnx",)),
    "LiteRT": (("tflite",), (exports.LITERT,)),
    ANY: (
        OURS,
        ("pytorch", exports.COMPILED, "stock-executorch", "stock-onnx", exports.LITERT),
    ),
}
"""Targets of ours and of the others, by what runs both."""
WEIGHTS_BAR = 0.35


@dataclass(frozen=True)
class Bar:
    """Ours and the best of the others on one runtime; ``ratio`` is theirs over ours."""

    runtime: str
    ours: str
    peer: str
    ratio: float
    low: float
    high: float

    @property
    def met(self) -> bool:
        """Whether ours is the faster one beyond doubt."""
        return self.low > 1


@dataclass(frozen=True)
class Weights:
    """Weights and constants in int8 over those in float (:mod:`benchmarks.measure.constants`)."""

    target: str
    int8_bytes: int
    float_bytes: int
    quantization_bytes: int

    @property
    def ratio(self) -> float:
        """What the bar is about."""
        return self.int8_bytes / self.float_bytes

    @property
    def met(self) -> bool:
        """Whether it is at most :data:`WEIGHTS_BAR`."""
        return self.ratio <= WEIGHTS_BAR


@dataclass(frozen=True)
class Measured:
    """Everything about one mode; ``failures`` say in a line why a row has no figures."""

    date: str
    machine: Mapping[str, str]
    bundle_sha256: str
    protocol: Protocol
    n_windows: int
    results: tuple[Result, ...]
    failures: Mapping[str, str]
    bars: tuple[Bar, ...]
    weights: tuple[Weights, ...]


def measure(work: Work, settings: Protocol, console: Console) -> Measured:
    """Measure a mode's exports, interleaved, on one thread."""
    around = machine()
    failures = {name: made.error for name, made in work.made.items() if made.error}
    sessions = _open(work, failures)
    present = [entrant for entrant in work.entrants if entrant.name in sessions]
    results = _quality(sessions, present, work, console)
    rounds = _latency(sessions, work, settings, console)
    for entrant in present:
        results += latencies(_about(entrant), entrant.name, rounds)
    results += _fresh(present, work, settings, console)
    for entrant in present:
        results += _sizes(entrant, work)
    return Measured(
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        machine=around,
        bundle_sha256=digest(work),
        protocol=settings,
        n_windows=len(work.held_out),
        results=tuple(results),
        failures=failures,
        bars=bars(rounds),
        weights=weights(present),
    )


def digest(work: Work) -> str:
    """Return the sha256 of our bundle's manifest, which has that of every file."""
    return manifest.sha256((work.opened.folder / bundle_types.MANIFEST).read_bytes())


def bars(rounds: Sequence[Samples]) -> tuple[Bar, ...]:
    """Compare on every runtime the fastest of ours with the fastest of the others."""
    medians = {name: protocol.median(rounds, name).value for name in rounds[0]}

    def fastest(targets: Sequence[str]) -> str | None:
        there = [name for name in medians if name.split()[0] in targets]
        return min(there, key=medians.__getitem__, default=None)

    found = []
    for runtime, (own, others) in RUNTIMES.items():
        ours, peer = fastest(own), fastest(others)
        if ours is not None and peer is not None:
            ratio = protocol.ratio(rounds, peer, ours)
            found.append(Bar(runtime, ours, peer, ratio.value, ratio.low, ratio.high))
    return tuple(found)


def weights(present: Sequence[Entrant]) -> tuple[Weights, ...]:
    """Compare int8 with float for every target; C is compared with the float ``.tflite``."""
    counted = {
        entrant.name: constants.count(entrant.target, entrant.path)
        for entrant in present
        if entrant.target in OURS
    }
    return tuple(
        Weights(
            target,
            counted[f"{target} int8"].weights,
            counted[f"{'tflite' if target == 'c' else target} float"].weights,
            counted[f"{target} int8"].quantization,
        )
        for target in OURS
        if f"{target} int8" in counted
    )


def _about(entrant: Entrant) -> About:
    return About(entrant.target, entrant.precision, DEVICE)


def _open(work: Work, failures: dict[str, str]) -> dict[str, Session]:
    """Load everything and run it once; what fails is named, whatever the peer's tool raises."""
    sessions = {}
    for entrant in work.entrants:
        try:
            session = entrant.load()
            session(work.held_out[:1])
        except Exception as error:
            failures[entrant.name] = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        else:
            sessions[entrant.name] = session
    return sessions


def _quality(
    sessions: Mapping[str, Session], present: Sequence[Entrant], work: Work, console: Console
) -> list[Result]:
    """Against braindecode's own logits on the held-out windows."""
    windows = work.held_out
    golden = sessions[f"{entrants.PYTORCH} float"](windows)
    results = []
    with console.progress("held-out windows", len(present)) as advance:
        for entrant in present:
            logits = sessions[entrant.name](windows)
            about, n = _about(entrant), len(windows)
            sqnr = sqnr_db(golden, logits)
            if sqnr is not None:
                results.append(about.exact("sqnr_db", "dB", sqnr, n))
            same = parity.wilson(int((golden.argmax(1) == logits.argmax(1)).sum()), n)
            agreement = Estimate(same.share, same.low, same.high, n)
            results.append(about.estimate("agreement", "share", agreement))
            advance(entrant.name)
    return results


def _latency(
    sessions: Mapping[str, Session], work: Work, settings: Protocol, console: Console
) -> tuple[Samples, ...]:
    window = work.held_out[0]
    calls = {n: partial(session.invoke, session.encode(window)) for n, session in sessions.items()}
    with console.waiting(f"measuring, {settings.limit_s:.0f} s at most"):
        return protocol.interleave(calls, settings)


def _fresh(
    present: Sequence[Entrant], work: Work, settings: Protocol, console: Console
) -> list[Result]:
    """Load time and memory of a process of its own."""
    results: list[Result] = []
    shape = work.held_out.shape[1:]
    with console.progress("fresh processes", len(present)) as advance:
        for entrant in present:
            runs = [
                fresh.run(entrant.target, entrant.path, shape) for _ in range(settings.processes)
            ]
            for metric, unit in (("load_us", "us"), ("resident_bytes", "bytes")):
                values = [one[metric] for one in runs]
                median = Estimate(statistics.median(values), min(values), max(values), len(values))
                results.append(_about(entrant).estimate(metric, unit, median))
            advance(entrant.name)
    return results


def _sizes(entrant: Entrant, work: Work) -> list[Result]:
    """Bytes of the file, planned and installed; seconds of the export."""
    about = _about(entrant)
    sizes = {
        "file_bytes": _file_bytes(entrant),
        "planned_bytes": planned.planned_bytes(entrant.target, entrant.path),
        "install_run_bytes": install.to_run(entrant.target),
        "install_export_bytes": install.to_export(entrant.target),
    }
    if entrant.target not in entrants.MODULES:
        counted = constants.count(entrant.target, entrant.path)
        sizes |= {"weights_bytes": counted.weights, "quantization_bytes": counted.quantization}
    found = [about.exact(name, "bytes", n) for name, n in sizes.items() if n is not None]
    made = work.made.get(exports.OURS if entrant.target in OURS else entrant.name)
    return found if made is None else [*found, about.exact("export_s", "s", made.seconds)]


def _file_bytes(entrant: Entrant) -> int:
    """What is shipped: a file, braindecode's weights, or the C engine's code and constants."""
    if entrant.target in entrants.MODULES:
        return (entrant.path / "model.safetensors").stat().st_size
    if entrant.target == "c":
        flash = link.flash(constants.compiled(entrant.path))
        return flash.code + flash.constants + flash.weights
    return entrant.path.stat().st_size
