# SPDX-License-Identifier: BSD-3-Clause
"""Fuzz the generated C with libFuzzer under AddressSanitizer and UndefinedBehaviorSanitizer.

Every target checks more than that nothing faults: the engine gives the same twice and keeps its
sums within the bound that was proved, the streaming engine gives what the windowed one gives on the
same window, the signal chain's frames are its own steps, rounded.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

import click

HERE = Path(__file__).parent
SANITIZERS = "-fsanitize=fuzzer,address,undefined,float-cast-overflow"
ROLLED = ("-DEDGE_UNROLL=", "-DEDGE_UNROLL_SOME=")
"""Unrolled loops whose every turn is checked took clang more than 400 s of the streaming engine."""
FLAGS = (
    *("-std=c99", "-O1", "-g", SANITIZERS, "-fno-sanitize-recover=all", "-DEDGE_PORTABLE"),
    *ROLLED,
)
INSTALL = "apt-get install clang libclang-rt-dev"
HOP = 10
GATES = ("eca", "gsop", "srm", "encnet")
"""Modes whose gates have between them every integer operation that a gate has."""

ENGINE = Template("""
static void run_$name(const uint8_t *data, size_t size)
{
    const size_t n = (size_t)${upper}_N_TIMES * ${upper}_N_CHANS, n_out = ${upper}_N_OUTPUTS;
    int8_t *window = room(n);
    ${name}_t *m = room(sizeof *m), *other = room(sizeof *other);
    int16_t *first = room(n_out * sizeof *first), *again = room(n_out * sizeof *again);
    int32_t *sums = room(n_out * sizeof *sums);
    float *real = room(n_out * sizeof *real);
    for (size_t i = 0; i < n; i++) { window[i] = (int8_t)byte_of(data, size, i); }
    CHECK(${name}_infer(m, window, first) == 1);
    CHECK(${name}_infer_sums(m, window, sums) == 1);
    CHECK(${name}_infer_float(m, window, real) == 1);
    memset(other, 0x3C, sizeof *other);
    CHECK(${name}_infer(other, window, again) == 1);
    CHECK(memcmp(first, again, n_out * sizeof *first) == 0);
    for (size_t o = 0; o < n_out; o++) {
        CHECK(sums[o] <= $bound && sums[o] >= -($bound));
        CHECK(isfinite(real[o]));
    }
    free(window); free(m); free(other); free(first); free(again); free(sums); free(real);
}
""")

STREAM = Template("""
static void run_$name(const uint8_t *data, size_t size)
{
    const size_t n_chans = ${upper}_N_CHANS, n_out = ${upper}_N_OUTPUTS;
    const size_t n = (size_t)${upper}_N_TIMES * n_chans;
    const int more = 3 * ${upper}_HOP + byte_of(data, size, 0) % 64;
    const int n_frames = 2 * ${upper}_N_TIMES + more;
    const int restart = byte_of(data, size, 1) % 4 ? -1 : (int)byte_of(data, size, 2) * 2;
    int8_t *window = room(n), *frame = room(n_chans);
    ${name}_stream_t *s = room(sizeof *s);
    ${name}_t *m = room(sizeof *m);
    int16_t *given = room(n_out * sizeof *given), *expected = room(n_out * sizeof *expected);
    int known = 0, decisions = 0;
    ${name}_reset(s);
    for (int t = 0; t < n_frames; t++) {
        if (t == restart) { ${name}_reset(s); known = 0; }
        for (size_t c = 0; c < n_chans; c++) {
            frame[c] = (int8_t)byte_of(data, size, (size_t)t * n_chans + c);
        }
        memmove(window, window + n_chans, n - n_chans);
        memcpy(window + n - n_chans, frame, n_chans);
        known++;
        if (${name}_push(s, frame, given)) {
            CHECK(known >= ${upper}_N_TIMES && (known - ${upper}_N_TIMES) % ${upper}_HOP == 0);
            CHECK(${name}_infer(m, window, expected) == 1);
            CHECK(memcmp(given, expected, n_out * sizeof *given) == 0);
            decisions++;
        } else {
            CHECK(known < ${upper}_N_TIMES || (known - ${upper}_N_TIMES) % ${upper}_HOP != 0);
        }
    }
    CHECK(decisions > 0);
    free(window); free(frame); free(s); free(m); free(given); free(expected);
}
""")

SIGNAL = Template("""
static void run_$name(const uint8_t *data, size_t size)
{
    const size_t n_in = ${name}_SIGNAL_INPUTS, n_chans = ${name}_SIGNAL_CHANS;
    int32_t *counts = room(n_in * sizeof *counts);
    $kind *steps = room(n_chans * sizeof *steps);
    int8_t *frame = room(n_chans);
    ${name}_signal_t *s = room(sizeof *s), *twin = room(sizeof *twin);
    ${name}_signal_reset(s);
    ${name}_signal_reset(twin);
    for (size_t t = 0; t < 400; t++) {
        for (size_t c = 0; c < n_in; c++) {
            const size_t at = 3 * (t * n_in + c);
            uint32_t word = 0;
            for (size_t k = 0; k < 3; k++) { word = word << 8 | byte_of(data, size, at + k); }
            counts[c] = (int32_t)(word ^ 0x800000u) - 0x800000;
        }
        CHECK(${name}_signal(s, counts, frame) == 1);
        CHECK(${name}_signal_steps(twin, counts, steps) == 1);
        for (size_t c = 0; c < n_chans; c++) {
            const double step = (double)steps[c] / $unit + ($zero);
            CHECK(isfinite(step));
            const double clipped = step < -128 ? -128 : step > 127 ? 127 : step;
            CHECK(fabs(clipped - frame[c]) <= 0.501);
        }
    }
    free(counts); free(steps); free(frame); free(s); free(twin);
}
""")

Parts = tuple[dict[str, str], dict[str, str]]
"""Files of generated C by name, and the function that runs each model."""


def models(gates: Sequence[str] = GATES) -> Mapping[str, Any]:
    """Integer graphs by name: one of no network, and small ones of several gates."""
    from edge.families.base import lower
    from edge.spec import ModelSpec
    from quantize.pt2e import ptq
    from quantize.pt2e.extract import extract
    from quantize.recipe import Recipe
    from tests.networks import SMALL, randomized, windows
    from tests.synthetic import Shape, network

    found: dict[str, Any] = {"synthetic": network(Shape())}
    for mode in gates:
        spec = ModelSpec(mode, 3, 120, 3, SMALL)
        net = lower(randomized(spec, 1), spec)
        found[mode] = extract(ptq.quantize(net, windows(spec, 30), Recipe()))
    return found


def engine() -> Parts:
    """The windowed engine of every model."""
    from firmware_bridge.emit.generate import generate
    from quantize.graph import bounds

    files: dict[str, str] = {}
    functions: dict[str, str] = {}
    for name, graph in models().items():
        files |= generate(graph, name).files
        head = {one.node: one.bound for one in bounds.accumulators(graph)}[graph.head.output]
        functions[name] = ENGINE.substitute(name=name, upper=name.upper(), bound=head)
    return files, functions


def stream() -> Parts:
    """The streaming engine beside the windowed one, whose kernels for gates it shares."""
    from firmware_bridge.emit.generate import generate
    from firmware_bridge.stream.generate import generate_stream

    files: dict[str, str] = {}
    functions: dict[str, str] = {}
    for name, graph in models().items():
        files |= generate(graph, name).files | generate_stream(graph, HOP, name).files
        functions[name] = STREAM.substitute(name=name, upper=name.upper())
    return files, functions


def signal() -> Parts:
    """The signal chain in both arithmetics, of several contracts."""
    from dataclasses import replace

    from firmware_bridge.signal import chain
    from tests.firmware_bridge.signal.test_chain import CONTRACT

    moving = replace(
        CONTRACT, scaling=replace(CONTRACT.scaling, kind="moving", factor_new=1e-3, eps=1e-4)
    )
    contracts = {"plain": CONTRACT, "average": replace(CONTRACT, reference="average")}
    made = {
        f"{arithmetic}_{name}": chain.generate(contract, f"{arithmetic}_{name}", arithmetic)
        for name, contract in contracts.items()
        for arithmetic in chain.ARITHMETICS
    }
    made["float_moving"] = chain.generate(moving, "float_moving", "float")
    files: dict[str, str] = {}
    functions: dict[str, str] = {}
    assert CONTRACT.input_quant is not None
    for name, one in made.items():
        files |= one.files
        kind = "int32_t" if one.steps_bits else "float"
        unit = f"{2.0**one.steps_bits}"
        zero = CONTRACT.input_quant.zero_point
        functions[name] = SIGNAL.substitute(name=name, kind=kind, unit=unit, zero=zero)
    return files, functions


SURFACES: Mapping[str, Callable[[], Parts]] = {
    "c-engine": engine,
    "c-stream": stream,
    "c-signal": signal,
}
"""Makers by the name that ``make fuzz SURFACE=`` takes."""


def write(files: Mapping[str, str], functions: Mapping[str, str], folder: Path) -> list[str]:
    """Write C and the target that runs it, ``target.c``; the names of all that is compiled."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in files.items():
        (folder / file).write_text(text)
    headers = [f for f in files if f.endswith(".h") and not f.startswith("edge_")]
    cases = [f"    case {i}: run_{one}(data, size); break;" for i, one in enumerate(functions)]
    text = (HERE / "target.c.txt").read_text()
    for word, lines in (
        ("INCLUDES", [f'#include "{header}"' for header in sorted(headers)]),
        ("FUNCTIONS", list(functions.values())),
        ("CASES", cases),
        ("COUNT", [str(len(functions))]),
    ):
        text = text.replace(word, "\n".join(lines))
    (folder / "target.c").write_text(text)
    return ["target.c", *(f for f in files if f.endswith(".c"))]


