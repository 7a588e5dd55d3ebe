# SPDX-License-Identifier: BSD-3-Clause
"""Time every mode's int8 program in ExecuTorch, beside mode none's and beside its stock export.

    python -m benchmarks.studies.modes [BUNDLE...] [--save]

Bundles that are not given are exported from the shipped checkpoints into a folder of ``--work``,
stock programs beside them. What exists already is taken as it is, so that a run that was broken
off goes on; the folder is named after the code, weights and versions that they are made by.
Then all of them are timed in one process on one thread, in interleaved blocks; ratios are taken
inside a round. A stock program works when it exports, loads and gives finite logits on the bundle's
golden windows.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.devices.parcel import scaled_windows
from benchmarks.measure import protocol, stock, tool
from benchmarks.measure.machine import machine
from benchmarks.measure.protocol import Estimate, Protocol, Samples
from benchmarks.studies import records
from edge import registry
from edge.bundle import folder as bundle_folder
from edge.bundle import read as bundle
from edge.bundle.read import Bundle
from edge.checkpoint import files
from edge.checkpoint import find as checkpoints
from edge.errors import EdgeError
from edge.exporting import pipeline
from edge.exporting.prepare import ExportRequest
from edge.patches import stderr
from edge.targets.base import Session
from edge.targets.executorch import target as executorch
from edge.terminal.console import console

RESULTS = Path(__file__).parent / "results" / "modes.json"
WORK = Path(".cache") / "modes"
BASE = "none"
SLOWEST_TIMES = 1.8
"""No mode may take longer than that times :data:`BASE`."""
STOCK_TIMES = 18.0
"""Every mode is at least so many times faster than its stock export, where that works."""

OPERATOR = re.compile(r"Operator torch\._ops\.(\S+) is not|Failed to create (\w+) node")
"""Whom ExecuTorch blames: when it exports, and when it loads."""


def made_by(work: Path) -> Path:
    """Return the folder of what this code makes with what is installed."""
    folder = work / tool.key("benchmarks/measure/stock.py")[:12]
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@dataclass(frozen=True)
class Failure:
    """Why a stock program does not work; ``op`` is empty where nothing names one."""

    op: str
    reason: str

    def __str__(self) -> str:
        return f"{self.op}: {self.reason}" if self.op else self.reason


@dataclass(frozen=True)
class Entrant:
    """A mode, ready to run by both routes.

    Attributes
    ----------
    stock
        None where the stock route fails, see ``failure``.
    agreement
        Share of golden windows on which the stock program decides as the float model does.
    """

    mode: str
    bundle_sha256: str
    window: NDArray[np.float32]
    ours: Session
    stock: Session | None
    failure: Failure | None
    agreement: float | None


@dataclass(frozen=True)
class Row:
    """What was measured of a mode; µs, and ratios of blocks in the same round.

    ``stock_times_fastest`` is the ratio of the fastest calls, which the machine's load leaves alone
    where it makes the stock program, the larger one, slower than it is.
    """

    mode: str
    bundle_sha256: str
    latency_us: Estimate
    times_none: Estimate
    stock_us: Estimate | None
    stock_times: Estimate | None
    stock_times_fastest: float | None
    stock_agreement: float | None
    failure: Failure | None

    @property
    def missed(self) -> tuple[str, ...]:
        """Bars that do not hold, in words."""
        found = []
        if self.times_none.value > SLOWEST_TIMES:
            found.append(f"more than {SLOWEST_TIMES:g} times {BASE}")
        ratios = [] if self.stock_times is None else [self.stock_times.value]
        ratios += [] if self.stock_times_fastest is None else [self.stock_times_fastest]
        if any(times < STOCK_TIMES for times in ratios):
            found.append(f"less than {STOCK_TIMES:g} times faster than stock")
        return tuple(found)


def bundles(given: Sequence[Path], work: Path, note: Callable[[str], None]) -> dict[str, Bundle]:
    """Return a bundle of every mode: those given, and those exported into ``work``."""
    found = {made.manifest.model.mode: made for made in map(bundle.read, given)}
    for mode in registry.names(registry.MODES):
        folder = work / mode
        if mode in found:
            continue
        if bundle_folder.is_bundle(folder):
            note(f"{mode}: {folder} as it is")
            found[mode] = bundle.read(folder)
        else:
            shipped = checkpoints.Request(mode)
            with console(verbose=False, quiet=True) as ours:
                pipeline.export(ExportRequest(shipped, folder, True, ("executorch",)), ours)
            found[mode] = bundle.read(folder)
            note(f"{mode}: exported")
    return {mode: found[mode] for mode in sorted(found, key=lambda mode: (mode != BASE, mode))}


def entrant(mode: str, made: Bundle, work: Path) -> Entrant:
    """Load a mode's program, and make and load its stock one."""
    windows = scaled_windows(made)
    sha256 = made.manifest.files["model.safetensors"]
    artifact = made.manifest.artifact("executorch", "int8")
    ours = executorch.load((made.folder / artifact.file).read_bytes())
    program = work / f"{mode}-{sha256[:12]}.stock.pte"
    try:
        if not program.exists():
            data = stock.executorch_int8(files.load(made.folder).module, windows)
            program.write_bytes(data)
        session, agreement = opened(program, windows, made.golden()["logits/braindecode"])
    except StockError as error:
        return Entrant(mode, sha256, windows[0], ours, None, error.failure, None)
    except Exception as error:  # whatever the stock route stumbles over
        return Entrant(mode, sha256, windows[0], ours, None, failure(str(error)), None)
    return Entrant(mode, sha256, windows[0], ours, session, None, agreement)


