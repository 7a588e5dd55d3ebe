# SPDX-License-Identifier: BSD-3-Clause
"""Say what a package of firmware is made of: the files of the engine ``c``, in another order.

A package is one folder that a build system takes as it is: a library without a second ``main``, its
description in that system's own files, and an example that replays the golden vectors, prints what
a call costs and PASS.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from edge.errors import UsageError
from firmware_bridge.project.device import Device
from firmware_bridge.rendering import Code, render

VERSION = re.compile(r"(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})")
EXAMPLE_ONLY = frozenset({"main.c", "CMakeLists.txt", "device.cmake"})
"""Files of the engine's own folder that a package has otherwise."""


@dataclass(frozen=True)
class Parts:
    """What a package is arranged from.

    Attributes
    ----------
    name
        What symbols begin with, and what the package is called.
    version
        Three numbers.
    device
        What the firmware was made for.
    files
        What the engine wrote, by name.
    """

    name: str
    version: str
    device: Device
    files: Mapping[str, bytes]

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the library's ``.c`` files."""
        return self._ending(".c")

    @property
    def headers(self) -> tuple[str, ...]:
        """Names of the library's headers, apart from the golden vectors."""
        return tuple(name for name in self._ending(".h") if name != self.golden)

    @property
    def golden(self) -> str:
        """Name of the header with the golden vectors."""
        return f"{self.name}_golden.h"

    def library(self, sources: str, headers: str) -> dict[str, bytes]:
        """Return the library in two folders, and all that is neither code nor a build."""
        placed = {f"{sources}/{name}": self.files[name] for name in self.sources}
        placed |= {f"{headers}/{name}": self.files[name] for name in self.headers}
        code = {*self.sources, *self.headers, self.golden, *EXAMPLE_ONLY}
        return placed | {n: data for n, data in self.files.items() if n not in code}

    def replay(self, folder: str) -> dict[str, bytes]:
        """Return the example's part that no build system changes."""
        return {
            f"{folder}/replay.c": self.render("replay.c"),
            f"{folder}/replay.h": self.render("replay.h"),
            f"{folder}/{self.golden}": self.files[self.golden],
        }

    def render(self, template: str) -> bytes:
        """Render a file of ``templates/packages``."""
        return render(
            f"packages/{template}",
            name=self.name,
            upper=self.name.upper(),
            lower=self.name.lower(),
            version=Code(self.version),
            sources=[Code(name) for name in self.sources],
            headers=[Code(name) for name in self.headers],
            windowed=f"{self.name}.h" in self.headers,
            stream=f"{self.name}_stream.h" in self.headers,
            device=self.device,
        ).encode()

    def _ending(self, suffix: str) -> tuple[str, ...]:
        return tuple(sorted(n for n in self.files if n.endswith(suffix) and n not in EXAMPLE_ONLY))


class Package(Protocol):
    """The interface of a file in :mod:`edge.firmware.packages`."""

    def arrange(self, parts: Parts) -> dict[str, bytes]:
        """Return every file of the package by its path, apart from ``firmware.json``."""


def refuse_version(version: str) -> None:
    """Raise unless a version is three numbers, which every build system takes.

    Raises
    ------
    UsageError
        When it is not.
    """
    if not VERSION.fullmatch(version):
        raise UsageError(
            f"--package-version {version!r} is not three numbers. Type --package-version 1.0.0."
        )
