# SPDX-License-Identifier: BSD-3-Clause
"""Check that the streaming engine is exact, and count what a decision costs on emulated cores.

    python -m benchmarks.studies.streaming BUNDLE... --save

Every bundle's C streams golden windows and noise on this machine and must give, at every
hop, what the windowed C gives on the same window. Costs are those of the worst of some decisions of
the first bundle, samples in, filter excluded; with fewer channels, of its network cut down to them.
They are instructions, not cycles and not time.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.emulate import emulator, stream_emulator
from benchmarks.studies import records
from edge.bundle import read as bundle
from edge.errors import EdgeError
from edge.patches.versions import installed
from firmware_bridge.emit.generate import generate
from firmware_bridge.host import stream as host_stream
from firmware_bridge.host import windowed as host
from firmware_bridge.stream.generate import generate_stream
from quantize.graph import reference
from quantize.graph.qgraph import QGraph
from quantize.graph.streaming import all_windows

RESULTS = Path(__file__).parent / "results" / "streaming.json"
REFERENCE = 15_180_000
"""Instructions a decision of TFLM + CMSIS-NN on a Cortex-M4, which computes the whole window."""
BUILDS = (
    ("cortex-m4", "zig"),
    ("cortex-m4", "gcc"),
    ("cortex-a72", "zig"),
    ("cortex-a76", "zig"),
)
"""Cores, and who compiles for them; costs of all channels."""
INSTRUCTION_BARS: Mapping[str, int] = {"cortex-m4": 95_000, "cortex-a72": 45_000}
RAM_BARS: Mapping[tuple[str, int], int] = {("cortex-m4", 22): 10_240, ("cortex-m4", 8): 8_704}
BAR_CHANNELS, FEWER_CHANNELS = 22, 8
"""Channels that the bars are stated for."""
CHUNK = 500
"""Decisions whose windows are held in memory at once."""

Int8 = NDArray[np.int8]


@dataclass(frozen=True)
class Exactness:
    """Decisions of a bundle's mode on this machine and how many differ from windowed ones."""

    mode: str
    hop: int
    n_decisions: int
    n_different: int


@dataclass(frozen=True)
class Cost:
    """A decision on a core; ``ram_bytes`` is state and stack."""

    core: str
    compiler: str
    n_chans: int
    hop: int
    n_decisions: int
    same_integers: bool
    instructions_per_decision: int
    instruction_bar: int | None
    ram_bytes: int
    ram_bar: int | None

    @property
    def holds(self) -> bool:
        """Whether it computes what it should, within its bars."""
        slow = self.instruction_bar is not None and (
            self.instructions_per_decision > self.instruction_bar
        )
        large = self.ram_bar is not None and self.ram_bytes > self.ram_bar
        return self.same_integers and not slow and not large


