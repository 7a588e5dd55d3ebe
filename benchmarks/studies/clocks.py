# SPDX-License-Identifier: BSD-3-Clause
"""Frame numbers from timestamps, against simulated devices whose losses are known.

    python -m benchmarks.studies.clocks --runs 10000 --jobs 2 --save

Every run draws a device (rate, drift, jitter, packets), a radio (losses, alone or in runs,
duplicates) and a reader (how many frames at once), numbers its frames and compares what was
reported lost with what was. Bars: within 2 % of the truth or 3 frames where jitter is below half a
frame, and nothing reported lost where nothing was; beyond that, within what the numbering says of
its own uncertainty where that is more.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from benchmarks.studies import records
from edge.stream.numbering.numbered import Told
from edge.stream.numbering.stamps import Stamped

RESULTS = Path(__file__).parent / "results" / "clocks.json"
SHARE, FRAMES = 0.02, 3
"""Bar: a share of the truth, or so many frames, whichever is more."""
HALF = 0.5
"""Frames of jitter below which single frames count."""
RATES = (125.0, 200.0, 250.0, 256.0, 500.0, 1000.0)
BELOW = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.45)
BEYOND = (0.7, 1.0, 2.0, 5.0)
LOSSES = (0.0, 0.0, 0.001, 0.01, 0.05, 0.1, 0.3, 0.5)
RUNS = (1, 1, 3, 20)
BURSTS = (1, 1, 1, 2, 4, 12, 62)
PACKETS = 400
"""Packets of a run at least; it takes some 64 to 128 until jitter and rate are known."""
BLOCKS = (1, 2, 7, 50, 1000)
PPM = 400.0
CHUNK = 100
"""Runs between two looks at the clock."""
INTRA_S = 1e-5
"""Between the stamps of one packet."""


@dataclass(frozen=True)
class Device:
    """A simulated device, its radio and its reader.

    Attributes
    ----------
    jitter
        Of a packet's stamp, frames: half the width where ``shape`` is ``uniform``, the standard
        deviation where it is ``normal``, the mean where it is ``late``.
    loss, run
        Share of frames that are lost, and how many in a row on average.
    ppm
        Deviation of the clock.
    burst
        Frames of a packet, stamped when it arrives.
    duplicates
        Share of frames that come twice.
    block
        Frames that are read at once.
    """

    n_frames: int
    sfreq: float
    jitter: float
    shape: str = "uniform"
    loss: float = 0.0
    run: int = 1
    ppm: float = 0.0
    burst: int = 1
    duplicates: float = 0.0
    block: int = 50

    @property
    def below_half(self) -> bool:
        """Whether jitter leaves single frames apart."""
        return self.jitter < HALF


@dataclass(frozen=True)
class Outcome:
    """What a run came to."""

    device: Device
    truth: int
    reported: int
    uncertainty: float
    restarts: int

    @property
    def error(self) -> int:
        """Frames."""
        return abs(self.reported - self.truth)

    @property
    def within(self) -> bool:
        """Whether the bar is met."""
        bar = max(FRAMES, SHARE * self.truth)
        if self.device.below_half:
            return self.error <= bar and not (self.truth == 0 and self.reported)
        return self.error <= max(bar, self.uncertainty)


def stamps(
    device: Device, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Times of the frames that arrive, seconds, and which frames they are."""
    number = np.arange(device.n_frames)
    packet = number // device.burst
    period_s = 1 / (device.sfreq * (1 + 1e-6 * device.ppm))
    n_packets = int(packet[-1]) + 1
    due_s = (packet + 1) * device.burst * period_s + _jitter(device, rng, n_packets)[
        packet
    ] / device.sfreq
    times_s = rng.uniform(0, 1e6) + due_s + number % device.burst * INTRA_S
    kept = np.flatnonzero(~_lost(device, rng))
    if device.duplicates:
        kept = np.repeat(kept, 1 + (rng.random(len(kept)) < device.duplicates))
    return times_s[kept], kept


