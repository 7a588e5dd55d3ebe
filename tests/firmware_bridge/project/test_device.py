# SPDX-License-Identifier: BSD-3-Clause
"""Device files: complete, sourced, and refused by the name of the field that is wrong."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path

import pytest

from edge.errors import IncompatibleError, UsageError
from firmware_bridge.build import cores
from firmware_bridge.project import device

GOOD = """title = "A board"
core = "cortex-m4"
ram_bytes = 1000
ram_block_bytes = 600
flash_bytes = 2000

[sources]
core = "owner/name core.h: M4"
ram_bytes = "owner/name board.ld: RAM 1000"
flash_bytes = "owner/name board.ld: FLASH 2000"
"""


def test_devices() -> None:
    """Those of the issue, in KB: RAM, its largest piece, flash."""
    found = {name: device.load(name) for name in device.names()}
    sizes = {
        name: (d.core, d.ram_bytes >> 10, d.ram_block_bytes >> 10, d.flash_bytes >> 10)
        for name, d in found.items()
    }
    assert sizes == {
        "corstone300": ("cortex-m55", 512, 512, 512),
        "esp32c3": ("riscv32-imc", 384, 384, 4096),
        "nrf52840": ("cortex-m4", 256, 256, 1024),
        "nrf5340": ("cortex-m33", 512, 512, 1024),
        "pic32mx250": ("mips32-m4k", 32, 32, 120),
        "rp2350": ("cortex-m33", 520, 520, 4096),
        "rpi4": ("cortex-a72", 1 << 20, 1 << 20, 1 << 20),
        "rpi5": ("cortex-a76", 1 << 20, 1 << 20, 1 << 20),
        "stm32f407": ("cortex-m4", 192, 128, 512),
        "stm32h743": ("cortex-m7", 992, 512, 2048),
        "stm32l4r5": ("cortex-m4", 640, 384, 2048),
    }


@pytest.mark.parametrize("name", device.names())
def test_nothing_is_guessed(name: str) -> None:
    """Every figure names a repository, a file in it and what it says there; sizes agree with it."""
    found = device.load(name)
    for figure in ("core", "ram_bytes", "flash_bytes"):
        source = getattr(found.sources, figure)
        assert re.match(r"[\w.-]+/[\w.-]+ [\w./-]+\.[a-z]+: \S", source), (figure, source)
    for size, source in (
        (found.ram_bytes, found.sources.ram_bytes),
        (found.flash_bytes, found.sources.flash_bytes),
    ):
        assert published_bytes(source.partition(": ")[2]) == size


def published_bytes(text: str) -> int:
    """The size that a source's words give: ends of an address range, or pieces to be added."""
    if ends := re.findall(r"0x[0-9A-F]{8}", text):
        first, last = (int(end, 16) for end in ends)
        return last - first
    if product := re.search(r"\((\d+) \* (\d+) \* (\d+)\)", text):
        return math.prod(map(int, product.groups()))
    units = {"K": 1 << 10, " * KiB": 1 << 10, "M": 1 << 20, " GB": 1 << 30, "": 1}
    words = re.findall(r"DT_SIZE_([KM])\((\d+)\)", text)
    pieces = [(number, unit) for unit, number in words]
    pieces = pieces or re.findall(r"\b(\d+)(K| \* KiB| GB|)$", text.replace(", ", "\n"), re.M)
    return sum(int(number) * units[unit] for number, unit in pieces)


def test_no_core_is_idle() -> None:
    """Every core is some device's."""
    assert {device.load(name).core for name in device.names()} == set(cores.CORES)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("ram_bytes = 1000\n", ""), "ram_bytes is missing"),
        (("ram_bytes", "ram_byte"), "ram_byte is not known. Did you mean 'ram_bytes'?"),
        (("1000", '"much"'), "ram_bytes: Input should be a valid integer, unable to parse string as"
         " an integer, got 'much'"),
        (("1000", "0"), "ram_bytes: got 0, not a size"),
        (("600", "6000"), "ram_block_bytes is more than ram_bytes"),
        (('flash_bytes = "owner/name board.ld: FLASH 2000"', ""), "sources.flash_bytes is missing"),
        (("cortex-m4", "cortex-m5"), "Invalid value for 'core'. Allowed values are 'cortex-m4', "
         "'cortex-m7', 'cortex-m33', 'cortex-m55', 'cortex-a72', 'cortex-a76', 'riscv32-imc' and "
         "'mips32-m4k', but got 'cortex-m5' instead. Did you mean 'cortex-m55'?"),
    ],
)  # fmt: skip
def test_wrong_file(change: tuple[str, str], complaint: str, tmp_path: Path) -> None:
    """The file and the field are named."""
    path = tmp_path / "board.toml"
    path.write_text(GOOD.replace(*change, 1))
    with pytest.raises(IncompatibleError) as caught:
        device.load("board", tmp_path)
    end = "" if complaint.endswith("?") else "."
    assert str(caught.value) == f"{path}: {complaint}{end}"


def test_unknown_device(tmp_path: Path) -> None:
    """The names there are."""
    (tmp_path / "board.toml").write_text(GOOD)
    assert device.load("board", tmp_path).ram_bytes == 1000
    with pytest.raises(UsageError) as caught:
        device.load("bord", tmp_path)
    assert str(caught.value) == (
        "Invalid value for '--device'. Allowed values are 'board', but got 'bord' instead. "
        "Did you mean 'board'?"
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"\xff", "is not text in UTF-8"),
        (b"a = ", "is not a TOML file"),
        (b"a = " + b"[" * 100_000, "is not a TOML file"),
        (b"#" * (2**20 + 1), "holds 1048577 bytes"),
        (GOOD.replace("1000", "nan", 1).encode(), "ram_bytes"),
    ],
)
def test_files_of_strangers(text: bytes, why: str, tmp_path: Path) -> None:
    """Are refused in one line that names the file."""
    path = tmp_path / "x.toml"
    path.write_bytes(text)
    with pytest.raises(IncompatibleError, match=why) as refused:
        device.load(str(path))
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """What is no regular file is refused before it is read; what is not there is named."""
    os.mkfifo(tmp_path / "x.toml")
    with pytest.raises(IncompatibleError, match="is not a regular file"):
        device.load(str(tmp_path / "x.toml"))
    with pytest.raises(UsageError, match="does not exist"):
        device.load(str(tmp_path / "y.toml"))
