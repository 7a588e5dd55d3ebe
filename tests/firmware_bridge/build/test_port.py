# SPDX-License-Identifier: BSD-3-Clause
"""The port follows what the compiler is told, and asm the layout of what it reads."""

from __future__ import annotations

import re
import shutil
import subprocess
from importlib import resources
from pathlib import Path

import pytest

from firmware_bridge.build import footprint, toolchain
from firmware_bridge.build.cores import CORES

KERNELS = resources.files("firmware_bridge") / "kernels"


def compiled(options: list[str], port: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Compile for a Cortex-M4 a file that asserts its port."""
    if not toolchain.has_zig():
        pytest.skip("pip's ziglang is not installed")
    source = folder / "port.c"
    source.write_text(
        f'#include "edge_port.h"\n_Static_assert(EDGE_PORT == EDGE_PORT_{port}, "port");\n'
    )
    core = CORES["cortex-m4"]
    flags = ["-target", core.triple, f"-mcpu={core.zig_cpu}", "-std=c11", *options]
    flags += ["-I", str(KERNELS), "-I", str(KERNELS / "freestanding"), "-c", str(source)]
    command = [*toolchain.zig("cc"), *flags, "-o", str(folder / "port.o")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_register_that_is_taken(tmp_path: Path) -> None:
    """Where r9 is the static base the fast kernels, which use it, are left out, and it is said."""
    assert compiled([], "DSP", tmp_path).returncode == 0
    done = compiled(["-frwpi"], "PLAIN", tmp_path)
    assert done.returncode == 0
    assert "-frwpi keeps r9 for itself and the fast kernels use it" in done.stderr


def test_pushes_of_asm_are_in_the_stack_bound() -> None:
    """As many registers as the kernels' asm pushes at once; none of it calls another."""
    texts = (h.read_text() for h in KERNELS.iterdir() if h.name.endswith(".h"))
    pushed = [p for text in texts for p in re.findall(r'"push \{(.+?)\}', text)]
    assert 4 * max(len(p.split(",")) for p in pushed) == footprint.ASM_STACK_BYTES


def test_members_that_move_are_noticed(tmp_path: Path) -> None:
    """A member more before those that asm finds by number: it does not compile."""
    core = CORES["cortex-m4"]
    if shutil.which(core.compiler) is None:
        pytest.skip("apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi")
    for header in KERNELS.iterdir():
        if header.name.endswith(".h"):
            (tmp_path / header.name).write_text(header.read_text())
    (tmp_path / "a.c").write_text(
        "#define EDGE_STEM_PAIRS 1\n#define EDGE_STEM_TAPS 3\n#define EDGE_STEM_WORDS 1\n"
        '#include "edge_packed_dsp.h"\n'
    )
    command = [core.compiler, *core.gcc, "-std=gnu99", "-fsyntax-only", "a.c"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    packed = tmp_path / "edge_packed_dsp.h"
    moved = packed.read_text().replace("    int32_t added;\n", "    int32_t added, more;\n", 1)
    packed.write_text(moved)
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "edge_packed_row_right_has_its_place" in done.stderr
