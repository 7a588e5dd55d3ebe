# SPDX-License-Identifier: BSD-3-Clause
"""Find where a bundle can be measured: a device is a file in ``benchmarks/devices/runners``.

A device with an address, ``ssh://user@host``, is found by what stands before the ``://``, and its
file says in ``ADDRESS`` how the rest is written. Where ``THREADS`` is true, more than one can be
asked for. Other packages add devices by entry points of the group ``edge.devices``.
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
    name, separator, _ = device.partition("://")
    if name not in registry.names(RUNNERS) or (_address(name) == "") == (separator != ""):
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
    name = device.partition("://")[0]
    if threads > 1 and not getattr(registry.load(RUNNERS, name, "--device"), "THREADS", False):
        raise UsageError(
            f"--threads {threads} with --device {device}, whose instructions are those of one "
            f"thread. Leave --threads out, or measure on a device: --device ssh://…"
        )


def _address(name: str) -> str:
    address: str = getattr(registry.load(RUNNERS, name, "--device"), "ADDRESS", "")
    return address
