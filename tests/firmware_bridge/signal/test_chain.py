# SPDX-License-Identifier: BSD-3-Clause
"""The signal chain in C: against the chain in Python, on this machine and on emulated cores."""

from __future__ import annotations

import dataclasses
import io
import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.emulate import emulator, signal_emulator
from benchmarks.studies import signal_chain
from edge.data import sim
from edge.errors import IncompatibleError, UsageError
from edge.signal import chain, filters
from firmware_bridge.build import toolchain
from firmware_bridge.host import signal as signal_host
from firmware_bridge.signal.chain import ARITHMETICS, generate
from firmware_bridge.signal.contract import Filter, Scaling, SignalContract
from quantize.graph import reference
from quantize.graph.qgraph import Quant
from tests.conftest import Edge

HEADERS = Path(toolchain.__file__).parents[1] / "kernels" / "freestanding"
N_CHANS = 5
UV_PER_COUNT = 0.0223517
BAR = signal_chain.BAR_STEPS

CONTRACT = SignalContract(
    channels=tuple(sim.CHANNELS_2A[:N_CHANS]),
    reference="as recorded",
    unit="uV",
    sfreq=250.0,
    filter=filters.design(4.0, 40.0, 4, 250.0, notch_hz=50.0),
    scaling=Scaling("per_channel", (0.1, -0.2, 0, 0.3, 0), (9, 10, 11, 12, 13)),
    n_times=1000,
    hop=15,
    classes=("a", "b"),
    input_quant=Quant(0.03, -7),
    uv_per_count=UV_PER_COUNT,
)
VARIANTS: Mapping[str, dict[str, Any]] = {
    "plain": {},
    "average": {"reference": "average"},
    "electrode": {"reference": "Cz"},
    "high-pass": {"filter": filters.design(0.5, None, 4, 250.0)},
    "millivolts": {"unit": "mV", "scaling": Scaling("per_channel", (0.0,) * 5, (0.01,) * 5)},
    "unscaled": {"scaling": Scaling("none"), "input_quant": Quant(0.4, 3)},
    "unfiltered": {"filter": Filter("none"), "input_quant": Quant(3.0, 0)},
    "moving": {"scaling": Scaling("moving", factor_new=1e-3, eps=1e-4)},
}
CASES = [
    (name, arithmetic)
    for name in VARIANTS
    for arithmetic in ARITHMETICS
    if (name, arithmetic) != ("moving", "fixed")
]


def variant(name: str) -> SignalContract:
    """A contract that differs from the plain one."""
    return dataclasses.replace(CONTRACT, **VARIANTS[name])


def counts(n: int = 4000, seed: int = 0) -> np.ndarray:
    """(n, N_CHANS + 1) of a 24-bit converter: noise, drift and 100 mV of offset."""
    rng = np.random.default_rng(seed)
    t = np.arange(n)[:, None] / 250
    offsets = np.linspace(-1e5, 1e5, N_CHANS + 1)
    microvolts = 15 * rng.standard_normal((n, N_CHANS + 1)) + offsets + 200 * np.sin(0.3 * t)
    return np.asarray(np.rint(microvolts / UV_PER_COUNT), np.int32)


def inputs(contract: SignalContract, frames: np.ndarray) -> np.ndarray:
    """What the C is given: a reference electrode rides along as the last input."""
    electrode = contract.reference not in ("as recorded", "average")
    return frames if electrode else np.ascontiguousarray(frames[:, :N_CHANS])


def scaled(contract: SignalContract, frames: np.ndarray) -> np.ndarray:
    """(n, N_CHANS) of the same in Python: what the network is given."""
    per_unit = {"uV": 1.0, "mV": 1e3}[contract.unit]
    x = UV_PER_COUNT / per_unit * frames.T.astype(np.float64)
    columns = x[:N_CHANS]
    if contract.reference == "average":
        columns = chain.rereferenced(columns, None)
    elif contract.reference != "as recorded":
        columns = chain.rereferenced(columns, x[N_CHANS])
    if contract.filter.kind == "none":
        columns = columns - columns[:, :1]
    return np.asarray(contract.scale(chain.apply(contract, columns)[None])[0].T)


@pytest.mark.parametrize(("name", "arithmetic"), CASES)
def test_it_is_the_chain_in_python(name: str, arithmetic: str) -> None:
    """Within the bar before rounding; rounded, the same int8 but where it lies between two."""
    contract, frames = variant(name), counts()
    library = signal_host.build(generate(contract, "edge", arithmetic))
    assert contract.input_quant is not None
    expected = scaled(contract, frames)
    steps = library.steps(inputs(contract, frames))
    inside = np.abs(expected / contract.input_quant.scale) < 500
    error = np.abs(steps - expected / contract.input_quant.scale)[inside]
    assert error.max() <= BAR
    stored = reference.quantize(expected, contract.input_quant)
    frames_c = library.frames(inputs(contract, frames))
    assert np.abs(frames_c.astype(int) - stored).max() <= 1
    assert (frames_c != stored).mean() < 2 * BAR


