"""`edge firmware`: what it writes is built and run; what does not fit is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from edge import bundle, firmware
from edge.console import console
from edge.errors import BudgetError, MissingToolError
from firmware_bridge import device as devices
from firmware_bridge import toolchain
from tests.conftest import Edge


@pytest.fixture(scope="module")
def written(edge: Edge, eca_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default model for a small microcontroller, by the command that a user types."""
    out = tmp_path_factory.mktemp("firmware") / "decoder"
    done = edge("firmware", eca_bundle, "--device", "pic32mx250", "--out", out, "--name", "decoder")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.rstrip().endswith(f"firmware: {out}")
    return out


def built(sources: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Configure, build and run with CMake, as the README says."""
    if shutil.which("cmake") is None:
        pytest.skip("apt-get install cmake")
    for command in (["cmake", "-S", sources, "-B", folder], ["cmake", "--build", folder]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "warning" not in done.stdout + done.stderr
    return subprocess.run([folder / "replay"], capture_output=True, text=True, check=False)


def test_replay_passes(written: Path, tmp_path: Path) -> None:
    """The program that CMake builds on this machine says PASS."""
    done = built(written, tmp_path)
    assert (done.returncode, done.stdout) == (0, "PASS 4 windows, streamed too\n")


def test_replay_names_the_first_difference(written: Path, tmp_path: Path) -> None:
    """One logit of a golden vector, off by one."""
    copy = tmp_path / "copy"
    shutil.copytree(written, copy)
    path = copy / "decoder_golden.h"
    head, tail = path.read_text().split("decoder_golden_logits[16] = {\n   ")
    first, rest = tail.split(",", 1)
    other = int(first) - 1
    path.write_text(f"{head}decoder_golden_logits[16] = {{\n    {other},{rest}")
    done = built(copy, tmp_path / "build")
    assert (done.returncode, done.stdout) == (
        1,
        f"FAIL window 0, logit 0: {int(first)}, expected {other}\n",
    )


def test_builds_for_the_device(eca_bundle: Path, tmp_path: Path) -> None:
    """With the tool chain file, on a Cortex-M4."""
    if shutil.which("arm-none-eabi-gcc") is None or shutil.which("cmake") is None:
        pytest.skip("apt-get install cmake gcc-arm-none-eabi libnewlib-arm-none-eabi")
    write(eca_bundle, tmp_path / "f", "stm32f407")
    for command in (
        ["cmake", "-B", "device", "-DCMAKE_TOOLCHAIN_FILE=device.cmake"],
        ["cmake", "--build", "device"],
    ):
        done = subprocess.run(
            command, cwd=tmp_path / "f", capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "warning" not in done.stderr
    assert (tmp_path / "f" / "device" / "libedge.a").exists()


def write(folder: Path, out: Path, device: str, **options: str) -> dict[str, object]:
    """Call the function behind the command."""
    request = firmware.Request(
        folder, device, out, options.get("engine", "c"), options.get("name", "edge")
    )
    with console(verbose=False, quiet=True) as ours:
        return firmware.write(request, ours)[0]


def test_what_is_written(written: Path, eca_bundle: Path) -> None:
    """Sources, build, test, table, contract, and a manifest with every file's hash."""
    names = {path.name for path in written.iterdir()}
    assert {
        *(
            "decoder.c",
            "decoder.h",
            "decoder_stream.c",
            "decoder_stream.h",
            "decoder_golden.h",
            "main.c",
            "CMakeLists.txt",
        ),
        *("device.cmake", "README.md", "contract.json", "firmware.json", "edge_port.h"),
    } <= names
    document = json.loads((written / "firmware.json").read_text())
    found = bundle.checksums(written)
    del found["firmware.json"]
    assert document["files"] == found
    assert (document["name"], document["engine"]) == ("decoder", "c")
    uses = {use["what"]: use for use in document["uses"]}
    assert uses["input window"]["ram_bytes"] == 22_000
    assert document["ram_bytes"] == sum(use["ram_bytes"] for use in document["uses"])
    assert uses["code"]["how"].startswith("compiled for mips32-m4k")
    readme = (written / "README.md").read_text()
    assert f"| together | {document['ram_bytes']:,} |" in readme
    assert "PASS 4 windows, streamed too" in readme
    assert (written / "contract.json").read_bytes() == (eca_bundle / "contract.json").read_bytes()


def test_twice_the_same_bytes(eca_bundle: Path, tmp_path: Path) -> None:
    """And an older folder is replaced whole."""
    write(eca_bundle, tmp_path / "a", "nrf52840")
    before = bundle.checksums(tmp_path / "a")
    (tmp_path / "a" / "left-over").write_text("")
    write(eca_bundle, tmp_path / "a", "nrf52840")
    assert bundle.checksums(tmp_path / "a") == before


def test_over_budget(eca_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, exit code 4, and nothing written."""
    text = (devices.FOLDER / "pic32mx250.toml").read_text()
    (tmp_path / "small.toml").write_text(text.replace("32_768", "16_384"))
    small = devices.load("small", tmp_path)
    monkeypatch.setattr(devices, "load", lambda _: small)
    with pytest.raises(BudgetError) as caught:
        write(eca_bundle, tmp_path / "out", "small")
    needed = json.loads(str(caught.value).split(" bytes of RAM")[0].split()[-1].replace(",", ""))
    assert 31_000 < needed < 32_000
    assert str(caught.value) == (
        f"The model needs {needed:,} bytes of RAM where there are 16,384 on Microchip "
        f"PIC32MX250F128B (OpenBCI Cyton). Nothing was written. Name another --device, or train "
        f"on shorter windows or fewer channels."
    )
    assert caught.value.exit_code == 4
    assert not (tmp_path / "out").exists()


def test_estimates_without_a_compiler(
    eca_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are called estimates and lie above what a compiler makes."""
    measured = write(eca_bundle, tmp_path / "a", "nrf5340")
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(toolchain, "has_zig", lambda: False)
    estimated = write(eca_bundle, tmp_path / "b", "nrf5340")
    assert estimated["flash_bytes"] > measured["flash_bytes"]  # type: ignore[operator]
    assert estimated["ram_bytes"] > measured["ram_bytes"]  # type: ignore[operator]
    assert (
        "estimate, no compiler for cortex-m33 is installed: pip install ziglang"
        in (tmp_path / "b" / "README.md").read_text()
    )


def test_without_jinja(eca_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line that installs it."""
    monkeypatch.setitem(__import__("sys").modules, "jinja2", None)
    with pytest.raises(MissingToolError) as caught:
        write(eca_bundle, tmp_path / "out", "nrf52840")
    assert str(caught.value) == (
        "Writing firmware needs 'jinja2', which is not installed. "
        "Type: pip install 'eeg-edge[firmware]'"
    )
    assert caught.value.exit_code == 6
    assert list(tmp_path.iterdir()) == []
