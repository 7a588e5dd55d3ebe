# SPDX-License-Identifier: BSD-3-Clause
"""Say what ``edge firmware`` writes, and what it takes of a device's memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.plan.source import wrapped
from firmware_bridge.project.device import Device
from firmware_bridge.rendering import Code, render
from quantize import plain as manifest
from quantize.errors import BudgetError, EdgeError

MANIFEST = "firmware.json"
N_GOLDEN = 20


@dataclass(frozen=True)
class Use:
    """Something that takes memory, and how that is known."""

    what: str
    ram_bytes: int
    flash_bytes: int
    how: str


@dataclass(frozen=True)
class Golden:
    """Windows (n, n_times, n_chans) int8 and the logits (n, n_outputs) that they must give.

    Logits are int16, or int8 where a runtime has no more. ``steps`` is how far one may be off: not
    at all, or a step of 8 bits where a part of the network is float.
    """

    windows: NDArray[np.int8]
    logits: NDArray[np.int16] | NDArray[np.int8]
    steps: int

    @property
    def window_bytes(self) -> int:
        """The size of one window."""
        return int(self.windows[0].size)

    def fitting(self, flash_bytes: int) -> Golden:
        """Return as many windows as fit into that much flash, at least one."""
        count = max(1, min(N_GOLDEN, flash_bytes // self.window_bytes))
        return Golden(self.windows[:count], self.logits[:count], self.steps)


STACK = "stack of a call"


@dataclass(frozen=True)
class Program:
    """One of the forms in which a model is linked into a firmware, and what it takes.

    ``form`` is ``windowed`` (a whole window a call) or ``streaming`` (sample by sample).
    """

    form: str
    uses: tuple[Use, ...]

    @property
    def ram_bytes(self) -> int:
        """The RAM of everything together."""
        return sum(use.ram_bytes for use in self.uses)

    @property
    def flash_bytes(self) -> int:
        """The flash of everything together."""
        return sum(use.flash_bytes for use in self.uses)

    def beside(self, others: Sequence[Use]) -> Program:
        """Return the program with what runs before a call of it; the deeper stack counts."""
        uses = (*self.uses, *others)
        stacks = sorted((u for u in uses if u.what == STACK), key=lambda use: use.ram_bytes)
        return Program(self.form, (*(u for u in uses if u.what != STACK), *stacks[-1:]))

    def over(self, device: Device) -> list[str]:
        """Return what there is too little of."""
        largest = max(self.uses, key=lambda use: use.ram_bytes)
        needs = [
            ("bytes of RAM", self.ram_bytes, device.ram_bytes),
            ("bytes of flash", self.flash_bytes, device.flash_bytes),
        ]
        if self.ram_bytes <= device.ram_bytes:
            kind = f"bytes of RAM in one piece ({largest.what})"
            needs.insert(0, (kind, largest.ram_bytes, device.ram_block_bytes))
        return [
            f"{need:,} {kind} where there are {there:,}"
            for kind, need, there in needs
            if need > there
        ]


@dataclass(frozen=True)
class Project:
    """Files by name, relative to the folder, and what they take, apart from golden vectors.

    ``ops`` are the operators of the runtime that the program must be linked with; empty where there
    is no runtime.
    """

    files: Mapping[str, bytes]
    programs: tuple[Program, ...]
    ops: tuple[str, ...] = ()


def refuse(programs: Sequence[Program], device: Device) -> None:
    """Raise if a device has too little memory for one of the programs, each by itself.

    Raises
    ------
    BudgetError
        The message says what the device has and what is needed.
    """
    over = {program.form: program.over(device) for program in programs}
    too_large = [
        f"the {form} program needs {' and '.join(needs)}" for form, needs in over.items() if needs
    ]
    if not too_large:
        return
    fits = [form for form, needs in over.items() if not needs]
    what_to_do = "Name another --device, or train on shorter windows or fewer channels."
    if fits:
        what_to_do = f"Type --form {fits[0]}, which fits."
    complaint = f"{', '.join(too_large)} on {device.title}. Nothing was written. {what_to_do}"
    raise BudgetError(complaint[0].upper() + complaint[1:])


def golden_header(name: str, golden: Golden) -> bytes:
    """Return the text of ``NAME_golden.h``."""
    return render(
        "golden.h",
        name=name,
        upper=name.upper(),
        golden=golden,
        windows=numbers(golden.windows),
        windows_shape=Code(golden.windows.shape),
        logits=numbers(golden.logits),
        logits_shape=Code(golden.logits.shape),
        logits_type=golden.logits.dtype.name,
    ).encode()


def numbers(values: NDArray[Any]) -> Code:
    """Return an array's initializer, wrapped."""
    return Code("\n".join(wrapped(map(str, values.ravel().tolist()))))


def document(project: Project, device_name: str, device: Device, **values: Any) -> dict[str, Any]:
    """Return what the folder is, for programs: ``firmware.json`` and ``--json``.

    ``ram_bytes`` and ``flash_bytes`` are the largest of all programs.
    """
    return {
        "device": {"name": device_name, **asdict(device)},
        "files": {name: manifest.sha256(data) for name, data in sorted(project.files.items())},
        "flash_bytes": max(program.flash_bytes for program in project.programs),
        "ops": list(project.ops),
        "programs": {
            program.form: {
                "flash_bytes": program.flash_bytes,
                "ram_bytes": program.ram_bytes,
                "uses": [asdict(use) for use in program.uses],
            }
            for program in project.programs
        },
        "ram_bytes": max(program.ram_bytes for program in project.programs),
        "schema_version": manifest.SCHEMA_VERSION,
        **values,
    }


def owned(folder: Path) -> frozenset[str] | None:
    """Names of the files that ``edge firmware`` wrote into a folder; None where it wrote none."""
    try:
        document = manifest.document(folder / MANIFEST)
    except EdgeError:
        return None
    keys = {"engine", "device", "schema_version"}
    if not (isinstance(document, dict) and keys <= document.keys()):
        return None
    listed = document.get("files")
    names = listed if isinstance(listed, dict) else ()
    return frozenset((*names, MANIFEST))
