# SPDX-License-Identifier: BSD-3-Clause
"""Find where a bundle can be measured: a device is a file in ``benchmarks/devices/runners``.

A device with an address, ``ssh://user@host`` or ``serial:/dev/ttyACM0``, is found by what stands
before the colon, and its file says in ``ADDRESS`` how the rest is written. Where ``THREADS`` is
true, more than one can be asked for. Other packages add devices by entry points of the group
``edge.devices``.
"""

from __future__ import annotations

from typing import Any

from benchmarks.measure.findings import Runner
from edge import registry
from edge.errors import UsageError, invalid_value

RUNNERS = registry.Kind("device", "benchmarks.devices.runners", "edge.devices")


def names() -> tuple[str, ...]:
    """Return what ``--device`` takes."""
    every = registry.every(RUNNERS).items()
    return tuple(f"{name}{getattr(runner, 'ADDRESS', '')}" for name, runner in every)


def load(device: str) -> Runner:
    """Return the runner of a device.

    Raises
    ------
    UsageError
        When there is none of that name.
    """
    name = _name(device)
    if name not in registry.names(RUNNERS) or not _is_complete(device, name):
        raise UsageError(invalid_value("--device", device, names()))
    found: Any = registry.load(RUNNERS, name, "--device")
    runner: Runner = found
    return runner


def refuse_threads(device: str, threads: int) -> None:
    """Raise if more than one thread is asked for and there is only one.

    Raises
    ------
    UsageError
        With what is counted there.
    """
    name = _name(device)
    if threads > 1 and not getattr(registry.load(RUNNERS, name, "--device"), "THREADS", False):
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
