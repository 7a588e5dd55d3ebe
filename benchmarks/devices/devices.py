# SPDX-License-Identifier: BSD-3-Clause
"""Find where a bundle can be measured: a device is a file in ``benchmarks/devices/runners``.

So is every microcontroller of ``firmware_bridge/project/devices`` whose core is emulated, and every
file like those that is named by its path; see :mod:`benchmarks.devices.runners._board`.

A device with an address, ``ssh://user@host`` or ``serial:/dev/ttyACM0``, is found by what stands
before the colon, and its file says in ``ADDRESS`` how the rest is written. Where ``THREADS`` is
true, more than one can be asked for. Other packages add devices by entry points of the group
``edge.devices``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmarks.devices.runners import _board, _cortex_m
from benchmarks.measure.findings import Findings, Request, Runner
from edge import registry
from edge.bundle.read import Bundle
from edge.errors import UsageError, invalid_value
from edge.terminal.console import Console
from firmware_bridge.project import device as boards

RUNNERS = registry.Kind("device", "benchmarks.devices.runners", "edge.devices")


def names() -> tuple[str, ...]:
    """Return what ``--device`` takes."""
    every = registry.every(RUNNERS).items()
    runners = {f"{name}{getattr(runner, 'ADDRESS', '')}" for name, runner in every}
    return tuple(sorted(runners | set(_board.names())))


def load(device: str) -> Runner:
    """Return the runner of a device.

    Raises
    ------
    UsageError
        When there is none of that name.
    """
    if is_board(device):
        return _Board()
    name = _name(device)
    if name not in registry.names(RUNNERS) or not _is_complete(device, name):
        raise UsageError(invalid_value("--device", device, names()))
    found: Any = registry.load(RUNNERS, name, "--device")
    runner: Runner = found
    return runner


@dataclass(frozen=True)
class _Board:
    """The runner of every microcontroller that has a file."""

    def run(self, opened: Bundle, device: str, request: Request, console: Console) -> Findings:
        """Measure a bundle on it."""
        return _board.run(opened, device, request, console)


def is_board(device: str) -> bool:
    """Return whether a device is a file with a clock and currents, of ours or of the user's.

    Raises
    ------
    UsageError
        For a file whose core is not emulated.
    """
    if not device.endswith(".toml"):
        return device in _board.names() and device not in registry.names(RUNNERS)
    core = boards.load(device).core
    if core not in _cortex_m.MEASURES:
        raise UsageError(invalid_value(f"core of {device}", core, tuple(_cortex_m.MEASURES)))
    return True


def refuse_threads(device: str, threads: int) -> None:
    """Raise if more than one thread is asked for and there is only one.

    Raises
    ------
    UsageError
        With what is counted there.
    """
    name = _name(device)
    if threads > 1 and (
        is_board(device) or not getattr(registry.load(RUNNERS, name, "--device"), "THREADS", False)
    ):
        raise UsageError(
            f"--threads {threads} with --device {device}, whose instructions are those of one "
            f"thread. Leave --threads out, or measure on a device: --device ssh://…"
        )


def _name(device: str) -> str:
    return device.partition(":")[0]


def _is_complete(device: str, name: str) -> bool:
    """Whether a device is written as its file says: with an address or without."""
    address = _address(name)
    if not address:
        return device == name
    separator = name + address[: len(address) - len(address.lstrip(":/"))]
    return device.startswith(separator) and device != separator


def _address(name: str) -> str:
    address: str = getattr(registry.load(RUNNERS, name, "--device"), "ADDRESS", "")
    return address
