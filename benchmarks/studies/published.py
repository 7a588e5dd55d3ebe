# SPDX-License-Identifier: BSD-3-Clause
"""Run the exact networks whose figures on microcontrollers are published, beside those figures.

    python -m benchmarks.studies.published [--save]

Weights are random, as cost does not depend on them; calibration is on noise. The engine is emulated
and must give the reference's integers on every window. What is counted are instructions, of the
worst window; what others measured are cycles, and a cycle runs at most one instruction here.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version as installed
from pathlib import Path

import click
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.emulate import emulator, stream_emulator
from benchmarks.emulate.cost import Case, in_unicorn, macs
from benchmarks.studies import pages, records
from edge.checkpoint import build
from edge.families import base as families
from edge.spec import Argument, ModelSpec
from firmware_bridge.emit.generate import generate
from firmware_bridge.stream.generate import generate_stream
from quantize import pipeline
from quantize.graph import reference
from quantize.graph.qgraph import QGraph
from quantize.graph.streaming import all_windows, pool_stride
from quantize.recipe import Recipe

RESULTS = Path(__file__).parent / "results" / "published.json"
PAGE = pages.DOCS / "notes" / "published.md"
COMMAND = "python -m benchmarks.studies.published --save"
N_WINDOWS, N_CALIBRATION, N_DECISIONS = 20, 100, 40
BUILDS = (("cortex-m4", "zig"), ("cortex-m4", "gcc"), ("cortex-m7", "zig"), ("cortex-m7", "gcc"))


@dataclass(frozen=True)
class Network:
    """A network as it was published.

    Attributes
    ----------
    published
        What its authors measured, in words; empty where nobody did.
    bar
        Instructions on a Cortex-M4 that issue 17 asks for.
    streamed
        Whether decisions one pool apart are measured too.
    """

    name: str
    spec: ModelSpec
    published: str
    bar: int
    streamed: bool = False


def eegnet(
    n_chans: int, n_times: int, length: int, pools: tuple[int, int], activation: str = "ELU"
) -> ModelSpec:
    """An EEGNet of four classes."""
    arguments: dict[str, Argument] = {"kernel_length": length, "activation": activation}
    arguments |= {"pool1_kernel_size": pools[0], "pool2_kernel_size": pools[1]}
    return ModelSpec("eegnet", n_chans, n_times, 4, arguments)


NETWORKS = (
    Network(
        "EEGNet 38x53, kernel 43, pools 3 and 8 (Wang 2020, Model 1)",
        eegnet(38, 53, 43, (3, 8)),
        "M4F 8.07 M cycles, M7 4.40 M; 70.27 KB RAM, 6.61 KB flash",
        105_000,
    ),
    Network(
        "EEGNet 38x107, kernel 43, pools 3 and 8 (Wang 2020, Model 2)",
        eegnet(38, 107, 43, (3, 8)),
        "M7 9.46 M cycles; 139.20 KB RAM, 7.12 KB flash",
        185_000,
    ),
    Network(
        "Q-EEGNet 22x1125, kernel 64, ReLU, pools 8 and 8",
        eegnet(22, 1125, 64, (8, 8), activation="ReLU"),
        "Mr. Wolf, int8: 19.80 M cycles on one core, 1.36 M on eight; 42.9 KB RAM fused",
        1_900_000,
    ),
    Network(
        "EEGNet 22x1000, kernel 64, pools 4 and 8 (braindecode's)",
        eegnet(22, 1000, 64, (4, 8)),
        "",
        1_700_000,
        streamed=True,
    ),
    Network(
        "EEGNet 64x480, kernel 128, pools 8 and 8",
        eegnet(64, 480, 128, (8, 8)),
        "did not fit the authors' boards",
        1_700_000,
    ),
    Network(
        "MI-BMInet 22x1125, 16 filters (1.62 M MACs; the published size has 2.21 M)",
        ModelSpec("mibminet", 22, 1125, 4),
        "Mr. Wolf, int8: 11.37 ms at 50 MHz on eight cores; 46.6 KB RAM",
        1_900_000,
        streamed=True,
    ),
)


@dataclass(frozen=True)
class Finding:
    """What a network takes.

    Attributes
    ----------
    instructions
        A window, by core and compiler; of a streamed decision under ``streamed``.
    sizes
        Bytes on a Cortex-M4 with zig: ``ram`` is state, scratch and stack, ``window`` the caller's.
    """

    name: str
    macs: int
    instructions: dict[str, int]
    sizes: dict[str, int]
    same_integers: bool
    streamed: dict[str, int] = field(default_factory=dict)


def quantized(spec: ModelSpec) -> QGraph:
    """The integer graph of a network with random weights and statistics."""
    torch.manual_seed(0)
    module = build.build(spec).module
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            assert layer.running_mean is not None
            assert layer.running_var is not None
            layer.running_mean.uniform_(-0.3, 0.3)
            layer.running_var.uniform_(0.5, 2.0)
    net = families.lower(module, spec)
    return pipeline.quantize(net, noise(spec, N_CALIBRATION), Recipe()).graph


def noise(spec: ModelSpec, count: int, seed: int = 0) -> NDArray[np.float32]:
    """Unit noise (count, n_chans, n_times)."""
    shape = (count, spec.n_chans, spec.n_times)
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def measure(network: Network) -> Finding:
    """Emulate one network on every core and with every compiler."""
    graph = quantized(network.spec)
    x = noise(network.spec, N_WINDOWS, 1)
    windows = np.ascontiguousarray(reference.to_input(graph, x)[:, 0])
    stored = reference.run(graph, x).stored.reshape(N_WINDOWS, -1)
    case = Case(graph, generate(graph), windows, stored)
    costs = {
        f"{core} {compiler}": in_unicorn(case, emulator.CORES[core], compiler)
        for core, compiler in BUILDS
    }
    first = costs[" ".join(BUILDS[0])]
    return Finding(
        network.name,
        macs(graph),
        {name: cost.instructions_per_window for name, cost in costs.items()},
        {
            "ram": first.ram_bytes,
            "window": windows[0].nbytes,
            "flash": first.code_bytes + first.weights_bytes,
        },
        all(cost.same_integers for cost in costs.values()),
        streamed(graph) if network.streamed else {},
    )


def streamed(graph: QGraph) -> dict[str, int]:
    """Instructions of a decision one pool after the last, and the RAM, on a Cortex-M4 with zig."""
    n_times, n_chans = graph[graph.input].shape[-2:]
    hop = pool_stride(graph)
    frames = np.random.default_rng(2).integers(
        -128, 128, (n_times + (N_DECISIONS - 1) * hop, n_chans)
    )
    x = frames.astype(np.int8)
    windows = np.swapaxes(all_windows(x, n_times, hop), 1, 2)
    expected = reference.run(graph, reference.dequantize(windows, graph.quant(graph.input))).stored
    firmware = generate_stream(graph, hop)
    built = stream_emulator.build(firmware, emulator.CORES["cortex-m4"])
    runs = list(stream_emulator.replay(built, x, n_times, expected.shape[1]))
    if not all(np.array_equal(run.output, row) for run, row in zip(runs, expected, strict=True)):
        raise RuntimeError("the streamed decisions are not the windows'")
    return {
        "hop": hop,
        "instructions_per_decision": max(run.instructions for run in runs),
        "ram_bytes": firmware.state_bytes + max(run.stack_bytes for run in runs),
    }


def markdown(findings: Sequence[Finding]) -> str:
    """Return the table of the page."""
    heads = ("network", "published", "MACs", *(" ".join(build) for build in BUILDS), "asked on M4")
    heads = (*heads, "RAM + window", "flash")
    rows = [
        (
            found.name,
            network.published or "-",
            f"{found.macs:,}",
            *(f"{found.instructions[' '.join(build)]:,}" for build in BUILDS),
            f"{network.bar:,}",
            f"{found.sizes['ram']:,} + {found.sizes['window']:,}",
            f"{found.sizes['flash']:,}",
        )
        for found, network in zip(findings, NETWORKS, strict=True)
    ]
    lines = [heads, ("---",) * len(heads), *rows]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{table}\n\n" + "\n".join(_streamed_lines(findings)) + "\n"


def _streamed_lines(findings: Sequence[Finding]) -> Iterator[str]:
    for found in findings:
        if found.streamed:
            one, window = found.streamed, found.instructions[" ".join(BUILDS[0])]
            share = window / one["instructions_per_decision"]
            yield (
                f"- {found.name}, streamed: a decision every {one['hop']} samples takes "
                f"{one['instructions_per_decision']:,} instructions on a Cortex-M4, 1/{share:.1f} "
                f"of a window's, and {one['ram_bytes']:,} bytes of RAM in all; every decision is "
                f"the window's, integer for integer."
            )


def read() -> list[Finding]:
    """The findings that are kept."""
    return [Finding(**one) for one in json.loads(RESULTS.read_text())["networks"]]


@click.command()
@click.option("--save/--no-save", default=False, help=f"Keep {RESULTS.name} and write the page.")
def main(save: bool) -> None:
    """Measure every network; exit 1 where an integer differs."""
    findings = []
    for network in NETWORKS:
        findings.append(measure(network))
        click.echo(f"{findings[-1].name}: {findings[-1].instructions}", err=True)
    click.echo(markdown(findings))
    if save:
        versions = {name: installed(name) for name in ("eeg-edge", "ziglang", "unicorn")}
        records.save(RESULTS, {"networks": [asdict(one) for one in findings], "versions": versions})
        pages.write(PAGE, COMMAND, markdown(findings))
    if not all(one.same_integers for one in findings):
        sys.exit(1)


if __name__ == "__main__":
    main()
