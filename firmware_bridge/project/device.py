# SPDX-License-Identifier: BSD-3-Clause
"""Devices: one file each in ``devices/``, found by listing the folder."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from firmware_bridge.build import cores
from firmware_bridge.build.cores import Core
from quantize import plain as manifest
from quantize.errors import IncompatibleError, UsageError, invalid_value

FOLDER = Path(__file__).parent / "devices"


@dataclass(frozen=True)
class Sources:
    """Where each figure was read: a repository's ``owner/name``, a file in it, and what it says."""

    core: str
    ram_bytes: str
    flash_bytes: str
    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid"}


@dataclass(frozen=True)
class Device:
    """A microcontroller or computer as a budget.

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
    """

    title: str
    core: str
    ram_bytes: int
    ram_block_bytes: int
    flash_bytes: int
    sources: Sources
    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid"}

    @property
    def processor(self) -> Core:
        """What compilers are told."""
        return cores.CORES[self.core]


def names(folder: Path = FOLDER) -> tuple[str, ...]:
    """Every device there is."""
    return tuple(sorted(path.stem for path in folder.glob("*.toml")))


def load(name: str, folder: Path = FOLDER) -> Device:
    """Read a device's file.

    Raises
    ------
    UsageError
        When there is none of that name.
    IncompatibleError
        When a field is missing, unknown or wrong; it is named.
    """
    if name not in names(folder):
        raise UsageError(invalid_value("--device", name, names(folder)))
    path = folder / f"{name}.toml"
    try:
        document = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise IncompatibleError(f"{path} is not TOML: {error}.") from None
    found = manifest.validate(document, Device, str(path))
    if found.core not in cores.CORES:
        raise IncompatibleError(f"{path}: {invalid_value('core', found.core, tuple(cores.CORES))}")
    for field in ("ram_bytes", "ram_block_bytes", "flash_bytes"):
        if getattr(found, field) <= 0:
            raise IncompatibleError(f"{path}: {field}: got {getattr(found, field)}, not a size.")
    if found.ram_block_bytes > found.ram_bytes:
        raise IncompatibleError(f"{path}: ram_block_bytes is more than ram_bytes.")
    return found
