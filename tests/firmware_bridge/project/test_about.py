# SPDX-License-Identifier: BSD-3-Clause
"""A firmware says which model it holds, while it is compiled and while it runs."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from firmware_bridge.build import toolchain
from firmware_bridge.emit.generate import Origin, generate
from firmware_bridge.project import about
from firmware_bridge.signal.contract import Filter, Scaling, SignalContract
from quantize.errors import IncompatibleError
from tests.firmware_bridge.models import random_graph

GRAPH = random_graph("odd")
_, _, N_TIMES, N_CHANS = GRAPH[GRAPH.input].shape
N_OUTPUTS = GRAPH[GRAPH.output].shape[-1]
HOSTILE = 'C"z*/ \\ ??/ %s'
CONTRACT = SignalContract(
    channels=(HOSTILE, "EEG Fp1-Ref", *(f"E{i}" for i in range(2, N_CHANS))),
    reference="average",
    unit="uV",
    sfreq=250.0,
    filter=Filter("none"),
    scaling=Scaling("none"),
    n_times=N_TIMES,
    hop=15,
    classes=("left hand", "right hand", *(f"{769 + i}" for i in range(2, N_OUTPUTS))),
    uv_per_count=4.5e6 / 24 / 2**23,
)
ORIGIN = Origin("1.2.3", "ab" * 32)

ASKING = f"""
#include "mine_about.h"
#include <stdio.h>
#include <string.h>
_Static_assert(MINE_N_CHANS == {N_CHANS} && MINE_N_TIMES == {N_TIMES}, "shape");
_Static_assert(MINE_SFREQ_MILLIHERTZ == 250000, "rate");
_Static_assert(MINE_FEMTOVOLTS_PER_COUNT / 1000 == 22351, "gain");
_Static_assert(MINE_CHANNEL_EEG_Fp1_Ref == 1, "order");
_Static_assert(MINE_CLASS_left_hand == 0 && MINE_CLASS_right_hand == 1, "classes");
_Static_assert(MINE_HOP == 15 && MINE_N_OUTPUTS == {N_OUTPUTS}, "hop");
int main(void)
{{
    const edge_model_report *is = mine_report();
    printf("%s|%s|%s|%s|%s|%016llx|%llu|%u|%d|%s|%s|%s\\n", is->ident, is->name, is->version,
           is->unit, is->reference, (unsigned long long)is->build_id,
           (unsigned long long)is->femtovolts_per_count, is->sfreq_millihertz, is->hop,
           is->channels[0], is->channels[1], is->classes[1]);
    return strcmp(is->bundle_sha256, MINE_BUNDLE_SHA256) |
           strcmp(is->graph_sha256, MINE_GRAPH_SHA256);
}}
"""


def files(contract: SignalContract = CONTRACT) -> dict[str, str]:
    """What is written for a small network."""
    sources = generate(GRAPH, "mine", ORIGIN).files
    return about.generate(GRAPH, contract, "mine", ORIGIN, sources, "cd" * 32)


@pytest.mark.parametrize("language", ["-std=c11", "-std=c++17"])
def test_program_that_compares_itself(language: str, tmp_path: Path) -> None:
    """Assertions on every number hold; text comes through as it was, or can only be read."""
    asking = ASKING.replace("_Static_assert", "static_assert") if "++" in language else ASKING
    toolchain.write({**files(), "main.c": asking}, tmp_path)
    kind = "c++" if "++" in language else "c"
    flags = [language, *toolchain.WARNINGS, "-x", kind, "main.c", "mine_about.c", "-o", "main"]
    toolchain.compile_c(toolchain.host_compiler(), flags, cwd=tmp_path)
    done = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    ident, name, version, unit, reference, build, *rest = done.stdout.strip().split("|")
    assert ident == f"@(#) eeg-edge model mine build {build} bundle {'cd' * 32}"
    assert (name, version, unit, reference) == ("mine", "1.2.3", "uV", "average")
    assert rest == [
        *("22351742", "250000", "15", "C<U+0022>z* / <U+005C> ? ?/ %s", "EEG Fp1-Ref"),
        "right hand",
    ]
    assert ident.encode() in (tmp_path / "main").read_bytes()


def test_converter_of_another_gain_is_not_compiled(tmp_path: Path) -> None:
    """The assertion fails, with its own words."""
    contract = replace(CONTRACT, uv_per_count=0.2)
    toolchain.write({**files(contract), "main.c": ASKING}, tmp_path)
    with pytest.raises(toolchain.CompilerError, match=r"gain"):
        toolchain.compile_c(toolchain.host_compiler(), ["-std=c11", "-c", "main.c"], cwd=tmp_path)


def test_what_is_unknown_is_not_there(tmp_path: Path) -> None:
    """No macro stands for it, so that no comparison compiles; the report has NULL and 0."""
    contract = replace(CONTRACT, channels=None, uv_per_count=None, sfreq=None, classes=())
    found = files(contract)
    for macro in ("SFREQ", "UV_PER_COUNT", "FEMTOVOLTS", "CHANNEL_", "CLASS_"):
        assert f"#define MINE_{macro}" not in found["mine_about.h"]
    toolchain.write(found, tmp_path)
    flags = ["-std=c99", *toolchain.WARNINGS, "-c", "mine_about.c"]
    toolchain.compile_c(toolchain.host_compiler(), flags, cwd=tmp_path)
    assert found["mine_about.c"].count("NULL,") == 2


def test_build_id_is_of_the_sources() -> None:
    """Another contract leaves it as it is when no source changes, another source does not."""
    one, again = files(), files()
    assert one == again
    other = about.generate(GRAPH, CONTRACT, "mine", ORIGIN, {"mine.c": "int x;"}, "cd" * 32)
    assert other["mine_about.h"] != one["mine_about.h"]


def test_rate_that_no_header_can_say() -> None:
    """One line."""
    with pytest.raises(IncompatibleError) as caught:
        files(replace(CONTRACT, sfreq=1e30))
    assert str(caught.value) == (
        "The contract's sampling rate, 1e+30, is larger than the header of a firmware can say."
    )
