# SPDX-License-Identifier: BSD-3-Clause
"""`edge firmware`: what it writes is built and run; what does not fit is refused."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from edge.bundle import folder as bundle_folder
from edge.errors import BudgetError, UsageError
from edge.firmware import project as firmware
from edge.terminal.console import console
from firmware_bridge.build import toolchain
from firmware_bridge.project import device as devices
from tests.conftest import Edge


@pytest.fixture(scope="module")
def written(edge: Edge, eca_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default model for a small microcontroller, by the command that a user types."""
    out = tmp_path_factory.mktemp("firmware") / "decoder"
    done = edge(
        *("firmware", eca_bundle, "--device", "esp32c3", "--out", out, "--name", "decoder"),
        *("--uv-per-count", 0.02235),
    )
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
    assert (done.returncode, done.stdout) == (0, "PASS 20 windows, streamed too\n")


def test_replay_names_the_first_difference(written: Path, tmp_path: Path) -> None:
    """One logit of a golden vector, off by one."""
    copy = tmp_path / "copy"
    shutil.copytree(written, copy)
    path = copy / "decoder_golden.h"
    head, tail = path.read_text().split("decoder_golden_logits[80] = {\n   ")
    first, rest = tail.split(",", 1)
    other = int(first) - 1
    path.write_text(f"{head}decoder_golden_logits[80] = {{\n    {other},{rest}")
    done = built(copy, tmp_path / "build")
    assert (done.returncode, done.stdout) == (
        1,
        f"FAIL window 0, logit 0: {int(first)}, expected {other}\n",
    )


def test_one_form_alone(eca_bundle: Path, tmp_path: Path) -> None:
    """What is not asked for is not written; golden windows are as many as the flash holds."""
    for form, other, said in (
        ("streaming", "edge.c", ", streamed"),
        ("windowed", "edge_stream.c", ""),
    ):
        folder = tmp_path / form
        document = write(eca_bundle, folder, "pic32mx250", form=(form,))
        assert set(document["programs"]) == {form}
        assert not (folder / other).exists()
        done = built(folder, tmp_path / f"{form} build")
        assert (done.returncode, done.stdout) == (0, f"PASS 4 windows{said}\n")
        assert f"PASS 4 windows{said}\n" in (folder / "README.md").read_text()


def test_other_hop_and_spread_work(eca_bundle: Path, tmp_path: Path) -> None:
    """The golden windows are decided a few pushes later; contract and headers say the hop."""
    hop = 30
    document = write(eca_bundle, tmp_path / "f", "nrf52840", hop=hop, spread=True)
    done = built(tmp_path / "f", tmp_path / "build")
    assert (done.returncode, done.stdout) == (0, "PASS 20 windows, streamed too\n")
    assert document["hop"] == json.loads((tmp_path / "f" / "contract.json").read_text())["hop"]
    for header in ("edge_stream.h", "edge_about.h"):
        assert f"#define EDGE_HOP {hop}" in (tmp_path / "f" / header).read_text()
    assert re.search(r"#define EDGE_DELAY 1\d ", (tmp_path / "f" / "edge_stream.h").read_text())


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (
            {"hop": 2000},
            "--hop 2000 is longer than the window of 1000 samples, so samples between two windows "
            "would never be seen. Type at most --hop 1000.",
        ),
        (
            {"hop": 20, "form": ("streaming",)},
            "A hop of 20 samples is not a multiple of the input pool's stride of 15, so windows "
            "would share nothing. The nearest hop is 15 samples.",
        ),
        (
            {"spread": True, "form": ("windowed",)},
            "--spread lays the work of the streaming form on its pushes, and no streaming form was "
            "asked for. Type --form streaming with --engine c, or leave --spread out.",
        ),
    ],
)
def test_real_time_that_cannot_be(
    options: dict[str, Any], complaint: str, eca_bundle: Path, tmp_path: Path
) -> None:
    """One line, and nothing written."""
    with pytest.raises(UsageError) as caught:
        write(eca_bundle, tmp_path / "out", "nrf52840", **options)
    assert str(caught.value) == complaint
    assert not (tmp_path / "out").exists()


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


def write(folder: Path, out: Path, device: str, **options: Any) -> dict[str, Any]:
    """Call the function behind the command."""
    request = firmware.Request(folder, device, out, **{"engine": "c", "name": "edge", **options})
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
            "decoder_signal.c",
            "decoder_signal.h",
            "decoder_golden.h",
            "decoder_about.c",
            "decoder_live.c",
            "decoder_session.c",
            "decoder_session.h",
            "decoder_live.h",
            "decoder_about.h",
            "main.c",
            "CMakeLists.txt",
        ),
        *(
            "device.cmake",
            "NOTICE.txt",
            "README.md",
            "contract.json",
            "firmware.json",
            "edge_port.h",
        ),
    } <= names
    document = json.loads((written / "firmware.json").read_text())
    found = bundle_folder.checksums(written)
    del found["firmware.json"]
    assert document["files"] == found
    assert (document["name"], document["engine"]) == ("decoder", "c")
    assert document["signal_chain"] == "fixed"  # the core has no FPU
    windowed, streaming = (document["programs"][form] for form in firmware.FORMS)
    assert uses(windowed)["input window"] == 22_000
    assert "input window" not in uses(streaming)
    for program in (windowed, streaming):
        assert uses(program)["signal chain: state"] == 1_504
        assert program["ram_bytes"] == sum(uses(program).values())
        assert program["uses"][1]["how"].startswith("compiled for riscv32-imc")
    assert document["ram_bytes"] == windowed["ram_bytes"] > streaming["ram_bytes"]
    readme = (written / "README.md").read_text()
    assert f"| **windowed, together** | {windowed['ram_bytes']:,} |" in readme
    assert f"| **streaming, together** | {streaming['ram_bytes']:,} |" in readme
    assert "PASS 20 windows, streamed too" in readme
    assert "decoder_signal(&chain, counts, frame);" in readme
    said, given = (json.loads((at / "contract.json").read_text()) for at in (written, eca_bundle))
    assert said == {**given, "uv_per_count": 0.02235}  # what the command was told is kept
    assert (document["uv_per_count"], document["hop"]) == (0.02235, given["hop"])


