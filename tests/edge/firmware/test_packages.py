# SPDX-License-Identifier: BSD-3-Clause
"""Packages of firmware: its build system's own tool takes each, and its example says PASS."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from edge import registry
from edge.errors import UsageError
from edge.firmware import project as firmware
from edge.firmware.packages import arduino, base
from edge.terminal.console import console
from firmware_bridge.project import project
from quantize import plain

STAND_IN = Path(__file__).parent / "zephyr"
KINDS = registry.own_names(registry.PACKAGES)
PASS = "PASS 20 windows, streamed too"
COUNTED = re.compile(r"(window|push): \d+ \w+ at least, \d+ in the mean, \d+ at most")
EVERYWHERE = {"README.md", "NOTICE.txt", "contract.json", "firmware.json"}


@pytest.fixture(scope="module")
def packages(eca_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Every package of the default model, and a second one for CMake."""
    folder = tmp_path_factory.mktemp("packages")
    written = {kind: folder / kind for kind in (*KINDS, "another")}
    with console(verbose=False) as quiet:
        for kind, out in written.items():
            name, package = ("other", "cmake") if kind == "another" else ("decoder", kind)
            request = firmware.Request(
                eca_bundle, "nrf52840", out, "c", name, uv_per_count=0.0223517, package=package
            )
            firmware.write(request, quiet)
    return written


def run(*command: object, cwd: Path | None = None) -> str:
    """What a command says; it has to succeed."""
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def told(program: Path) -> list[str]:
    """What an example prints for people."""
    return [line for line in run(program).splitlines() if not line.startswith("edge-replay {")]


def cmake(source: Path, build: Path, *options: str) -> None:
    """Configure and build without a warning."""
    if shutil.which("cmake") is None:
        pytest.skip("apt-get install cmake")
    said = run("cmake", "-S", source, "-B", build, *options) + run("cmake", "--build", build)
    assert "warning" not in said.lower()


@pytest.mark.parametrize("kind", KINDS)
def test_one_library_without_a_second_main(kind: str, packages: Mapping[str, Path]) -> None:
    """Every file of the engine once; ``main`` and the golden vectors in the example alone."""
    folder = packages[kind]
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert names >= EVERYWHERE
    assert names == set(plain.document(folder / project.MANIFEST)["files"]) | {project.MANIFEST}
    for path in folder.rglob("*.c"):
        if path.parent.name == "src" and "samples" not in path.parts:
            assert not re.search(r"\bmain\(", path.read_text()), path
    outside = [n for n in names if n.endswith("_golden.h")]
    assert len(outside) == 1
    assert outside[0].startswith(("examples/", "samples/"))
    readme = (folder / "README.md").read_text()
    assert "cross compiler" in readme
    assert "Debian" in readme or kind in ("arduino", "platformio")


def test_cmake_replays(packages: Mapping[str, Path], tmp_path: Path) -> None:
    """On its own it builds the program that replays; a counter that there is not is said."""
    cmake(packages["cmake"], tmp_path)
    assert told(tmp_path / "decoder_replay") == [
        "window: no cycle counter", "push: no cycle counter", PASS,
    ]  # fmt: skip


TWO = """cmake_minimum_required(VERSION 3.16)
project(two C)
{found}
add_executable(two main.c)
target_link_libraries(two PRIVATE decoder::decoder other::other)
"""
MAIN = """#include "decoder.h"
#include "decoder_stream.h"
#include "other.h"
#include "other_stream.h"
int main(void)
{
    return decoder_infer(0, 0, 0) == EDGE_ERROR && other_infer(0, 0, 0) == EDGE_ERROR ? 0 : 1;
}
"""