def _jitter(device: Device, rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """(n,) frames, of packets."""
    if device.shape == "uniform":
        return rng.uniform(-device.jitter, device.jitter, n)
    if device.shape == "normal":
        return rng.normal(0, device.jitter, n)
    return rng.exponential(device.jitter, n)


def _lost(device: Device, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(n_frames,), runs of geometric length; the first frame arrives."""
    if device.loss == 0:
        return np.zeros(device.n_frames, np.bool_)
    if device.run == 1:
        lost = rng.random(device.n_frames) < device.loss
    else:
        n_runs = device.n_frames // device.run + 1
        losing = rng.geometric(1 / device.run, n_runs)
        keeping = rng.geometric(device.loss / (1 - device.loss) / device.run, n_runs)
        pattern = np.repeat(np.tile([False, True], n_runs), np.stack([keeping, losing], 1).ravel())
        lost = np.zeros(device.n_frames, np.bool_)
        lost[: len(pattern)] = pattern[: device.n_frames]
    lost[0] = False
    return lost


def number(device: Device, seed: int) -> Outcome:
    """Number the frames of a device."""
    rng = np.random.default_rng(seed)
    times_s, which = stamps(device, rng)
    numbering = Stamped(device.sfreq)
    numbers: list[int] = []
    restarts = 0
    for i in range(0, len(times_s), device.block):
        part = slice(i, i + device.block)
        done = numbering.push(Told(times_s[part], which[part]))
        numbers += done.numbers.tolist()
        restarts += int(done.restarts.sum())
    truth = _missing(device, which[: len(numbers)])
    reported = numbers[-1] - numbers[0] + 1 - len(set(numbers))
    return Outcome(device, truth, reported, numbering.report().uncertainty, restarts)


def _missing(device: Device, which: NDArray[np.int64]) -> int:
    """Frames that did not arrive, of all packets but the first.

    A packet has one time, that of its last frame. So what is missing of the first one shows in no
    stamp, and what is missing at the end of the last one is known already.
    """
    end = (which[-1] // device.burst + 1) * device.burst
    return int(end - device.burst - len(np.unique(which[which >= device.burst])))


def devices(n_runs: int, seed: int) -> Iterator[tuple[Device, int]]:
    """Devices at random and seeds of their runs; four of five jitter below half a frame."""
    rng = np.random.default_rng(seed)
    for i in range(n_runs):
        beyond = i % 5 == 4
        burst = int(rng.choice(BURSTS))
        n_packets = max(PACKETS, int(rng.integers(3000, 12000)) // burst)
        yield (
            Device(
                n_frames=n_packets * burst,
                sfreq=float(rng.choice(RATES)),
                jitter=float(rng.choice(BEYOND if beyond else BELOW)),
                shape=str(rng.choice(["uniform", "normal", "late"])) if beyond else "uniform",
                loss=float(rng.choice(LOSSES)),
                run=int(rng.choice(RUNS)),
                ppm=float(rng.uniform(-PPM, PPM)),
                burst=burst,
                duplicates=float(rng.choice([0.0, 0.0, 0.02])),
                block=int(rng.choice(BLOCKS)),
            ),
            int(rng.integers(2**31)),
        )


def simulated(n_runs: int, seed: int, jobs: int, minutes: float | None) -> list[Outcome]:
    """Run all devices, or as many as there is time for."""
    end_s = math.inf if minutes is None else time.monotonic() + 60 * minutes
    drawn = list(devices(n_runs, seed))
    outcomes: list[Outcome] = []
    with ProcessPoolExecutor(jobs) as pool:
        for start in range(0, n_runs, CHUNK):
            if time.monotonic() > end_s:
                break
            outcomes += pool.map(_number, drawn[start : start + CHUNK], chunksize=5)
    return outcomes


def _number(drawn: tuple[Device, int]) -> Outcome:
    return number(*drawn)


@dataclass(frozen=True)
class Group:
    """Runs of one kind."""

    name: str
    n_runs: int
    n_within: int
    n_false: int
    median_error: float
    worst: Outcome


def grouped(outcomes: Iterable[Outcome]) -> list[Group]:
    """Runs below and beyond half a frame of jitter, with and without losses."""
    groups: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        jitter = "below half a frame" if outcome.device.below_half else "beyond"
        name = f"jitter {jitter}, {'losses' if outcome.device.loss else 'no loss'}"
        groups.setdefault(name, []).append(outcome)
    return [
        Group(
            name,
            len(runs),
            sum(run.within for run in runs),
            sum(run.truth == 0 and run.reported > 0 for run in runs),
            float(np.median([run.error for run in runs])),
            max(runs, key=lambda run: run.error / max(FRAMES, SHARE * run.truth)),
        )
        for name, runs in sorted(groups.items())
    ]


@click.command()
@click.option("--runs", default=10000, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--jobs", default=1, show_default=True, help="Processes.")
@click.option("--minutes", type=float, help="Stop after so long with the runs that are done.")
@click.option("--save/--no-save", default=False, help=f"Write {RESULTS.name} beside the others.")
def main(runs: int, seed: int, jobs: int, minutes: float | None, save: bool) -> None:
    """Exit 4 when a run misses its bar."""
    begin_s = time.monotonic()
    outcomes = simulated(runs, seed, jobs, minutes)
    runs = len(outcomes)
    groups = grouped(outcomes)
    for group in groups:
        print(
            f"{group.name}: {group.n_within:,} of {group.n_runs:,} within the bar, "
            f"{group.n_false:,} with a loss where there was none, median error "
            f"{group.median_error:g} frames; worst {group.worst.reported:,} of "
            f"{group.worst.truth:,} ± {group.worst.uncertainty:.1f}"
        )
    missed = [outcome for outcome in outcomes if not outcome.within]
    for outcome in missed[:20]:
        print(f"missed: {outcome}")
    print(f"{runs:,} runs in {time.monotonic() - begin_s:.0f} s, seed {seed}")
    if save:
        document = {
            "schema_version": 1,
            "runs": runs,
            "seed": seed,
            "bars": {"share": SHARE, "frames": FRAMES, "false_losses": 0},
            "groups": [asdict(group) for group in groups],
            "missed": [asdict(outcome) for outcome in missed],
        }
        records.save(RESULTS, document)
    sys.exit(4 if missed else 0)


if __name__ == "__main__":
    main()