class StockError(Exception):
    """A stock program that does not work."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


def opened(
    program: Path, windows: NDArray[np.float32], wanted: NDArray[np.float32]
) -> tuple[Session, float]:
    """Open a stock program that works, and count how often it decides as float does.

    Raises
    ------
    StockError
        When it does not load, or gives logits that are not finite.
    """
    with stderr.captured() as printed:
        found = _loaded(program, windows)
    if isinstance(found, str):
        raise StockError(failure(printed[0], found))
    session, logits = found
    broken = int((~np.isfinite(logits)).any(1).sum())
    if broken:
        raise StockError(
            Failure("", f"logits of {broken} in {len(windows)} windows are not finite")
        )
    return session, float((logits.argmax(1) == wanted.argmax(1)).mean())


def _loaded(
    program: Path, windows: NDArray[np.float32]
) -> tuple[Session, NDArray[np.float32]] | str:
    """A program and its logits, or what ExecuTorch says in Python."""
    try:
        session = stock.load_executorch(program.read_bytes())
        return session, session(windows)
    except RuntimeError as error:
        return str(error)


def failure(printed: str, error: str = "") -> Failure:
    """Return what ExecuTorch blames, and the line that says so."""
    for line in printed.splitlines():
        if (named := OPERATOR.search(line)) is not None:
            return Failure(named[1] or named[2], line.partition("] ")[2] or line.strip(' ."'))
    lines = [line for line in (error, *printed.splitlines()) if line.strip()]
    return Failure("", lines[0].strip() if lines else "no reason is given")


def measure(found: Iterable[Entrant], settings: Protocol, note: Callable[[str], None]) -> list[Row]:
    """Time everything that works, interleaved."""
    found = tuple(found)
    calls: dict[str, Callable[[], object]] = {}
    for one in found:
        for name, session in ((one.mode, one.ours), (f"stock {one.mode}", one.stock)):
            if session is not None:
                calls[name] = partial(session.invoke, session.encode(one.window))
    rounds = protocol.interleave(calls, settings)
    width = 100 * protocol.widest(rounds)
    note(f"{len(calls)} programs, {len(rounds)} rounds, medians known to {width:.1f} %")
    return [row(one, rounds) for one in found]


def fastest(rounds: Sequence[Samples], name: str) -> float:
    """Return the shortest call of all rounds, µs."""
    return min(value for samples in rounds for value in samples[name])


def row(one: Entrant, rounds: Sequence[Samples]) -> Row:
    """Return a mode's figures."""
    name = f"stock {one.mode}"
    works = name in rounds[0]
    return Row(
        one.mode,
        one.bundle_sha256,
        protocol.median(rounds, one.mode),
        protocol.ratio(rounds, one.mode, BASE),
        protocol.median(rounds, name) if works else None,
        protocol.ratio(rounds, name, one.mode) if works else None,
        fastest(rounds, name) / fastest(rounds, one.mode) if works else None,
        one.agreement,
        one.failure,
    )


def table(rows: Sequence[Row]) -> Table:
    """Show the figures to a person."""
    made = Table(
        *(
            "mode",
            "µs a window",
            f"times {BASE}",
            "stock µs",
            "stock / ours",
            "fastest calls",
            "bars",
        ),
        title=f"ExecuTorch int8, one thread; bars: {SLOWEST_TIMES:g} x {BASE}, "
        f"stock / ours {STOCK_TIMES:g}",
    )
    for one in rows:
        made.add_row(
            one.mode,
            f"{one.latency_us.value:.0f}",
            _interval(one.times_none, 2),
            "does not work" if one.stock_us is None else f"{one.stock_us.value:,.0f}",
            "" if one.stock_times is None else _interval(one.stock_times, 1),
            "" if one.stock_times_fastest is None else f"{one.stock_times_fastest:.1f}",
            f"MISSED: {', '.join(one.missed)}" if one.missed else "met",
        )
    return made


def _interval(found: Estimate, digits: int) -> str:
    return f"{found.value:.{digits}f} [{found.low:.{digits}f}, {found.high:.{digits}f}]"


def document(rows: Sequence[Row], settings: Protocol) -> Mapping[str, Any]:
    """Return everything as it is kept."""
    return {
        "schema_version": 1,
        "bars": {"times_none_at_most": SLOWEST_TIMES, "stock_times_at_least": STOCK_TIMES},
        "machine": machine(),
        "protocol": asdict(settings),
        "rows": [{**asdict(one), "missed": one.missed} for one in rows],
    }


@click.command()
@click.argument("given", metavar="BUNDLE...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--work", type=click.Path(path_type=Path), default=WORK, show_default=True)
@click.option("--seconds", default=60.0, show_default=True, help="That measuring takes at most.")
@click.option("--save/--no-save", default=False, help=f"Write {RESULTS.name} beside the others.")
def main(given: tuple[Path, ...], work: Path, seconds: float, save: bool) -> None:
    """Exit 4 when a bar is missed."""
    out, notes = Console(width=140), Console(stderr=True, highlight=False)
    settings = Protocol(limit_s=seconds)
    try:
        work = made_by(work)
        found = []
        for mode, made in bundles(given, work, notes.print).items():
            found.append(entrant(mode, made, work))
            notes.print(f"{mode}: {'stock works' if found[-1].stock else 'stock does not work'}")
        rows = measure(found, settings, notes.print)
    except EdgeError as error:
        notes.print(f"modes: {error}", markup=False)
        sys.exit(error.exit_code)
    out.print(table(rows))
    for one in rows:
        if one.failure is not None:
            out.print(f"stock {one.mode} does not work: {one.failure}", markup=False)
    if save:
        records.save(RESULTS, document(rows, settings))
    sys.exit(4 if any(one.missed for one in rows) else 0)


if __name__ == "__main__":
    main()
