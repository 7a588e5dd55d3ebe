# SPDX-License-Identifier: BSD-3-Clause
"""Compile the C of damaged graphs with sanitizers and run it beside the reference.

What the checks of a graph let through must be C that does not fault, that gives the reference's
integers, and whose streaming form gives the windowed form's: nothing else is ever written.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import numpy as np

from firmware_bridge.build import toolchain
from firmware_bridge.emit.generate import generate
from firmware_bridge.stream.generate import generate_stream
from quantize.graph import bounds, reference
from quantize.graph.qgraph import QGraph
from tests.fuzz import native

NAME = "net"
FLAGS = (
    *("-std=c99", "-O0", "-g1", "-DEDGE_PORTABLE", *native.ROLLED),
    *("-fsanitize=address,undefined,float-cast-overflow", "-fno-sanitize-recover=all"),
)
MAIN = f"""
int main(void)
{{
    static uint8_t data[4096];
    static {NAME}_t model;
    static int8_t window[{NAME.upper()}_N_TIMES * {NAME.upper()}_N_CHANS];
    int16_t logits[{NAME.upper()}_N_OUTPUTS];
    const size_t size = fread(data, 1, sizeof data, stdin);
    run_{NAME}(data, size);
    run_{NAME}_stream(data, size);
    for (size_t i = 0; i < sizeof window; i++) {{ window[i] = (int8_t)data[i % size]; }}
    CHECK({NAME}_infer(&model, window, logits) == 1);
    for (int o = 0; o < {NAME.upper()}_N_OUTPUTS; o++) {{ printf("%d\\n", logits[o]); }}
    return 0;
}}
"""


def run(graph: QGraph, hop: int, seed: int = 0) -> None:
    """Raise AssertionError where the C of a graph faults or gives other integers."""
    head = {one.node: one.bound for one in bounds.accumulators(graph)}[graph.head.output]
    fields = {"name": NAME, "upper": NAME.upper(), "bound": head, "hop": hop}
    streaming = native.STREAM.substitute(fields).replace(f"run_{NAME}(", f"run_{NAME}_stream(")
    functions = {NAME: native.ENGINE.substitute(fields), f"{NAME}_stream": streaming}
    files = {**generate(graph, NAME).files, **generate_stream(graph, hop, NAME).files}
    noise = np.random.default_rng(seed).integers(-128, 128, 4096, np.int8)
    *_, n_times, n_chans = graph[graph.input].shape
    window = np.resize(noise, (n_times, n_chans))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = native.write(files, functions, folder)
        with (folder / "target.c").open("a") as target:
            target.write(MAIN)
        compiler = toolchain.host_compiler()
        _outside_limits([*compiler, *FLAGS, *sources, "-o", "run", "-lm"], folder)
        said = _outside_limits([str(folder / "run")], folder, noise.tobytes())
    quant = graph.quant(graph.input)
    real = (window.astype(np.float32) - quant.zero_point) * np.float32(quant.scale)
    expected = reference.run(graph, real.T[None]).stored[0]
    if expected.dtype == np.int16:
        given = [int(word) for word in said.split()]
        assert given == expected.tolist(), f"{given} in C, {expected} in the reference"


def _outside_limits(command: list[str], folder: Path, given: bytes = b"") -> str:
    """Run a program, which may reserve memory as sanitizers do; what it prints."""
    free = ["sh", "-c", 'ulimit -S -v unlimited; exec "$@"', "sh"]
    done = subprocess.run(
        [*free, *command], cwd=folder, input=given, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-3000:]
    return done.stdout.decode()