def test_reset_forgets() -> None:
    """A chain that has been used gives the same as a new one."""
    library = signal_host.build(generate(CONTRACT))
    frames = inputs(CONTRACT, counts(300))
    np.testing.assert_array_equal(library.frames(frames), library.frames(frames))


def test_fixed_point_does_not_depend_on_the_compiler() -> None:
    """The same integers, optimized or not."""
    made = generate(CONTRACT, "edge", "fixed")
    frames = inputs(CONTRACT, counts(1000))
    a, b = (signal_host.build(made, ("-std=c99", o)).frames(frames) for o in ("-O0", "-O3"))
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_beyond_the_range(arithmetic: str) -> None:
    """A lead that falls off saturates, and does not wrap; the state is as large as was said."""
    made = generate(CONTRACT, "edge", arithmetic)
    frames = inputs(CONTRACT, counts(500))
    frames[100:110] = 2**23 - 1
    frames[110:120] = -(2**23)
    steps = signal_host.build(made).steps(frames)
    assert np.isfinite(steps).all()
    assert steps[100].min() > 127
    sized = dict(made.files)
    sized["edge_signal.c"] += (
        f"\ntypedef char size[sizeof(edge_signal_t) == {made.state_bytes} ? 1 : -1];\n"
    )
    signal_host.build(dataclasses.replace(made, files=sized))


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_as_cplusplus(arithmetic: str, tmp_path: Path) -> None:
    """It compiles as C++17 without a warning, and its text is the same whenever it is made."""
    made = generate(CONTRACT, "headset", arithmetic)
    assert made == generate(CONTRACT, "headset", arithmetic)
    toolchain.write(made.files, tmp_path)
    compiler = [*toolchain.host_compiler(), "-x", "c++", "-std=c++17"]
    toolchain.compile_c(compiler, [*toolchain.WARNINGS, "-c", "headset_signal.c"], cwd=tmp_path)


