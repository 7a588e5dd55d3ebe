# SPDX-License-Identifier: BSD-3-Clause
"""Time a whole session streamed in Python with the C engine, against real time.

    python -m benchmarks.studies.realtime --data ../shared/data/eegmmidb/S001 --save

The runs of a session are replayed from EDF one after another, the state reset at each joint, and go
through everything that ``edge stream`` does: guard, montage, causal filter, scaling, quantization,
network, smoothing. Every decision is then compared with the windowed C engine's on the same window.
The network is trained for a moment only: speed and exactness do not depend on what it has learnt.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from benchmarks.measure.machine import machine
from benchmarks.studies import records
from benchmarks.studies.ladder import FOLDS, read_runs, train
from edge.data.dataset import Recording, calibration_windows, split, training_windows
from edge.data.recordings import labelled
from edge.errors import EdgeError
from edge.families.base import lower
from edge.signal import chain, contract_file
from edge.spec import ModelSpec
from edge.stream.frames import Block, EndOfSignal, SourceRequest
from edge.stream.live.montage import montage
from edge.stream.live.session import Decoder
from edge.stream.live.settings import Settings
from edge.stream.sources import file as replay
from edge.stream.streamer import CEngine, Streamer
from edge.terminal.console import Console, console
from firmware_bridge.emit.generate import generate
from firmware_bridge.host import windowed as host
from firmware_bridge.signal.contract import SignalContract
from quantize import pipeline
from quantize.graph import reference
from quantize.graph.qgraph import QGraph
from quantize.graph.streaming import all_windows
from quantize.recipe import Recipe

RESULTS = Path(__file__).parent / "results" / "realtime.json"
BAR = 200.0
"""Times faster than real time."""

Decisions = dict[int, NDArray[np.float32]]
"""Logits by the number of the window's last sample in the session."""


@dataclass(frozen=True)
class Finding:
    """A session streamed some times, and its decisions beside the windowed engine's."""

    mode: str
    n_chans: int
    sfreq: float
    n_runs: int
    recorded_s: float
    elapsed_s: tuple[float, ...]
    cpu_s: tuple[float, ...]
    n_decisions: int
    n_different: int
    bar: float = BAR

    @property
    def times_real_time(self) -> float:
        """By the median of what it took."""
        return self.recorded_s / float(np.median(self.elapsed_s))

    @property
    def exact(self) -> bool:
        """Whether every hop was decided, as the windowed engine decides."""
        return self.n_decisions > 0 and self.n_different == 0


def network(folder: Path, mode: str, epochs: int) -> tuple[QGraph, SignalContract]:
    """Quantize a network for a session's contract."""
    file = contract_file.parse(contract_file.EXAMPLE, "the example contract")
    contract = file.contract()
    recordings = [
        Recording(run.name, chain.apply(contract, run.samples), run.onsets, run.labels)
        for run in read_runs(folder, file)
    ]
    data = labelled(folder.name, recordings, file)
    part = split(data, [f"*{name}" for name in FOLDS[-1]]).train
    windows, labels = training_windows(part)
    fitted = contract.fitted(part.windows)
    spec = ModelSpec(mode, windows.shape[1], contract.n_times, len(contract.classes))
    module = train(spec, fitted.scale(windows), labels, epochs)
    calibration = fitted.scale(calibration_windows(part))
    graph = pipeline.quantize(lower(module, spec), calibration, Recipe()).graph
    return graph, replace(fitted, input_quant=graph.quant(graph.input))


def blocks(folder: Path) -> Iterator[Block]:
    """Yield a session's frames, as fast as they are wanted."""
    source = replay.connect(SourceRequest(str(folder), speed=float("inf")))
    while True:
        try:
            block = source.read(0.0)
        except EndOfSignal:
            return
        assert block is not None
        yield block


def streamed(folder: Path, contract: SignalContract, engine: CEngine, n_chans: int) -> Decisions:
    """Return every decision of a session."""
    header = replay.connect(SourceRequest(str(folder))).header
    decoder = Decoder(contract, header, Streamer(contract, n_chans, engine), Settings())
    return {
        moment.sample: moment.logits
        for block in blocks(folder)
        for moment in decoder.push(block)
        if moment.logits is not None
    }