def signal(graph: QGraph, golden: Int8, n_samples: int) -> Int8:
    """Golden windows one after another and noise in turn, (n_samples, n_chans)."""
    n_times, n_chans = graph[graph.input].shape[-2:]
    rng = np.random.default_rng(0)
    pieces: list[Int8] = []
    while sum(map(len, pieces)) < n_samples:
        pieces.append(golden[len(pieces) // 2 % len(golden)])
        pieces.append(rng.integers(-128, 128, (n_times, n_chans), dtype=np.int8))
    return np.ascontiguousarray(np.concatenate(pieces)[:n_samples])


def exactness(mode: str, graph: QGraph, golden: Int8, hop: int, n_decisions: int) -> Exactness:
    """Stream on this machine beside the windowed engine."""
    n_times = graph[graph.input].shape[2]
    x = signal(graph, golden, n_times + (n_decisions - 1) * hop)
    stream = host_stream.open_stream(generate_stream(graph, hop))
    streamed = np.stack([stored for _, stored in stream.push(x)])
    library = host.build(generate(graph), streamed.shape[1])
    different = 0
    for first in range(0, n_decisions, CHUNK):
        count = min(CHUNK, n_decisions - first)
        piece = x[first * hop : first * hop + n_times + (count - 1) * hop]
        windowed = library.infer(all_windows(piece, n_times, hop))
        different += int((windowed != streamed[first : first + count]).any(1).sum())
    return Exactness(mode, hop, len(streamed), different)


def with_channels(graph: QGraph, n_chans: int) -> QGraph:
    """Return the network on its first channels only."""
    mix = next(node for node in graph.nodes if node.input == graph.input)
    tensors = tuple(
        replace(tensor, shape=(*tensor.shape[:-1], n_chans))
        if tensor.name == graph.input
        else tensor
        for tensor in graph.tensors
    )
    name = f"{mix.output}.weight"
    constants = {**graph.constants, name: graph.constants[name][..., :n_chans].copy()}
    return replace(graph, tensors=tensors, constants=constants)


def cost(graph: QGraph, golden: Int8, build: tuple[str, str], hop: int, n_decisions: int) -> Cost:
    """Run some decisions on an emulated core."""
    core, compiler = build
    n_times, n_chans = graph[graph.input].shape[-2:]
    x = signal(graph, golden, n_times + (n_decisions - 1) * hop)
    windows = np.swapaxes(all_windows(x, n_times, hop), 1, 2)
    expected = reference.run(graph, reference.dequantize(windows, graph.quant(graph.input))).stored
    firmware = generate_stream(graph, hop)
    built = stream_emulator.build(firmware, emulator.CORES[core], compiler=compiler)
    runs = list(stream_emulator.replay(built, x, n_times, expected.shape[1]))
    return Cost(
        *(core, compiler, n_chans, hop, len(runs)),
        all(np.array_equal(run.output, row) for run, row in zip(runs, expected, strict=True)),
        max(run.instructions for run in runs),
        INSTRUCTION_BARS.get(core) if n_chans == BAR_CHANNELS else None,
        firmware.state_bytes + max(run.stack_bytes for run in runs),
        RAM_BARS.get((core, n_chans)),
    )


def tables(exact: Sequence[Exactness], costs: Sequence[Cost]) -> tuple[Table, Table]:
    """Both as a person reads them."""
    first = Table("mode", "hop", "decisions", "different", title="streamed against windowed, host")
    for row in exact:
        first.add_row(row.mode, *(f"{n:,}" for n in (row.hop, row.n_decisions, row.n_different)))
    second = Table(
        *(
            "core",
            "compiler",
            "channels",
            "instructions a decision",
            "bar",
            "RAM bytes",
            "bar",
            "holds",
        ),
        title=f"a decision, state and stack (TFLM + CMSIS-NN on a Cortex-M4: {REFERENCE:,})",
    )
    for found in costs:
        second.add_row(
            found.core,
            found.compiler,
            str(found.n_chans),
            f"{found.instructions_per_decision:,}",
            "" if found.instruction_bar is None else f"{found.instruction_bar:,}",
            f"{found.ram_bytes:,}",
            "" if found.ram_bar is None else f"{found.ram_bar:,}",
            "yes" if found.holds else "NO",
        )
    return first, second


@click.command()
@click.argument("bundles", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--hop", default=15, show_default=True)
@click.option(
    "--decisions",
    default=10_000,
    show_default=True,
    help="On this machine, a bundle; 0 keeps what is stored.",
)
@click.option(
    "--emulated",
    type=click.IntRange(min=1),
    default=500,
    show_default=True,
    help="On every emulated core.",
)
@click.option("--save/--no-save", default=False, help=f"Write {RESULTS.name} beside the others.")
def main(bundles: tuple[Path, ...], hop: int, decisions: int, emulated: int, save: bool) -> None:
    """Exit 1 when an integer differs, 4 when a bar is missed."""
    out, notes = Console(width=140), Console(stderr=True)
    exact: list[Exactness] = []
    costs: list[Cost] = []
    try:
        for i, folder in enumerate(bundles):
            made = bundle.read(folder)
            graph = made.graph()
            golden = made.golden()["x_int8"].reshape(-1, *graph[graph.input].shape[-2:])
            if decisions:
                exact.append(exactness(made.manifest.model.mode, graph, golden, hop, decisions))
                notes.print(f"{exact[-1].mode}: {exact[-1].n_different} differ")
            if i == 0:
                costs = [cost(graph, golden, build, hop, emulated) for build in BUILDS]
                fewer = with_channels(graph, FEWER_CHANNELS)
                few = np.ascontiguousarray(golden[..., :FEWER_CHANNELS])
                costs.append(cost(fewer, few, BUILDS[0], hop, 20))
    except EdgeError as error:
        notes.print(f"streaming: {error}", markup=False)
        sys.exit(error.exit_code)
    if not decisions:
        stored = json.loads(RESULTS.read_text())["exactness"]
        exact = [Exactness(**row) for row in stored]
    for table in tables(exact, costs):
        out.print(table)
    if save:
        document = {
            "schema_version": 1,
            "exactness": [asdict(row) for row in exact],
            "costs": [{**asdict(found), "holds": found.holds} for found in costs],
            "reference_instructions": REFERENCE,
            "versions": {name: installed(name) for name in ("eeg-edge", "ziglang", "unicorn")},
        }
        records.save(RESULTS, document)
    if any(row.n_different for row in exact) or not all(found.same_integers for found in costs):
        sys.exit(1)
    sys.exit(0 if all(found.holds for found in costs) else 4)


if __name__ == "__main__":
    main()