@pytest.mark.parametrize("how", ["add_subdirectory", "find_package"])
def test_two_models_in_one_project(how: str, packages: Mapping[str, Path], tmp_path: Path) -> None:
    """As sources, in a unity build, and installed."""
    (tmp_path / "main.c").write_text(MAIN)
    folders = {"decoder": packages["cmake"], "other": packages["another"]}
    if how == "add_subdirectory":
        found = "\n".join(f"add_subdirectory({path} {name})" for name, path in folders.items())
    else:
        for name, path in folders.items():
            cmake(path, tmp_path / name, f"-D{name.upper()}_REPLAY=OFF")
            run("cmake", "--install", tmp_path / name, "--prefix", tmp_path / "prefix")
        found = "\n".join(f"find_package({name} 1.0.0 EXACT REQUIRED)" for name in folders)
    (tmp_path / "CMakeLists.txt").write_text(TWO.format(found=found))
    options = ("-DCMAKE_UNITY_BUILD=ON", f"-DCMAKE_PREFIX_PATH={tmp_path / 'prefix'}")
    cmake(tmp_path, tmp_path / "build", *options)
    run(tmp_path / "build" / "two")


def test_zephyr_sample_runs_in_a_stand_in(packages: Mapping[str, Path], tmp_path: Path) -> None:
    """Its CMake files, sample and counter, with stand-ins for what they call of Zephyr."""
    sample = packages["zephyr"] / "samples" / "replay"
    cmake(sample, tmp_path, f"-DZephyr_DIR={STAND_IN}")
    *counted, last = told(tmp_path / "app")
    assert last == PASS
    assert [bool(COUNTED.fullmatch(line)) for line in counted] == [True, True]
    [wanted] = yaml.safe_load((sample / "sample.yaml").read_text())["common"]["harness_config"][
        "regex"
    ]
    assert re.search(wanted, last)


def test_zephyr_kconfig(packages: Mapping[str, Path], tmp_path: Path) -> None:
    """Kconfiglib parses it; the model takes the FPU where there is one, and its sample sets it."""
    kconfiglib = pytest.importorskip("kconfiglib", reason="pip install kconfiglib")
    folder = packages["zephyr"]
    top = tmp_path / "Kconfig"
    top.write_text(
        "config CPU_HAS_FPU\n\tdef_bool y\n\nconfig FPU\n\tbool\n\nconfig MAIN_STACK_SIZE\n"
        f'\tint "stack"\n\nsource "{folder}/zephyr/Kconfig"\n'
    )
    kconfig = kconfiglib.Kconfig(str(top))
    kconfig.load_config(str(folder / "samples" / "replay" / "prj.conf"))
    values = {name: kconfig.syms[name].str_value for name in ("DECODER_MODEL", "FPU")}
    assert values == {"DECODER_MODEL": "y", "FPU": "y"}
    assert kconfig.warnings == []
    module = yaml.safe_load((folder / "zephyr" / "module.yml").read_text())
    assert (folder / module["build"]["kconfig"]).is_file()
    assert (folder / module["build"]["cmake"] / "CMakeLists.txt").is_file()


def test_esp_idf_manifest(packages: Mapping[str, Path]) -> None:
    """The component manager reads both; the example's dependency is the component around it."""
    manager = pytest.importorskip(
        "idf_component_tools.manager", reason="pip install idf-component-manager"
    )
    folder = packages["esp-idf"]
    component = manager.ManifestManager(str(folder), "decoder").load()
    assert (str(component.version), component.license) == ("1.0.0", "BSD-3-Clause")
    main = folder / component.examples[0]["path"] / "main"
    example = manager.ManifestManager(str(main), "main").load()
    assert (main / example.dependencies["decoder"].override_path).resolve() == folder.resolve()


def test_esp_idf_sources_are_all_there(packages: Mapping[str, Path], tmp_path: Path) -> None:
    """Each source that is registered, compiled beside the example with ESP-IDF's names stood in."""
    folder = packages["esp-idf"]
    registered = re.findall(r'"(src/\w+\.c)"', (folder / "CMakeLists.txt").read_text())
    assert sorted(registered) == sorted(f"src/{p.name}" for p in (folder / "src").iterdir())
    (tmp_path / "esp_cpu.h").write_text(
        "static unsigned n;\n#define esp_cpu_get_cycle_count() n++\n"
    )
    (tmp_path / "start.c").write_text("void app_main(void);\nint main(void) { app_main(); }\n")
    main = folder / "examples" / "replay" / "main"
    sources = [*(folder / name for name in registered), main / "main.c", main / "replay.c"]
    run(
        *("cc", "-O1", "-Wall", "-Wextra", "-Werror", f"-I{folder / 'include'}", f"-I{tmp_path}"),
        *(*sources, tmp_path / "start.c", "-o", tmp_path / "replay", "-lm"),
    )
    assert run(tmp_path / "replay").splitlines()[-1] == PASS