def build(name: str, folder: Path) -> Path:
    """Write the C of a surface and its target, and compile them with clang."""
    sources = write(*SURFACES[name](), folder)
    subprocess.run(["clang", *FLAGS, *sources, "-o", "fuzz", "-lm"], cwd=folder, check=True)
    return folder / "fuzz"


def fuzz(name: str, seconds: float, seed: int, count: int, found: Path) -> int:
    """Run libFuzzer on a surface; 0 where it finds nothing, 1 otherwise, 6 without clang."""
    if shutil.which("clang") is None:
        click.echo(
            "fuzz: clang is not installed. Type: apt-get install clang libclang-rt-dev", err=True
        )
        return 6
    program = build(name, found / "build" / name)
    corpus, kept = found / "corpus" / name, HERE / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    (found / name).mkdir(parents=True, exist_ok=True)
    options = [
        f"-max_total_time={seconds:.0f}",
        f"-seed={seed + 1}",
        "-timeout=20",
        "-max_len=4096",
    ]
    options += ["-rss_limit_mb=2048", f"-artifact_prefix={found / name}/", "-print_final_stats=1"]
    folders = [str(corpus), *([str(kept)] if kept.is_dir() else [])]
    options.append(f"-runs={count}")
    start_s = time.monotonic()
    done = subprocess.run(
        [program, *options, *folders],
        env=os.environ | {"ASAN_OPTIONS": "quarantine_size_mb=16"},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    stats = {
        key: int(value)
        for key, _, value in (
            line.removeprefix("stat::").partition(":")
            for line in done.stderr.splitlines()
            if line.startswith("stat::")
        )
    }
    if done.returncode:
        click.echo(done.stderr[-6000:], err=True)
    summary = {
        "surface": name,
        "runs": stats.get("number_of_executed_units", 0),
        "seconds": round(time.monotonic() - start_s),
        "faults": [] if done.returncode == 0 else [done.stderr.strip().splitlines()[-1][:200]],
        "peak_mb": stats.get("peak_rss_mb", 0),
    }
    click.echo(json.dumps(summary))
    return int(done.returncode != 0)
