"""Device files: complete, sourced, and refused by the name of the field that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import IncompatibleError, UsageError
from firmware_bridge import cores, device

GOOD = """title = "A board"
core = "cortex-m4"
ram_bytes = 1000
flash_bytes = 2000
source = "https://example.org"
"""


def test_devices() -> None:
    """Those of the issue, with the figures of their data sheets."""
    found = {name: device.load(name) for name in device.names()}
    sizes = {name: (d.core, d.ram_bytes >> 10, d.flash_bytes >> 10) for name, d in found.items()}
    assert sizes == {
        "corstone300": ("cortex-m55", 512, 512),
        "esp32c3": ("riscv32-imc", 384, 4096),
        "nrf52840": ("cortex-m4", 256, 1024),
        "nrf5340": ("cortex-m33", 512, 1024),
        "pic32mx250": ("mips32-m4k", 32, 128),
        "rp2350": ("cortex-m33", 520, 4096),
        "rpi4": ("cortex-a72", 1 << 20, 1 << 20),
        "rpi5": ("cortex-a76", 2 << 20, 2 << 20),
        "stm32f407": ("cortex-m4", 192, 512),
        "stm32h743": ("cortex-m7", 992, 1024),
    }


@pytest.mark.parametrize("name", device.names())
def test_nothing_is_guessed(name: str) -> None:
    """The file begins with where its figures are from, and links there."""
    text = (device.FOLDER / f"{name}.toml").read_text()
    assert text.startswith("# ")
    assert device.load(name).source.startswith("https://")


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
        (("cortex-m4", "cortex-m5"), "Invalid value for 'core'. Allowed values are 'cortex-m4', "
         "'cortex-m7', 'cortex-m33', 'cortex-m55', 'cortex-a72', 'cortex-a76', 'riscv32-imc' and "
         "'mips32-m4k', but got 'cortex-m5' instead. Did you mean 'cortex-m55'?"),
    ],
)  # fmt: skip
def test_wrong_file(change: tuple[str, str], complaint: str, tmp_path: Path) -> None:
    """The file and the field are named."""
    path = tmp_path / "board.toml"
    path.write_text(GOOD.replace(*change))
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