def test_platformio_packs_it(
    packages: Mapping[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``pio pkg pack``, but for the list of licences, which it would fetch."""
    pack = pytest.importorskip("platformio.package.pack", reason="pip install platformio")
    schema = pytest.importorskip("platformio.package.manifest.schema")
    licences = staticmethod(lambda: {"licenses": [{"licenseId": "BSD-3-Clause"}]})
    monkeypatch.setattr(schema.ManifestSchema, "load_spdx_licenses", licences)
    packed = pack.PackagePacker(str(packages["platformio"])).pack(str(tmp_path))
    assert Path(packed).name == "decoder-1.0.0.tar.gz"


def test_arduino_sketch_compiles(packages: Mapping[str, Path], tmp_path: Path) -> None:
    """As C++, beside its library in C; the properties are those that the IDE reads."""
    if shutil.which("c++") is None:
        pytest.skip("apt-get install g++")
    folder = packages["arduino"]
    lines = (folder / "library.properties").read_text().splitlines()
    found = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
    assert (found["name"], found["version"]) == ("decoder", "1.0.0")
    assert found["includes"] == "decoder.h,decoder_stream.h"
    assert found["sentence"] == arduino.DESCRIPTION
    example = folder / "examples" / "replay"
    (tmp_path / "sketch.cc").write_text(SKETCH.format(sketch=example / "replay.ino"))
    where = (f"-I{folder / 'src'}", f"-I{example}")
    for source in (*sorted((folder / "src").glob("*.c")), example / "replay.c"):
        run("cc", "-O1", "-Wall", "-Wextra", "-Werror", *where, "-c", source, cwd=tmp_path)
    run("c++", "-Wall", "-Werror", *where, "-c", "sketch.cc", cwd=tmp_path)
    run("c++", *tmp_path.glob("*.o"), "-o", "sketch", "-lm", cwd=tmp_path)
    *counted, last = told(tmp_path / "sketch")
    assert last == PASS
    assert all(COUNTED.fullmatch(line) for line in counted)


SKETCH = """#include <cstdint>
#include <cstdio>
static uint32_t micros() {{ static uint32_t n; return n += 5; }}
static struct {{
    void begin(long) {{}}
    void println(const char *line) {{ puts(line); }}
}} Serial;
#include "{sketch}"
int main() {{ setup(); }}
"""


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (
            {"package": "buildroot"},
            "Invalid value for '--package'. Allowed values are 'arduino', 'cmake', 'esp-idf', "
            "'platformio' and 'zephyr', but got 'buildroot' instead.",
        ),
        (
            {"package": "cmake", "package_version": "1.0"},
            "--package-version '1.0' is not three numbers. Type --package-version 1.0.0.",
        ),
        (
            {"package": "zephyr", "engine": "tflm"},
            "--package zephyr is made of plain C, which --engine tflm does not write. "
            "Type --engine c, or leave --package out.",
        ),
    ],
)
def test_packages_that_cannot_be(
    options: dict[str, str], complaint: str, eca_bundle: Path, tmp_path: Path
) -> None:
    """One line, and nothing written."""
    wanted = {"engine": "c", "name": "decoder"} | options
    with console(verbose=False) as quiet, pytest.raises(UsageError) as caught:
        firmware.write(firmware.Request(eca_bundle, "nrf52840", tmp_path / "f", **wanted), quiet)
    assert str(caught.value) == complaint
    assert list(tmp_path.iterdir()) == []


def test_versions() -> None:
    """Three numbers without leading zeros, and nothing that a file could be broken with."""
    base.refuse_version("10.0.3")
    for wrong in ("", "1", "1.0", "01.0.0", "1.0.0\n", '1.0.0"', "1.0.0-rc1", "1" * 99 + ".0.0"):
        with pytest.raises(UsageError):
            base.refuse_version(wrong)
