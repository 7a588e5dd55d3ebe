# SPDX-License-Identifier: BSD-3-Clause
"""Measure how far the signal chain in C is from ``scipy.signal.sosfilt`` in float64.

    python -m benchmarks.studies.signal_chain

A minute of 1/f noise, mains and drift on two channels goes, as counts of a converter, through every
filter and number format; the error is the largest of all samples, in steps of the int8 input. The
formats that the generator does not use are there to say why.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy import signal

from benchmarks.studies import records
from edge.patches.versions import installed
from edge.signal import filters
from firmware_bridge.host import signal as signal_host
from firmware_bridge.signal.chain import generate
from firmware_bridge.signal.contract import Filter, Scaling, SignalContract
from quantize.graph.qgraph import Quant

RESULTS = Path(__file__).parent / "results" / "signal_chain.json"
BAR_STEPS = 0.05

Float = NDArray[np.float64]

SECONDS = 60
STEP_SD = 0.03
"""Step of the int8 input in standard deviations of the filtered signal: ±3.8 of them."""

FILTERS: Mapping[str, tuple[float, float | None, float | None]] = {
    "4-40 Hz": (4.0, 40.0, None),
    "0.5-40 Hz": (0.5, 40.0, None),
    "0.5-40 Hz, notch 50": (0.5, 40.0, 50.0),
    "8-30 Hz": (8.0, 30.0, None),
    "1-100 Hz, notch 60": (1.0, 100.0, 60.0),
    "high-pass 0.5 Hz": (0.5, None, None),
}
RATES = (250.0, 1000.0)
OFFSETS_MV = (-100.0, 0.0, 100.0)
DRIFT_MV = 0.3
STRONG_DRIFT_MV = 10.0
"""Of an electrode that dries; beside the bar, which is for a steady offset."""


@dataclass(frozen=True)
class Converter:
    """An ADC; ``dc`` says whether an electrode's offset reaches it."""

    name: str
    bits: int
    uv_per_count: float
    dc: bool


CONVERTERS = (
    Converter("24 bit (ADS1299, gain 24)", 24, 4.5e6 / 24 / 2**23, True),
    Converter("16 bit (RHD2000)", 16, 0.195, False),
)


@dataclass(frozen=True)
class Error:
    """The largest error of any sample, in steps of the int8 input and in µV."""

    filter: str
    sfreq: float
    offset_mv: float
    drift_mv: float
    converter: str
    format: str
    limit_steps: float
    limit_uv: float
    generated: bool

    @property
    def holds(self) -> bool:
        """Whether it is within the bar."""
        return self.limit_steps <= BAR_STEPS


@dataclass(frozen=True, eq=False)
class Case:
    """A signal in counts (n, 2), its contract, and what should come out, in steps."""

    contract: SignalContract
    counts: NDArray[np.int32]
    expected: Float


def recording(sfreq: float, offset_mv: float, drift_mv: float) -> Float:
    """Return (n, 2) µV: 1/f noise of some 20 µV, mains, slow drift, offsets of either sign."""
    n = round(SECONDS * sfreq)
    rng = np.random.default_rng(0)
    shape = 1 / np.sqrt(np.maximum(np.fft.rfftfreq(n, 1 / sfreq), 0.1))
    noise = np.fft.irfft(
        shape[:, None] * np.fft.rfft(rng.standard_normal((n, 2)), axis=0), n, axis=0
    )
    t = np.arange(n)[:, None] / sfreq
    mains = 20 * np.sin(2 * np.pi * 50 * t + [0, 1])
    drift = 1e3 * drift_mv * np.sin(2 * np.pi * 0.02 * t + [2, 0])
    return np.asarray(
        20 * noise / noise.std(0) + mains + drift + 1e3 * offset_mv * np.array([1, -1])
    )


def case(
    settings: Filter, sfreq: float, offset_mv: float, drift_mv: float, converter: Converter
) -> Case:
    """Return everything for one row."""
    half = 2 ** (converter.bits - 1)
    microvolts = recording(sfreq, offset_mv, drift_mv)
    counts = np.clip(np.rint(microvolts / converter.uv_per_count), -half, half - 1)
    moved = converter.uv_per_count * (counts - counts[0])
    filtered = signal.sosfilt(np.array(settings.sos), moved, axis=0)
    mean, std = filtered.mean(0), filtered.std(0)
    contract = SignalContract(
        channels=("A", "B"),
        reference="as recorded",
        unit="uV",
        sfreq=sfreq,
        filter=settings,
        scaling=Scaling("per_channel", tuple(mean), tuple(std)),
        n_times=1000,
        hop=15,
        classes=("a", "b"),
        input_quant=Quant(STEP_SD, 0),
        uv_per_count=converter.uv_per_count,
    )
    return Case(contract, counts.astype(np.int32), (filtered - mean) / std / STEP_SD)


