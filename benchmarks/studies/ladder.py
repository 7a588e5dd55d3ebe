# SPDX-License-Identifier: BSD-3-Clause
"""Measure what going live costs, step by step, on real recordings.

    python -m benchmarks.studies.ladder --data ../shared/data

The steps lead from what is published (zero-phase filter, one mean and SD for every electrode and
sample of a trial) to what a headset gives (causal filter, one mean and SD an electrode, a window
that slides on the device's own grid, int8, frame by frame, frames lost). One thing changes from
step to step, on the same trials. A model is trained anew where its training data change.

Subject 1 of eegmmidb is there as continuous, unfiltered recordings and climbs all of it, in three
folds over pairs of runs. The BNCI2014-004 epochs were filtered and cut by somebody else: there is
no filter to change and no signal between the trials, so only scaling and int8 can be compared.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from scipy import signal

from benchmarks.measure.machine import ROOT, machine
from benchmarks.studies import ladder_figure, records
from benchmarks.studies.ladder_steps import EPOCH_RUNGS, Climb, Correct, climb, together
from edge.checkpoint import build
from edge.checkpoint.forward import predict
from edge.data import npz, raws, reader
from edge.data.dataset import Dataset, Recording, calibration_windows, split, training_windows
from edge.families import base as families
from edge.families.base import lower
from edge.signal import chain, contract_file
from edge.spec import ModelSpec
from edge.stream.frames import Block, SourceRequest
from edge.stream.live.montage import Montage, montage
from edge.stream.live.session import Decoder
from edge.stream.live.settings import Settings
from edge.stream.sources.file import connect
from edge.stream.streamer import Decision, NumpyEngine, Streamer
from edge.terminal.console import Console, console
from edge.training.fit import TrainingSettings, fit
from firmware_bridge.signal.contract import SignalContract
from quantize import pipeline
from quantize.graph import reference
from quantize.graph.qgraph import QGraph
from quantize.recipe import Recipe

RESULTS = Path(__file__).parent / "results" / "ladder.json"
FIGURE = ROOT / "docs" / "figures" / "ladder.svg"

FOLDS = (("R03", "R05"), ("R07", "R09"), ("R11", "R13"))
"""Runs held out together: left and right fist, and both fists and feet."""
RUNGS = (
    "zero-phase, per sample",
    "causal filter",
    "per-channel scaling",
    "sliding window",
    "int8",
    "streamed",
    "1 % lost",
    "5 % lost",
)
LOST = {"1 % lost": 0.01, "5 % lost": 0.05}
PACKET_FRAMES = 1
"""Frames in a packet, as most boards send them."""

Float = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Run:
    """One recording: raw samples (n_chans, n) in the contract's unit, and its trials."""

    name: str
    path: Path
    samples: NDArray[np.float64]
    onsets: NDArray[np.int64]
    labels: NDArray[np.int64]


def zero_phase(contract: SignalContract, samples: NDArray[np.float64]) -> Float:
    """Forwards and backwards, as published: sees the future."""
    sos = np.array(contract.filter.sos)
    both = signal.sosfiltfilt(sos, samples - samples[:, :1], axis=1)
    return np.asarray(both, np.float32)


@dataclass(frozen=True, eq=False)
class PerSample:
    """``(x - mean) / std`` for every (channel, sample), over the training trials."""

    mean: Float
    std: Float

    def scale(self, windows: Float) -> Float:
        """Scale windows (n, n_chans, n_times)."""
        return np.asarray((windows - self.mean) / self.std, np.float32)


def per_sample(windows: Float) -> PerSample:
    """Fitted on training windows."""
    return PerSample(windows.mean(0), windows.std(0))


def train(spec: ModelSpec, windows: Float, labels: NDArray[np.int64], epochs: int) -> Any:
    """Train a model, always from the same seed."""
    module = build.build(spec, 0).module
    form = families.of(spec).training_form
    fit(module, windows, labels, TrainingSettings(epochs=epochs), form=form)
    return module


