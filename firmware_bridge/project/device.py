# SPDX-License-Identifier: BSD-3-Clause
"""Read devices: one TOML file each, in ``devices/``, or a file that the user names.

Other packages add devices by entry points of the group ``edge.boards``: ``my-board``
names a package whose folder holds ``my-board.toml``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from firmware_bridge.build import cores
from firmware_bridge.build.cores import Core
from firmware_bridge.project.power import Power
from quantize import plain as manifest
from quantize import plugins
from quantize.errors import IncompatibleError, UsageError, invalid_value
from quantize.reading import MIB, read_bytes

FOLDER = Path(__file__).parent / "devices"
GROUP = "edge.boards"


@dataclass(frozen=True)
class Sources:
    """Where each figure was read: a repository's ``owner/name``, a file in it, what it says.

    Attributes
    ----------
    core, ram_bytes, flash_bytes
        The source of this figure.
    """

    core: str
    ram_bytes: str
    flash_bytes: str
    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid"}


@dataclass(frozen=True)
class Device:
    """A microcontroller or computer as a budget of memory.

    Attributes
    ----------
    title
        What it is called, and a headset that carries it.
    core
        A name of :data:`firmware_bridge.build.cores.CORES`.
    ram_bytes, flash_bytes
        All that a program may use.
    ram_block_bytes
        The largest piece of the RAM without a gap; no buffer may be larger.
    sources
        Where each figure was read.
    power
        Clock and currents, each with its source; None where the file says nothing of them.
    """

    title: str
    core: str
    ram_bytes: int
    ram_block_bytes: int
    flash_bytes: int
    sources: Sources
    power: Power | None = None
    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid"}

    @property
    def processor(self) -> Core:
        """The core, with what compilers are told for it."""
        return cores.CORES[self.core]


def names(folder: Path = FOLDER) -> tuple[str, ...]:
    """Return the names of all devices, including those of other packages."""
    return tuple(sorted({*(path.stem for path in folder.glob("*.toml")), *plugins.offered(GROUP)}))


def _path(name: str, folder: Path) -> Path:
    """The file behind a name; a name that ends in ``.toml`` is a path."""
    own = folder / f"{name}.toml"
    if name.endswith(".toml"):
        return Path(name)
    if name not in names(folder):
        raise UsageError(invalid_value("--device", name, names(folder)))
    if own.exists():
        return own
    package = plugins.load_module(GROUP, name, "device")
    return Path(str(package.__file__)).parent / f"{name}.toml"


def load(name: str, folder: Path = FOLDER) -> Device:
    """Read a device's file, by its name or by its path.

    Raises
    ------
    UsageError
        When there is none of that name.
    IncompatibleError
        When a field is missing, unknown or wrong; it is named.
    """
    path = _path(name, folder)
    document = manifest.toml(read_bytes(path, MIB), str(path))
    found = manifest.validate(document, Device, str(path))
    if found.core not in cores.CORES:
        raise IncompatibleError(f"{path}: {invalid_value('core', found.core, tuple(cores.CORES))}")
    for field in ("ram_bytes", "ram_block_bytes", "flash_bytes"):
        if getattr(found, field) <= 0:
            raise IncompatibleError(f"{path}: {field}: got {getattr(found, field)}, not a size.")
    if found.ram_block_bytes > found.ram_bytes:
        raise IncompatibleError(f"{path}: ram_block_bytes is more than ram_bytes.")
    if found.power is not None and (complaint := found.power.complaint()):
        raise IncompatibleError(f"{path}: {complaint}.")
    return found