def generated(arithmetic: str) -> Callable[[Case], Float]:
    """Run the C of an arithmetic."""

    def run(given: Case) -> Float:
        return signal_host.build(generate(given.contract, "edge", arithmetic)).steps(given.counts)

    return run


def _in_steps(given: Case, filtered: Float) -> Float:
    scaling = given.contract.scaling
    return np.asarray((filtered - np.array(scaling.mean)) / np.array(scaling.std) / STEP_SD)


def plain(subtract: bool) -> Callable[[Case], Float]:
    """Biquads as they are in the books, in float32; with or without subtracting the first frame."""

    def run(given: Case) -> Float:
        moved = given.counts - given.counts[0] if subtract else given.counts
        microvolts = (np.float32(given.contract.uv_per_count or 0) * moved).astype(np.float32)
        sos = np.array(given.contract.filter.sos, np.float32)
        return _in_steps(given, signal.sosfilt(sos, microvolts, axis=0).astype(np.float64))

    return run


FORMATS: Mapping[str, Callable[[Case], Float]] = {
    "float32 biquads": plain(subtract=False),
    "float32 biquads, first off": plain(subtract=True),
    "float (generated)": generated("float"),
    "fixed (generated)": generated("fixed"),
}


@cache
def _settings(name: str, sfreq: float) -> Filter:
    low, high, notch = FILTERS[name]
    return filters.design(low, high, 4, sfreq, notch)


def situations() -> list[tuple[float, float, Converter]]:
    """Return offsets and drifts in mV, and the converters that can take them."""
    steady = [
        (offset_mv, DRIFT_MV, converter)
        for converter in CONVERTERS
        for offset_mv in (OFFSETS_MV if converter.dc else (0.0,))
    ]
    return [*steady, (OFFSETS_MV[-1], STRONG_DRIFT_MV, CONVERTERS[0])]


def measure(
    formats: Sequence[str] = tuple(FORMATS), advance: Callable[[str], None] = lambda _: None
) -> list[Error]:
    """Measure every filter, rate, situation and format."""
    found = []
    for name, sfreq in itertools.product(FILTERS, RATES):
        for offset_mv, drift_mv, converter in situations():
            given = case(_settings(name, sfreq), sfreq, offset_mv, drift_mv, converter)
            for kind in formats:
                error = np.abs(FORMATS[kind](given) - given.expected).max(0)
                microvolts = error * STEP_SD * np.array(given.contract.scaling.std)
                found.append(
                    Error(
                        *(name, sfreq, offset_mv, drift_mv, converter.name, kind),
                        *(float(error.max()), float(microvolts.max())),
                        kind.endswith("(generated)"),
                    )
                )
        advance(f"{name} at {sfreq:g} Hz")
    return found


def table(errors: Sequence[Error]) -> Table:
    """Return a row for each filter, rate, converter and offset, with marks beyond the bar."""
    made = Table(title=f"largest error in steps of the int8 input (in µV); bar {BAR_STEPS:g}")
    for column in ("filter", "rate Hz", "converter", "offset mV", "drift mV", *FORMATS):
        made.add_column(column, justify="left" if column in ("filter", "converter") else "right")
    rows: dict[tuple[str, ...], dict[str, str]] = {}
    for e in errors:
        where = (e.filter, f"{e.sfreq:g}", e.converter, f"{e.offset_mv:g}", f"{e.drift_mv:g}")
        row = rows.setdefault(where, {})
        row[e.format] = f"{e.limit_steps:.2g} ({e.limit_uv:.2g})" + ("" if e.holds else " over")
    for key, row in rows.items():
        made.add_row(*key, *(row.get(kind, "") for kind in FORMATS))
    return made


@click.command()
@click.option("--save/--no-save", default=False, help=f"Write {RESULTS.name} beside the others.")
def main(save: bool) -> None:
    """Print every error beside the bar; exit 4 when a generated format is beyond it."""
    notes = Console(stderr=True)
    errors = measure(advance=lambda text: notes.print(text, markup=False))
    Console(width=200).print(table(errors))
    if save:
        document = {
            "schema_version": 1,
            "bar_steps": BAR_STEPS,
            "seconds": SECONDS,
            "step_sd": STEP_SD,
            "errors": [{**asdict(error), "holds": error.holds} for error in errors],
            "versions": {name: installed(name) for name in ("eeg-edge", "numpy", "scipy")},
        }
        records.save(RESULTS, document)
    sys.exit(4 if any(error.generated and not error.holds for error in errors) else 0)


if __name__ == "__main__":
    main()