FUZZ = """
#include "edge_signal.h"
#include <stdio.h>
#include <stdlib.h>
int main(void)
{
    uint32_t seed = 1;
    edge_signal_t *chain = (edge_signal_t *)malloc(sizeof *chain);
    int32_t *counts = (int32_t *)malloc(sizeof *counts * edge_SIGNAL_INPUTS);
    int8_t *frame = (int8_t *)malloc(edge_SIGNAL_CHANS);
    edge_signal_reset(chain);
    for (int i = 0; i < 4000; i++) {
        for (int k = 0; k < edge_SIGNAL_INPUTS; k++) {
            seed = seed * 1664525u + 1013904223u;
            counts[k] = i < 2000 ? (int32_t)(seed >> 8) - (1 << 23) : i & 64 ? 8388607 : -8388608;
        }
        edge_signal(chain, counts, frame);
    }
    free(chain); free(counts); free(frame);
    puts("done");
    return 0;
}
"""


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_sanitizers_find_nothing(arithmetic: str, tmp_path: Path) -> None:
    """Noise and jumps from end to end of 24 bits, all memory sized to the byte."""
    toolchain.write({**generate(CONTRACT, "edge", arithmetic).files, "main.c": FUZZ}, tmp_path)
    flags = ["-std=c99", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    sources = ["main.c", "edge_signal.c", "-o", "fuzz", "-lm"]
    toolchain.compile_c(toolchain.host_compiler(), [*flags, *sources], cwd=tmp_path)
    done = subprocess.run([tmp_path / "fuzz"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


@pytest.mark.parametrize("name", ["0.5-40 Hz", "8-30 Hz"])
@pytest.mark.parametrize("sfreq", signal_chain.RATES)
def test_the_bar(name: str, sfreq: float) -> None:
    """At ±100 mV of offset, both arithmetics are within 0.05 steps of ``sosfilt`` in float64."""
    settings = signal_chain._settings(name, sfreq)
    given = signal_chain.case(settings, sfreq, 100.0, 0.3, signal_chain.CONVERTERS[0])
    for arithmetic in ARITHMETICS:
        error = signal_chain.generated(arithmetic)(given) - given.expected
        assert np.abs(error).max() <= BAR, arithmetic


def test_stored_results_hold() -> None:
    """Every generated format in the committed results is within the bar, also at 10 mV of drift."""
    document = json.loads(signal_chain.RESULTS.read_text())
    made = [error for error in document["errors"] if error["generated"]]
    assert len(made) == len(ARITHMETICS) * len(signal_chain.FILTERS) * 2 * 5
    assert all(error["limit_steps"] <= BAR for error in made)


def test_what_a_device_must_know() -> None:
    """Everything that is missing is named at once."""
    bare = dataclasses.replace(CONTRACT, uv_per_count=None, input_quant=None, sfreq=None)
    with pytest.raises(IncompatibleError) as error:
        generate(bare)
    assert str(error.value) == (
        "No signal chain in C for this contract: sampling rate unknown, µV per count unknown "
        "(signal.uv_per_count in the contract file, or --uv-per-count), input quantization unknown "
        "(export with --int8)."
    )
    with pytest.raises(IncompatibleError) as error:
        generate(variant("moving"), "edge", "fixed")
    assert str(error.value).endswith("moving standardization needs float arithmetic.")
    with pytest.raises(UsageError):
        generate(CONTRACT, "edge", "double")


def emulated(arithmetic: str, frames: np.ndarray) -> np.ndarray:
    """Int8 frames of an emulated Cortex-M4."""
    elffile = pytest.importorskip("elftools.elf.elffile", reason="pip install '.[firmware]'")
    unicorn = pytest.importorskip("unicorn", reason="pip install '.[firmware]'")
    pytest.importorskip("ziglang", reason="pip install '.[firmware]'")

    made = generate(CONTRACT, "edge", arithmetic)
    options = ["-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m4+vfp4d16sp", "-O2"]
    options += ["-std=c99", "-fno-sanitize=undefined", "-I", str(HEADERS)]
    options += ["-Wl,-e,edge_signal", "-Wl,-u,edge_signal_reset"]
    with tempfile.TemporaryDirectory() as name:
        folder = toolchain.write(made.files, Path(name))
        arguments = [*options, "edge_signal.c", "-o", "program.elf"]
        toolchain.compile_c(toolchain.zig("cc"), arguments, cwd=folder)
        elf = elffile.ELFFile(io.BytesIO((folder / "program.elf").read_bytes()))
    uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
    uc.ctl_set_cpu_model(unicorn.arm_const.UC_CPU_ARM_CORTEX_M4)
    uc.mem_map(0, 0x1000_0000)
    uc.mem_map(0x2000_0000, 0x100_0000)
    for segment in elf.iter_segments():
        if segment["p_type"] == "PT_LOAD" and segment["p_memsz"]:
            uc.mem_write(segment["p_vaddr"], segment.data())
    symbols = {s.name: s["st_value"] for s in elf.get_section_by_name(".symtab").iter_symbols()}
    state, counts_at, frame_at, stack, stop = (0x2000_0000 + i * 0x1_0000 for i in range(1, 6))
    c = unicorn.arm_const

    def call(function: str) -> None:
        for register, value in (
            (c.UC_ARM_REG_R0, state),
            (c.UC_ARM_REG_R1, counts_at),
            (c.UC_ARM_REG_R2, frame_at),
            (c.UC_ARM_REG_SP, stack),
            (c.UC_ARM_REG_LR, stop | 1),
        ):
            uc.reg_write(register, value)
        uc.emu_start(symbols[function] | 1, stop)

    call("edge_signal_reset")
    rows = []
    for frame in frames:
        uc.mem_write(counts_at, frame.astype(np.int32).tobytes())
        call("edge_signal")
        rows.append(np.frombuffer(bytes(uc.mem_read(frame_at, N_CHANS)), np.int8))
    return np.stack(rows)


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_on_a_microcontroller(arithmetic: str) -> None:
    """Fixed point gives this machine's integers, float the same int8 as far as rounding goes."""
    frames = inputs(CONTRACT, counts(400))
    expected = signal_host.build(generate(CONTRACT, "edge", arithmetic)).frames(frames)
    got = emulated(arithmetic, frames)
    if arithmetic == "fixed":
        np.testing.assert_array_equal(got, expected)
    assert np.abs(got.astype(int) - expected).max() <= 1
    assert (got != expected).mean() < 0.01


def test_the_command(edge: Edge, eca_bundle: Path, tmp_path: Path) -> None:
    """``edge signal`` writes sources that compile; µV per count must be known from somewhere."""
    done = edge("signal", eca_bundle, "--out", tmp_path / "c")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == (
        "edge: No signal chain in C for this contract: µV per count unknown (signal.uv_per_count "
        "in the contract file, or --uv-per-count).\n"
    )
    for arithmetic, state_bytes in (("float", 796), ("fixed", 1504)):
        options = ("--uv-per-count", UV_PER_COUNT, "--arithmetic", arithmetic, "--name", "headset")
        done = edge("signal", eca_bundle, "--out", tmp_path / arithmetic, *options)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(
            f"22 counts in, 22 int8 out, {arithmetic} arithmetic, {state_bytes:,} bytes of state: "
        )
        toolchain.compile_c(
            toolchain.host_compiler(),
            ["-std=c99", *toolchain.WARNINGS, "-c", "headset_signal.c"],
            cwd=tmp_path / arithmetic,
        )


def many(n_chans: int, reference: str = "average") -> SignalContract:
    """A contract of many channels, filtered from 0.5 to 40 Hz in four sections."""
    return dataclasses.replace(
        CONTRACT,
        channels=tuple(f"E{i}" for i in range(n_chans)),
        reference=reference,
        filter=filters.design(0.5, 40.0, 4, 250.0),
        scaling=Scaling("per_channel", (0.0,) * n_chans, (10.0,) * n_chans),
    )


@pytest.mark.parametrize("n_chans", [64, 65, 129, 256])
@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_average_of_many_channels(n_chans: int, arithmetic: str) -> None:
    """Their distance from the mean, times their number, would not fit: some bits are given up."""
    contract = many(n_chans)
    rng = np.random.default_rng(0)
    microvolts = 15 * rng.standard_normal((1500, n_chans)) + np.linspace(-1e5, 1e5, n_chans)
    frames = np.asarray(np.rint(microvolts / UV_PER_COUNT), np.int32)
    x = chain.rereferenced(UV_PER_COUNT * frames.T.astype(np.float64), None)
    expected = contract.scale(chain.apply(contract, x)[None])[0].T
    assert contract.input_quant is not None
    options = ("-O1", "-fsanitize=undefined", "-fno-sanitize-recover=all")
    library = signal_host.build(generate(contract, "edge", arithmetic), options)
    error = library.steps(frames) - expected / contract.input_quant.scale
    assert np.abs(error).max() <= BAR
    frames[700:] = np.where(np.arange(n_chans) % n_chans == 0, 2**23 - 1, -(2**23))
    assert np.isfinite(library.steps(frames)).all()  # one channel against all others


@pytest.mark.parametrize("name", ["plain", "average", "high-pass", "unscaled"])
def test_no_sum_leaves_its_bits(name: str) -> None:
    """The worst input that there is, built from the impulse response, at the end of the range.

    Signs of an impulse response, turned round in time, make its output as large as it can be.
    """
    contract = dataclasses.replace(variant(name), scaling=Scaling("none"))
    library = signal_host.build(
        generate(contract, "edge", "fixed"),
        ("-O1", "-fsanitize=undefined", "-fno-sanitize-recover=all"),
    )
    impulse = np.zeros((4000, N_CHANS), np.int32)
    impulse[1, 0] = 2**20
    response = library.steps(impulse)[1:, 0]
    signs = np.where(response[::-1] < 0, -1, 1)
    frames = np.zeros((len(signs) + 1, N_CHANS), np.int32)
    frames[1:, 0] = signs * (2**23 - 1)
    steps = library.steps(frames)[:, 0]
    expected = scaled(contract, np.pad(frames, ((0, 0), (0, 1))))[:, 0]
    assert contract.input_quant is not None
    expected = np.clip(expected / contract.input_quant.scale, -32768, 32767)
    np.testing.assert_allclose(steps, expected, rtol=1e-3, atol=1.0)


BARS = {"float": 1_800, "fixed": 4_500}


@pytest.mark.parametrize("compiler", ["zig", "gcc"])
@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_a_frame_of_22_channels_on_a_cortex_m4(arithmetic: str, compiler: str) -> None:
    """Instructions, and the bits of this machine where they are integers."""
    for package in ("unicorn", "elftools", "ziglang"):
        pytest.importorskip(package)
    core = emulator.CORES["cortex-m4"]
    if compiler == "gcc" and shutil.which(core.compiler) is None:
        pytest.skip("apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi")
    made = generate(many(22, "as recorded"), "edge", arithmetic)
    frames = np.random.default_rng(0).integers(-4000, 4000, (30, 22)).astype(np.int32)
    runs = list(signal_emulator.frames(made, core, frames, compiler))
    assert max(run.instructions for run in runs[1:]) <= BARS[arithmetic]
    there = np.stack([run.output for run in runs])
    here = signal_host.build(made).frames(frames)
    assert np.abs(there.astype(int) - here).max() <= (arithmetic == "float")
