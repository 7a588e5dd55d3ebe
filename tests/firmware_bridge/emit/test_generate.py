# SPDX-License-Identifier: BSD-3-Clause
"""The generated C computes the reference's integers, whatever the network."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from edge import registry
from edge.errors import IncompatibleError, UsageError
from firmware_bridge.build import toolchain
from firmware_bridge.build.cores import CORES, Core
from firmware_bridge.emit.emitters import emit
from firmware_bridge.emit.generate import Origin, generate, written
from firmware_bridge.host import windowed as host
from firmware_bridge.plan.source import refuse_name
from quantize.graph import bounds
from quantize.graph.qgraph import FINER, QGraph
from tests.firmware_bridge.models import (
    ACTIVATIONS,
    SHAPES,
    expected,
    mode_graph,
    random_graph,
    shipped_graph,
    stored_windows,
)

MODES = registry.names(registry.MODES)


def held_to_reference(graph: QGraph, count: int, options: tuple[str, ...] = ("-O2",)) -> None:
    """Logits, sums and float logits of ``count`` windows, twice, equal to the bit."""
    stored = stored_windows(graph, count)
    library = host.build(generate(graph), graph[graph.output].shape[-1], options)
    reference = expected(graph, stored)
    for _ in range(2):
        np.testing.assert_array_equal(library.infer(stored), reference.stored)
        np.testing.assert_array_equal(library.sums(stored), reference.accumulator)
        np.testing.assert_array_equal(library.infer_float(stored), reference.unrounded)


@pytest.mark.parametrize("mode", ["eca", "none"])
def test_shipped_models(mode: str) -> None:
    """200 windows of each shipped checkpoint."""
    held_to_reference(shipped_graph(mode), 200)


@pytest.mark.parametrize("mode", MODES)
def test_modes(mode: str) -> None:
    """200 windows of every mode; gates in float may differ by a step, and do not here."""
    graph = mode_graph(mode)
    library = host.build(generate(graph), 4, ("-O2",))
    stored = stored_windows(graph, 200)
    difference = library.infer(stored).astype(int) - expected(graph, stored).stored
    assert np.abs(difference).max() <= (FINER if graph.float_nodes() else 0)


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes(shape: str) -> None:
    """Odd and even kernels, pools of every kind, expansion, few and many channels."""
    held_to_reference(random_graph(shape), 24)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations(activation: str) -> None:
    """Every activation, be it one node or several."""
    held_to_reference(random_graph("odd", activation), 24)


@pytest.mark.parametrize("mode", ["cat", "cbam", "eca"])
def test_initializers_have_the_order_of_their_struct(mode: str) -> None:
    """C++17 takes a struct's members by their place, so that the names must agree with it."""
    files = generate(mode_graph(mode)).files
    structs = {
        name: re.findall(r"int32_t (\w+);", body)
        for text in files.values()
        for body, name in re.findall(r"typedef struct \{([^}]*)\} (edge_\w+);", text)
    }
    written = re.findall(r"const (edge_\w+) \w+ = \{([^}]*)\};", files["edge.c"])
    assert {"edge_dense_sizes", "edge_pool_scaling"} <= {kind for kind, _ in written}
    for kind, body in written:
        if kind in structs and "{" not in body:
            assert re.findall(r"EDGE_SET\((\w+)\)", body) == structs[kind], kind


@pytest.mark.parametrize("n_chans", [1, 2, 3, 4, 16, 33])
def test_electrodes(n_chans: int) -> None:
    """Rows of any length."""
    held_to_reference(random_graph("odd", n_chans=n_chans), 24)


def test_sanitizers_find_nothing(tmp_path: Path) -> None:
    """Random windows under AddressSanitizer and UndefinedBehaviorSanitizer, state exactly sized."""
    for i, shape in enumerate(SHAPES):
        run_sanitized(random_graph(shape), tmp_path / str(i))


@pytest.mark.parametrize("mode", MODES)
def test_sanitizers_find_nothing_in_a_mode(mode: str, tmp_path: Path) -> None:
    """The same for the gates, those in float too."""
    run_sanitized(random_graph("pool coprime", mode=mode), tmp_path)


