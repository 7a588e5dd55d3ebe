# SPDX-License-Identifier: BSD-3-Clause
"""Measure on this machine, every runtime in this process and in a process of its own."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import entrants, fresh, machine, planned, protocol
from benchmarks.measure.entrants import Entrant
from benchmarks.measure.findings import About, Findings, Request, Result, latencies, threads_note
from benchmarks.measure.protocol import Block, Estimate, Samples
from edge.bundle import child
from edge.bundle import folder as bundle_folder
from edge.bundle.apart import Apart
from edge.bundle.read import Bundle
from edge.errors import MissingToolError
from edge.terminal.console import Console

DEVICE = "local"
THREADS = True
STOCK = "stock-executorch"

NOTES = (
    """latency: the runtime's own call on one window that is scaled, quantized and laid out
    already; everything loaded in one process, blocks interleaved""",
    """stock_ratio: latency of the stock ExecuTorch program of the same weights and precision over
    this one's, in the same round""",
    """load_us: from bytes to a loaded model in a fresh process that has imported the runtime; of
    the C engine to link its shared library, compiled already, whose constants its weights are""",
    """resident_bytes: most memory resident in a fresh Python process after one window, imports
    included""",
    planned.NOTE,
)


def run(opened: Bundle, _: str, request: Request, console: Console) -> Findings:
    """Measure a bundle here."""
    golden = opened.golden()["x"]
    windows = opened.contract().scale(np.asarray(golden, np.float32))
    with tempfile.TemporaryDirectory(prefix="edge-bench-") as folder:
        found, skipped = _entrants(opened, request, windows, Path(folder), console)
        apart = Apart(opened, opened.manifest.artifacts, console.note, endless=True)
        blocks, absent = _open(found, request.threads, windows[0], apart)
        rounds = _latency(blocks, request, console)
        present = [entrant for entrant in found if entrant.name in blocks]
        results = [
            *(result for entrant in present for result in _latencies(entrant, rounds)),
            *_fresh(present, windows[0].shape, request, console),
            *(result for entrant in present for result in _sizes(entrant)),
        ]
    notes = (threads_note(request), *(" ".join(note.split()) for note in NOTES))
    return Findings(tuple(results), notes, skipped | absent, rounds, machine.machine())


def _entrants(
    opened: Bundle,
    request: Request,
    windows: NDArray[np.float32],
    folder: Path,
    console: Console,
) -> tuple[tuple[Entrant, ...], dict[str, str]]:
    own = entrants.loadable_here(opened, request.targets, folder, console.note)
    if not request.stock:
        return own, {}
    precisions = sorted({entrant.precision for entrant in own})
    with console.progress("stock export", len(precisions) + 1) as advance:
        try:
            return own + entrants.stock(opened, windows, precisions, folder, advance), {}
        except MissingToolError as error:
            console.note(f"note: {error}")
            return own, {STOCK: str(error)}


def _open(
    found: Sequence[Entrant], threads: int, window: NDArray[np.float32], apart: Apart
) -> tuple[dict[str, Block], dict[str, str]]:
    """Load everything; what has no runtime here is named with the line that installs it.

    What runs in a process of its own is timed there, so that no pipe is in its figures.
    """
    blocks: dict[str, Block] = {}
    absent = {}
    for entrant in found:
        try:
            session = entrant.open(threads, apart)
        except MissingToolError as error:
            absent[entrant.name] = str(error)
            continue
        if isinstance(session, child.Session):
            blocks[entrant.name] = partial(session.block, window)
        else:
            call = partial(session.invoke, session.encode(window))
            blocks[entrant.name] = protocol.timed(call)
    if not blocks:
        raise MissingToolError(" ".join(dict.fromkeys(absent.values())))
    return blocks, absent


def _latency(blocks: dict[str, Block], request: Request, console: Console) -> tuple[Samples, ...]:
    with console.progress("seconds", max(1, int(request.protocol.limit_s))) as advance:
        return protocol.interleave_blocks(blocks, request.protocol, _each_second(advance))


def _each_second(advance: Callable[[str], None]) -> Callable[[Sequence[Samples]], None]:
    """Progress in seconds of the limit: the medians may be tight before it."""
    last = time.monotonic()

    def after(rounds: Sequence[Samples]) -> None:
        nonlocal last
        while time.monotonic() - last >= 1:
            last += 1
            width = 100 * protocol.widest(rounds)
            advance(f"{len(rounds)} rounds, medians known to {width:.1f} %")

    return after


def _latencies(entrant: Entrant, rounds: Sequence[Samples]) -> list[Result]:
    name, about = entrant.name, _about(entrant)
    found = latencies(about, name, rounds)
    stock = f"{STOCK} {entrant.precision}"
    if stock in rounds[0] and stock != name:
        times = protocol.ratio(rounds, stock, name)
        found.append(about.estimate("stock_ratio", "times", times))
    return found


def _about(entrant: Entrant) -> About:
    return About(entrant.target, entrant.precision, DEVICE)


def _fresh(
    present: Sequence[Entrant], shape: tuple[int, int], request: Request, console: Console
) -> list[Result]:
    """Processes of their own, interleaved too."""
    kinds = [*present, Entrant("none", "", Path())]
    values: dict[tuple[Entrant, str], list[float]] = {}
    repeats = request.protocol.processes
    with console.progress("fresh processes", repeats) as advance:
        for _ in range(repeats):
            for entrant in kinds:
                one = fresh.run(entrant.target, entrant.path, shape, request.threads)
                for metric, value in one.items():
                    values.setdefault((entrant, metric), []).append(value)
            advance(f"{len(kinds)} each")
    return [
        _about(entrant).estimate(
            metric,
            "us" if metric == "load_us" else "bytes",
            Estimate(statistics.median(found), min(found), max(found), len(found)),
        )
        for (entrant, metric), found in values.items()
    ]


def _sizes(entrant: Entrant) -> list[Result]:
    path, about = entrant.path, _about(entrant)
    weights = path / "model.safetensors" if entrant.target in entrants.MODULES else path
    size = bundle_folder.content_bytes(bundle_folder.read_content(weights))
    found = [about.exact("file_bytes", "bytes", size)]
    memory = planned.planned_bytes(entrant.target, path)
    if memory is not None:
        found.append(about.exact("planned_bytes", "bytes", memory))
    return found