def uses(program: dict[str, Any]) -> dict[str, int]:
    """RAM by what takes it; two entries of a name would be two uses of a program."""
    found = {use["what"]: use["ram_bytes"] for use in program["uses"]}
    assert len(found) == len(program["uses"])
    return found


def test_twice_the_same_bytes(eca_bundle: Path, tmp_path: Path) -> None:
    """An older folder is replaced whole, unless it holds a file that is the user's."""
    write(eca_bundle, tmp_path / "a", "nrf52840")
    before = bundle_folder.checksums(tmp_path / "a")
    write(eca_bundle, tmp_path / "a", "nrf52840")
    assert bundle_folder.checksums(tmp_path / "a") == before
    (tmp_path / "a" / "mine.c").write_text("mine")
    with pytest.raises(UsageError, match=r"holds a file that edge did not write, 'mine\.c', and"):
        write(eca_bundle, tmp_path / "a", "nrf52840")
    assert (tmp_path / "a" / "mine.c").read_text() == "mine"


def smaller(folder: Path, monkeypatch: pytest.MonkeyPatch, **sizes: str) -> None:
    """Put a device with other sizes in the place of every other."""
    text = (devices.FOLDER / "pic32mx250.toml").read_text()
    for field, size in sizes.items():
        text = re.sub(f"{field} = [0-9_]+", f"{field} = {size}", text, count=1)
    (folder / "small.toml").write_text(text)
    small = devices.load("small", folder)
    monkeypatch.setattr(devices, "load", lambda _: small)


CYTON = "on Microchip PIC32MX250F128B (OpenBCI Cyton). Nothing was written."


def test_over_budget(eca_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line with what would fit, exit code 4, and nothing written."""
    smaller(tmp_path, monkeypatch, ram_bytes="16_384", ram_block_bytes="16_384")
    with pytest.raises(BudgetError) as caught:
        write(eca_bundle, tmp_path / "out", "small")
    needed = int(str(caught.value).split(" bytes of RAM")[0].split()[-1].replace(",", ""))
    assert 22_000 < needed < 32_768
    assert str(caught.value) == (
        f"The windowed program needs {needed:,} bytes of RAM where there are 16,384 {CYTON} "
        f"Type --form streaming, which fits."
    )
    assert caught.value.exit_code == 4
    assert not (tmp_path / "out").exists()
    fits = write(eca_bundle, tmp_path / "out", "small", form=("streaming",))
    assert fits["ram_bytes"] <= 16_384


def test_neither_form_fits(
    eca_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are named, each with what it lacks."""
    smaller(tmp_path, monkeypatch, ram_block_bytes="4_096", flash_bytes="4_000")
    with pytest.raises(BudgetError) as caught:
        write(eca_bundle, tmp_path / "out", "small")
    message = re.sub(r"[\d,]+ bytes of flash where", "### bytes of flash where", str(caught.value))
    state = re.findall(r"needs ([\d,]+) bytes of RAM in one piece \(state", message)[0]
    flash = "### bytes of flash where there are 4,000"
    assert message == (
        f"The windowed program needs 22,000 bytes of RAM in one piece (input window) where there "
        f"are 4,096 and {flash}, the streaming program needs {state} bytes of RAM in one piece "
        f"(state, activations and scratch) where there are 4,096 and {flash} {CYTON} Name another "
        f"--device, or train on shorter windows or fewer channels."
    )


@pytest.mark.parametrize(
    ("form", "engine", "complaint"),
    [
        (
            "streamed", "c", "Invalid value for '--form'. Allowed values are 'windowed' and "
            "'streaming', but got 'streamed' instead. Did you mean 'streaming'?",
        ),
        (
            "streaming", "tflm", "--engine tflm has no streaming form, it takes windowed calls. "
            "Type --engine c.",
        ),
    ],
)  # fmt: skip
def test_form_that_cannot_be(
    form: str, engine: str, complaint: str, eca_bundle: Path, tmp_path: Path
) -> None:
    """What there is."""
    with pytest.raises(UsageError) as caught:
        write(eca_bundle, tmp_path / "out", "nrf52840", form=(form,), engine=engine)
    assert str(caught.value) == complaint


def test_estimates_without_a_compiler(
    eca_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are called estimates and lie above what a compiler makes."""
    measured = write(eca_bundle, tmp_path / "a", "nrf5340")
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(toolchain, "has_zig", lambda: False)
    estimated = write(eca_bundle, tmp_path / "b", "nrf5340")
    for form in firmware.FORMS:
        for kind in ("flash_bytes", "ram_bytes"):
            assert estimated["programs"][form][kind] > measured["programs"][form][kind]
    assert (
        "estimate, no compiler for cortex-m33 is installed: pip install ziglang"
        in (tmp_path / "b" / "README.md").read_text()
    )