FUZZ = """
#include "edge.h"
#include <stdio.h>
#include <stdlib.h>
int main(void)
{
    uint32_t seed = 1;
    for (int i = 0; i < 40; i++) {
        edge_t *m = (edge_t *)malloc(sizeof *m);
        int8_t *window = (int8_t *)malloc(EDGE_N_TIMES * EDGE_N_CHANS);
        int16_t *logits = (int16_t *)malloc(2 * EDGE_N_OUTPUTS);
        for (int k = 0; k < EDGE_N_TIMES * EDGE_N_CHANS; k++) {
            seed = seed * 1664525u + 1013904223u;
            window[k] = (int8_t)(i == 0 ? -128 : i == 1 ? 127 : (int)(seed >> 24) - 128);
        }
        if (edge_infer(m, window, logits) != EDGE_DECIDED) { return 1; }
        if (edge_infer(NULL, window, logits) != EDGE_ERROR) { return 2; }
        if (edge_infer(m, NULL, logits) != EDGE_ERROR) { return 3; }
        if (edge_infer(m, window, NULL) != EDGE_ERROR) { return 4; }
        free(m); free(window); free(logits);
    }
    puts("done");
    return 0;
}
"""


def run_sanitized(graph: QGraph, folder: Path) -> None:
    """Build a program that allocates everything to the byte, and run it."""
    toolchain.write({**generate(graph).files, "main.c": FUZZ}, folder)
    flags = ["-std=c99", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    toolchain.compile_c(
        toolchain.host_compiler(), [*flags, "main.c", "edge.c", "-o", "fuzz", "-lm"], cwd=folder
    )
    done = subprocess.run([folder / "fuzz"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "done\n"


COMPILERS = {
    "gcc -std=c99": ("host", "cc", "-std=c99", "c"),
    "gcc -std=c++17": ("host", "c++", "-std=c++17", "c++"),
    "zig -std=c99": ("zig", "cc", "-std=c99", "c"),
    "zig -std=c++17": ("zig", "c++", "-std=c++17", "c++"),
}


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("options", [["-O2"], ["-O0", "-DEDGE_PORTABLE"]])
def test_compiles_without_a_warning(compiler: str, options: list[str], tmp_path: Path) -> None:
    """C99 and C++17, gcc and clang, optimized or not."""
    where, command, standard, language = COMPILERS[compiler]
    if where == "zig" and not toolchain.has_zig():
        pytest.skip("pip's ziglang is not installed")
    program = toolchain.zig(command) if where == "zig" else toolchain.host_compiler()
    for name, graph in {"a": shipped_graph("eca"), "b": random_graph("pool coprime")}.items():
        folder = toolchain.write(generate(graph, name).files, tmp_path / name)
        flags = [standard, *toolchain.WARNINGS, *options, "-x", language]
        toolchain.compile_c(program, [*flags, "-c", f"{name}.c", "-o", "out.o"], cwd=folder)


@pytest.mark.parametrize(
    "core", [core for core in CORES.values() if core.is_thumb], ids=lambda core: core.name
)
def test_arm_gcc_says_nothing(core: Core, tmp_path: Path) -> None:
    """The fast paths of microcontrollers, int8 and float, as C99 and as C++17."""
    if shutil.which(core.compiler) is None:
        pytest.skip("apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi")
    for name, graph in {"a": random_graph("wide"), "b": random_graph("odd", mode="cat")}.items():
        folder = toolchain.write(generate(graph, name).files, tmp_path / name)
        for standard, language in (("-std=c99", "c"), ("-std=c++17", "c++")):
            flags = [*core.gcc, standard, *toolchain.WARNINGS, "-O2", "-x", language]
            command = [core.compiler, *flags, "-c", f"{name}.c", "-o", "out.o"]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            assert (done.returncode, done.stderr) == (0, "")


def test_two_models_in_one_program(tmp_path: Path) -> None:
    """No symbol is shared, and none but the model's own is visible."""
    for name, shape in (("left", "odd"), ("right", "wide")):
        toolchain.write(generate(random_graph(shape), name).files, tmp_path)
        flags = ["-std=c99", "-c", f"{name}.c", "-o", f"{name}.o"]
        toolchain.compile_c(toolchain.host_compiler(), flags, cwd=tmp_path)
        listed = subprocess.run(
            ["nm", "-g", "--defined-only", f"{name}.o"],
            cwd=tmp_path, capture_output=True, text=True, check=True,
        )  # fmt: skip
        symbols = sorted(line.split()[-1] for line in listed.stdout.splitlines())
        functions = ("infer", "infer_float", "infer_sums", "is_intact")
        assert symbols == [f"{name}_{function}" for function in functions]


@pytest.mark.parametrize("mode", ["eca", "cat"])
def test_static_data_carry_the_name_of_the_model(mode: str) -> None:
    """So that two models may be compiled as one file."""
    text = generate(mode_graph(mode), "mine").files["mine.c"]
    names = re.findall(r"static const \w+ (\w+)", text)
    assert len(names) > 20
    assert {name for name in names if not name.startswith("mine_")} == set()


def test_every_file_says_whose_it_is() -> None:
    """A licence for the code, and none for the weights."""
    files = generate(shipped_graph("eca"), "mine").files
    for name in ("mine.c", "mine.h"):
        first, *rest = files[name].splitlines()
        assert first == "/* SPDX-License-Identifier: BSD-3-Clause"
        assert "they belong to whoever made the model" in " ".join(rest[:5])


def test_no_state_and_no_heap(tmp_path: Path) -> None:
    """The object has no data and no bss, and calls memcpy, memmove and memset at most."""
    toolchain.write(generate(shipped_graph("eca")).files, tmp_path)
    flags = ["-std=c99", "-O2", "-c", "edge.c", "-o", "edge.o"]
    toolchain.compile_c(toolchain.host_compiler(), flags, cwd=tmp_path)
    listed = subprocess.run(
        ["nm", "edge.o"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    kinds = {line.split()[-1]: line.split()[-2] for line in listed.stdout.splitlines()}
    assert not {name for name, kind in kinds.items() if kind in "bBdDcC"}
    undefined = {name for name, kind in kinds.items() if kind == "U"}
    assert undefined <= {"memcpy", "memmove", "memset", "_GLOBAL_OFFSET_TABLE_"}


def test_generation_is_deterministic() -> None:
    """The same bytes twice, and the origin in the header."""
    graph = shipped_graph("eca")
    origin = Origin("1.2.3", "abc", ("C3", "C4*/"))
    first, second = (generate(graph, "mine", origin) for _ in range(2))
    assert first.files == second.files
    assert list(first.files)[:2] == ["mine.c", "mine.h"]
    assert "1.2.3" in first.files["mine.h"]
    assert "C3, C4* /" in first.files["mine.h"]


def test_the_header_states_what_was_proved(tmp_path: Path) -> None:
    """Every sum with its bound; a compiler reads the largest, and the range of a window."""
    graph = shipped_graph("eca")
    made = generate(graph)
    proved = bounds.accumulators(graph)
    for one in proved:
        assert f"{one.bound:,}  {one.node} of " in made.files["edge.h"]
    print_it = (
        '#include "edge.h"\n#include <stdio.h>\nint main(void) { return printf("%a %a %d", '
        "(double)EDGE_INPUT_LOW, (double)EDGE_INPUT_HIGH, EDGE_LARGEST_SUM) < 0; }\n"
    )
    toolchain.write({**made.files, "main.c": print_it}, tmp_path)
    flags = ["-std=c99", "-Wall", "-Werror", "main.c", "-o", "main"]
    toolchain.compile_c(toolchain.host_compiler(), flags, cwd=tmp_path)
    said = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True).stdout
    low, high, largest = said.split()
    ends = np.float32(proved[0].inputs[graph.input])
    assert np.array_equal(np.float32([float.fromhex(low), float.fromhex(high)]), ends)
    assert int(largest) == max(one.bound for one in proved)


@pytest.mark.parametrize("mode", ["eca", "srm"])
def test_sources_say_what_they_take(mode: str) -> None:
    """Sizes and operations are read back from the text of a bundle."""
    made = generate(mode_graph(mode), "mine")
    read = written(made.files, "mine")
    assert (read.state_bytes, read.floats.n_bytes) == (made.state_bytes, made.floats.n_bytes)
    assert read.steps == made.steps


@pytest.mark.parametrize("name", ["", "2fast", "a-b", "int", "a b", "été", "_x", "a__b"])
def test_names_that_are_not_identifiers(name: str) -> None:
    """One line that says what to type."""
    with pytest.raises(UsageError) as caught:
        generate(shipped_graph("eca"), name)
    assert str(caught.value) == (
        f"--name {name!r} is not a C identifier of one's own. Use letters, digits and single "
        f"underscores, a letter first: --name my_decoder."
    )


@pytest.mark.parametrize("name", ["stdint", "limits", "uint8", "int_fast16", "size", "replay", "m"])
def test_names_that_are_taken(name: str) -> None:
    """A header, a type or a target that would be hidden by the model's."""
    with pytest.raises(UsageError) as caught:
        refuse_name(name)
    assert str(caught.value) == (
        f"--name {name!r} is taken: by C, by CMake, or by a file of the engine's own. "
        f"Type e.g. --name my_decoder."
    )


def test_operation_without_a_kernel() -> None:
    """The node, the operation, and what to do."""

    @dataclass(frozen=True)
    class Fourier:
        output: str
        input: str
        kind: str = "fourier"

    graph = random_graph("odd")
    with pytest.raises(IncompatibleError) as caught:
        emit(graph, Fourier("gate.conv", "gate.mean"), "edge")  # type: ignore[arg-type]
    assert str(caught.value) == (
        "Node 'gate.conv' needs an int8 'fourier', for which the C engine has no kernel. Name "
        "other --targets, or add an emitter to firmware_bridge/emit/emitters.py and a kernel to "
        "firmware_bridge/kernels."
    )