def windowed(folder: Path, contract: SignalContract, graph: QGraph) -> Decisions:
    """Return every decision, each window computed whole by the windowed C engine."""
    picked = montage(replay.connect(SourceRequest(str(folder))).header, contract)
    library = host.build(generate(graph), graph[graph.output].shape[-1])
    found: Decisions = {}
    for pieces in _runs(folder):
        frames = np.concatenate([block.samples[:, picked.picks] for block in pieces])
        x = chain.apply(contract, picked.samples(frames))
        stored = reference.quantize(contract.scale(x[None])[0].T, graph.quant(graph.input))
        logits = library.infer(all_windows(stored, contract.n_times, contract.hop))
        first = int(pieces[0].numbers[0]) + contract.n_times - 1
        for i, row in enumerate(reference.dequantize(logits, graph.quant(graph.output))):
            found[first + i * contract.hop] = row
    return found


def _runs(folder: Path) -> list[list[Block]]:
    """Blocks by run."""
    runs: list[list[Block]] = []
    for block in blocks(folder):
        if block.restart or not runs:
            runs.append([])
        runs[-1].append(block)
    return runs


def differences(one: Decisions, other: Decisions) -> int:
    """Decisions that only one of them has, or that are not the same to the last bit."""
    return sum(
        a not in one or a not in other or not np.array_equal(one[a], other[a])
        for a in {*one, *other}
    )


def measure(folder: Path, mode: str, epochs: int, repeats: int, note: Console) -> Finding:
    """Stream a session ``repeats`` times and hold it to the windowed engine."""
    graph, contract = network(folder, mode, epochs)
    assert contract.sfreq is not None
    note.note(f"{mode}: trained and quantized")
    n_chans = graph[graph.input].shape[-1]
    engine = CEngine(graph, contract.hop)
    elapsed: list[float] = []
    cpu: list[float] = []
    decisions: Decisions = {}
    for _ in range(repeats):
        start, busy = time.perf_counter(), time.process_time()
        decisions = streamed(folder, contract, engine, n_chans)
        elapsed.append(round(time.perf_counter() - start, 3))
        cpu.append(round(time.process_time() - busy, 3))
        note.note(f"streamed in {elapsed[-1]} s")
    runs = _runs(folder)
    n_frames = sum(len(block.numbers) for run in runs for block in run)
    different = differences(decisions, windowed(folder, contract, graph))
    return Finding(
        *(mode, n_chans, contract.sfreq, len(runs), round(n_frames / contract.sfreq, 3)),
        *(tuple(elapsed), tuple(cpu), len(decisions), different),
    )


def lines(found: Finding) -> Sequence[str]:
    """Write what a person reads."""
    took = ", ".join(f"{value:.2f}" for value in found.elapsed_s)
    session = f"{found.n_runs} runs, {found.recorded_s:,.0f} s at {found.sfreq:g} Hz"
    return (
        f"{session}, {found.n_chans} channels, {found.mode}: {took} s with the C engine",
        f"{found.times_real_time:,.0f} times real time (bar {found.bar:g})",
        f"{found.n_decisions:,} decisions, {found.n_different:,} differ from the windowed engine's",
    )


@click.command()
@click.option("--data", type=click.Path(exists=True, path_type=Path), required=True, help="S001.")
@click.option("--mode", default="eca", show_default=True)
@click.option("--epochs", default=1, show_default=True)
@click.option("--repeats", default=3, show_default=True)
@click.option("--save/--no-save", default=False, help=f"Write {RESULTS.name} beside the others.")
def main(data: Path, mode: str, epochs: int, repeats: int, save: bool) -> None:
    """Exit 1 when a decision differs, 4 when the bar is missed."""
    with console(verbose=False) as ours:
        try:
            found = measure(data, mode, epochs, repeats, ours)
        except EdgeError as error:
            ours.note(f"realtime: {error}")
            sys.exit(error.exit_code)
        for line in lines(found):
            ours.print(line)
    if save:
        document = {
            "schema_version": 1,
            **asdict(found),
            "times_real_time": round(found.times_real_time, 1),
            "machine": machine(),
        }
        records.save(RESULTS, document)
    if not found.exact:
        sys.exit(1)
    sys.exit(0 if found.times_real_time >= found.bar else 4)


if __name__ == "__main__":
    main()