def is_right(logits: Float, labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which windows were decided correctly."""
    return np.asarray(logits.argmax(1) == labels)


def read_runs(folder: Path, file: contract_file.ContractFile) -> list[Run]:
    """Read every run that the contract has events for."""
    contract = file.contract()
    found = []
    for path in sorted(folder.glob("*.edf")):
        rule = file.rule(path.name)
        if rule is None:
            continue
        [labelled] = raws.to_recordings(
            reader.open_continuous(path), path.stem, file, rule, keep_bad=True
        )
        frames, _ = frames_of(path)
        samples = _picked(path, contract).samples(frames[:, _picked(path, contract).picks])
        found.append(Run(path.stem, path, samples, labelled.onsets, labelled.labels))
    return found


def _picked(path: Path, contract: SignalContract) -> Montage:
    return montage(connect(SourceRequest(str(path))).header, contract)


def _recording(run: Run, signal_: Float) -> Recording:
    return Recording(run.name, signal_, run.onsets, run.labels)


def _dataset(
    runs: Sequence[Run], filtered: Callable[[Run], Float], file: contract_file.ContractFile
) -> Dataset:
    from edge.data.recordings import labelled

    return labelled("S001", [_recording(run, filtered(run)) for run in runs], file)


def fold(
    runs: Sequence[Run],
    held: tuple[str, ...],
    file: contract_file.ContractFile,
    epochs: int,
    note: Callable[[str], None],
) -> Correct:
    """Measure every step on the trials of two runs, with models trained on the others."""
    contract = file.contract()
    causal = {run.name: chain.apply(contract, run.samples) for run in runs}
    both_ways = {run.name: zero_phase(contract, run.samples) for run in runs}
    patterns = [f"*{name}" for name in held]
    parts = {
        name: split(_dataset(runs, lambda run, f=f: f[run.name], file), patterns)  # type: ignore[misc]
        for name, f in (("zero-phase", both_ways), ("causal", causal))
    }
    found: dict[str, NDArray[np.bool_]] = {}
    for rung, kind in zip(RUNGS, ("zero-phase", "causal"), strict=False):
        train_part, test = parts[kind].train, parts[kind].test
        windows, labels = training_windows(train_part)
        scaling = per_sample(train_part.windows)
        spec = ModelSpec("eca", windows.shape[1], contract.n_times, len(contract.classes))
        module = train(spec, scaling.scale(windows), labels, epochs)
        found[rung] = is_right(predict(module, scaling.scale(test.windows)), test.labels)
        note(f"{held}: {rung}")
    train_part, test = parts["causal"].train, parts["causal"].test
    windows, labels = training_windows(train_part)
    fitted = contract.fitted(train_part.windows)
    module = train(spec, fitted.scale(windows), labels, epochs)
    logits = predict(module, fitted.scale(test.windows))
    found["per-channel scaling"] = is_right(logits, test.labels)
    note(f"{held}: per-channel scaling")
    calibration = fitted.scale(calibration_windows(train_part))
    graph = pipeline.quantize(lower(module, spec), calibration, Recipe()).graph
    whole = replace(fitted, input_quant=graph.quant(graph.input))
    tested = [run for run in runs if run.name.endswith(held)]
    truth = np.concatenate([run.labels for run in tested])
    assert np.array_equal(truth, test.labels)
    sliding = np.concatenate([on_grid(causal[run.name], run, whole) for run in tested])
    found["sliding window"] = is_right(predict(module, whole.scale(sliding)), truth)
    found["int8"] = is_right(reference.run(graph, whole.scale(sliding)).real, truth)
    found["streamed"] = np.concatenate([streamed(run, whole, graph) for run in tested])
    note(f"{held}: streamed")
    for rung, share in LOST.items():
        found[rung] = np.concatenate([with_losses(run, whole, graph, share) for run in tested])
        note(f"{held}: {rung}")
    return found


def ends_on_grid(run: Run, contract: SignalContract) -> NDArray[np.int64]:
    """Return where the first decision after every trial's end looks back from."""
    late = (run.onsets % contract.hop) > 0
    steps = run.onsets // contract.hop + late
    return np.asarray(steps * contract.hop + contract.n_times)


def on_grid(filtered: Float, run: Run, contract: SignalContract) -> Float:
    """Return every trial's window as a stream sees it, up to a hop later than the cue says."""
    last = filtered.shape[1] - (filtered.shape[1] - contract.n_times) % contract.hop
    ends = np.minimum(ends_on_grid(run, contract), last)
    return np.stack([filtered[:, end - contract.n_times : end] for end in ends])


def frames_of(path: Path) -> tuple[NDArray[np.float64], float]:
    """Return all frames (n, n_channels of the file) in volts, and their rate."""
    recording = reader.open_continuous(path)
    sfreq = recording.channels[0].sfreq
    start, stop = recording.pieces[0].samples(sfreq)
    names = [channel.name for channel in recording.channels]
    return np.ascontiguousarray(recording.read(names, start, stop).T), sfreq


def streamed(run: Run, contract: SignalContract, graph: QGraph) -> NDArray[np.bool_]:
    """Feed frames one by one through everything that ``edge stream`` does."""
    engine = Streamer(contract, graph[graph.input].shape[-1], NumpyEngine(graph, contract.hop))
    decoder = Decoder(contract, connect(SourceRequest(str(run.path))).header, engine, Settings())
    frames, sfreq = frames_of(run.path)
    size = round(0.2 * sfreq)
    logits: dict[int, Float] = {}
    for start in range(0, len(frames), size):
        numbers = np.arange(start, min(start + size, len(frames)))
        for moment in decoder.push(Block(frames[numbers], numbers, 0.0)):
            if moment.logits is not None:
                logits[moment.sample + 1] = moment.logits
    ends = np.minimum(ends_on_grid(run, contract), max(logits))
    return is_right(np.stack([logits[int(end)] for end in ends]), run.labels)


class Kept:
    """In the place of a network: keeps what it would be fed, from every start on."""

    def __init__(self) -> None:
        self.stretches: list[list[Float]] = []

    def push(self, samples: Float) -> list[Decision]:
        """Keep them."""
        self.stretches[-1].append(samples)
        return []

    def reset(self) -> None:
        """Begin a new stretch."""
        self.stretches.append([])


def with_losses(
    run: Run, contract: SignalContract, graph: QGraph, share: float
) -> NDArray[np.bool_]:
    """Stream with packets lost at random; a trial without a window counts as wrong."""
    kept = Kept()
    decoder = Decoder(contract, connect(SourceRequest(str(run.path))).header, kept, Settings())
    frames, _ = frames_of(run.path)
    rng = np.random.default_rng(int(run.name[-2:]))
    n_packets = -(-len(frames) // PACKET_FRAMES)
    arrived = np.repeat(rng.random(n_packets) >= share, PACKET_FRAMES)[: len(frames)]
    numbers = np.flatnonzero(arrived)
    decoder.push(Block(frames[numbers], numbers, 0.0))
    starts = [event.sample for event in decoder.guard.take_events() if event.event == "restart"]
    stretches = [np.concatenate(parts) for parts in kept.stretches if parts]
    right = np.zeros(len(run.labels), np.bool_)
    for i, onset in enumerate(run.onsets):
        for first, stretch in zip(starts, stretches, strict=True):
            begin = first + -(-(int(onset) - first) // contract.hop) * contract.hop
            window = stretch[begin - first : begin - first + contract.n_times]
            if begin >= first and len(window) == contract.n_times:
                logits = reference.run(graph, contract.scale(window.T[None])).real
                right[i] = logits.argmax() == run.labels[i]
    return right


def climb_s001(folder: Path, epochs: int, note: Callable[[str], None]) -> Climb:
    """Measure all of the steps."""
    file = contract_file.parse(contract_file.EXAMPLE, "the example contract")
    runs = read_runs(folder, file)
    folds = [fold(runs, held, file, epochs, note) for held in FOLDS]
    correct = {rung: np.concatenate([f[rung] for f in folds]) for rung in RUNGS}
    return climb("S001", "eegmmidb, executed movement, 4 classes", correct)


def climb_epochs(path: Path, epochs: int, note: Callable[[str], None]) -> Climb:
    """Measure the steps that are left where windows were cut and filtered elsewhere."""
    data = npz.read(path, path.name, None)
    parts = split(data, ("4", "5"))
    windows, labels = parts.train.windows, parts.train.labels
    test = parts.test
    contract = data.contract.fitted(windows)
    spec = ModelSpec("eca", windows.shape[1], contract.n_times, len(contract.classes))
    scaling = per_sample(windows)
    published = train(spec, scaling.scale(windows), labels, epochs)
    module = train(spec, contract.scale(windows), labels, epochs)
    scaled = contract.scale(calibration_windows(parts.train))
    graph = pipeline.quantize(lower(module, spec), scaled, Recipe()).graph
    logits = (
        predict(published, scaling.scale(test.windows)),
        predict(module, contract.scale(test.windows)),
        reference.run(graph, contract.scale(test.windows)).real,
    )
    note(path.stem)
    correct = {
        rung: is_right(found, test.labels) for rung, found in zip(EPOCH_RUNGS, logits, strict=True)
    }
    return climb(path.stem, "BNCI2014-004, pre-filtered epochs, 2 classes", correct)


@click.command()
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Folder of both sets.")
@click.option("--epochs", default=60, show_default=True)
@click.option("--only", default="", help="Subjects, e.g. S001,B04; all without; none draws anew.")
@click.option("--save/--no-save", default=False, help=f"Write {RESULTS.name} and its figure.")
def main(data: Path, epochs: int, only: str, save: bool) -> None:
    """Climb with every subject; what is stored of others is kept."""
    with console(verbose=False) as ours:
        _main(data, epochs, {name for name in only.split(",") if name}, save, ours)


def _main(data: Path, epochs: int, only: set[str], save: bool, ours: Console) -> None:
    stored = json.loads(RESULTS.read_text())["climbs"] if RESULTS.exists() else []
    climbs = {climb["subject"]: climb for climb in stored}
    jobs: dict[str, Callable[[], Climb]] = {
        "S001": lambda: climb_s001(data / "eegmmidb" / "S001", epochs, ours.note)
    }
    for path in sorted((data / "bnci2014-004-epochs").glob("*.npz")):
        jobs[path.stem] = lambda path=path: climb_epochs(path, epochs // 2, ours.note)  # type: ignore[misc]
    for name, job in jobs.items():
        if not only or name in only:
            climbs[name] = asdict(job())
    ordered = [climbs[name] for name in jobs if name in climbs]
    over_subjects = together(ordered)
    for line in ladder_figure.report(ordered):
        ours.print(line)
    for rung, d in over_subjects.items():
        interval = f"{100 * d.value:+.2f} [{100 * d.low:+.2f}, {100 * d.high:+.2f}]"
        ours.print(f"epochs, mean over subjects: {rung} {interval}")
    if save:
        document = {
            "schema_version": 1,
            "epochs": epochs,
            "packet_frames": PACKET_FRAMES,
            "climbs": ordered,
            "over_subjects": {rung: asdict(d) for rung, d in over_subjects.items()},
            "machine": machine(),
        }
        records.save(RESULTS, document)
        ladder_figure.draw(json.loads(RESULTS.read_text()), FIGURE)


if __name__ == "__main__":
    main()
