# SPDX-License-Identifier: BSD-3-Clause
"""Measure one bundle on one device or several, beside what stock tools make."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.devices import devices
from benchmarks.emulate import engine
from benchmarks.measure import live, machine, pushes
from benchmarks.measure.findings import SCHEMA_VERSION, Failure, Findings, Report, Request, Runner
from edge.bundle import read as bundle
from edge.bundle import types as bundle_types
from edge.bundle.read import Bundle
from edge.errors import EdgeError, UsageError, invalid_value, of_code
from edge.terminal.console import Console
from firmware_bridge.project.power import Beside
from quantize import plain as manifest


def bench(request: Request, console: Console) -> Report:
    """Measure, write the samples, and report.

    Where several devices are asked for, one that fails does not take the others' figures with it;
    see :func:`refuse`.

    Raises
    ------
    UsageError
        For an unknown device, a target that the bundle does not have, or samples that cannot be
        written.
    MissingToolError
        When no runtime of the bundle is installed.
    """
    if request.stream:
        live.refuse(request)
    runners: dict[str, Runner] = {
        device: _live(device) if request.stream else devices.load(device)
        for device in request.devices
    }
    _refuse_battery(request)
    opened = bundle.read(request.bundle)
    _refuse(request, opened)
    for device in request.devices:
        devices.refuse_threads(device, request.threads)
    around = machine.machine()
    found: dict[str, Findings] = {}
    failures = []
    for device, runner in runners.items():
        try:
            found[device] = runner.run(opened, device, request, console)
        except EdgeError as error:
            if len(runners) == 1:
                raise
            console.note(f"note: {device}: {error}")
            failures.append(Failure(device, str(error), int(error.exit_code)))
    report = Report(
        bundle=request.bundle.name,
        bundle_sha256=manifest.sha256((request.bundle / bundle_types.MANIFEST).read_bytes()),
        results=tuple(result for findings in found.values() for result in findings.results),
        skipped=_skipped(found),
        notes=tuple(dict.fromkeys(note for f in found.values() for note in f.notes)),
        protocol=request.protocol,
        machine=around,
        devices={device: findings.around for device, findings in found.items()},
        failures=tuple(failures),
    )
    _write_samples(request.samples, report, found)
    return report


def _live(device: str) -> Runner:
    """Return what decodes a live signal: paced here, or push by push on an emulated core."""
    return live if device == live.DEVICE else pushes


def refuse(report: Report) -> None:
    """Raise for the first device that failed, after the others were shown."""
    if report.failures:
        first = report.failures[0]
        more = f" ({len(report.failures) - 1} more failed)" if len(report.failures) > 1 else ""
        raise of_code(first.exit_code)(f"{first.device}: {first.why}{more}")


def _refuse(request: Request, opened: Bundle) -> None:
    """Everything that can be wrong before anything is measured."""
    artifacts = (artifact.target for artifact in opened.manifest.artifacts)
    there = tuple(dict.fromkeys((*artifacts, *engine.targets(opened))))
    for name in request.targets:
        if name not in there:
            raise UsageError(invalid_value("--target", name, there))
    folder = request.samples.absolute().parent
    if not folder.is_dir() or request.samples.is_dir():
        raise UsageError(
            f"--samples {str(request.samples)!r} cannot be written. Name a file in a folder that "
            f"exists."
        )


def _refuse_battery(request: Request) -> None:
    """Currents and a battery are a microcontroller's."""
    if request.beside == Beside():
        return
    if request.beside.battery_mah is not None and request.beside.battery_mah <= 0:
        raise UsageError(
            f"--battery-mah {request.beside.battery_mah:g} is no battery. Name its capacity: "
            f"--battery-mah 100"
        )
    for device in request.devices:
        if not devices.is_board(device):
            raise UsageError(
                f"--battery-mah, --afe-ma and --radio-ma are for a microcontroller whose file "
                f"names its currents, but got --device {device}. Type --device nrf52840, or name "
                f"a file of your own: --device my-board.toml"
            )


def _skipped(found: Mapping[str, Findings]) -> dict[str, str]:
    """What each device left out; its name before it where there are several."""
    return {
        f"{device}: {name}" if len(found) > 1 else name: why
        for device, findings in found.items()
        for name, why in findings.skipped.items()
    }


def _write_samples(path: Path, report: Report, found: Mapping[str, Findings]) -> None:
    """A first line that says what the others belong to, then a line for every block."""
    head = {
        "schema_version": SCHEMA_VERSION,
        "bundle": report.bundle,
        "bundle_sha256": report.bundle_sha256,
        "protocol": asdict(report.protocol),
        "machine": report.machine,
        "devices": report.devices,
    }
    blocks: Sequence[Mapping[str, object]] = [
        {
            "device": device,
            "round": number,
            "name": name,
            "us": [round(value, 3) for value in values],
        }
        for device, findings in found.items()
        for number, samples in enumerate(findings.rounds)
        for name, values in samples.items()
    ]
    text = "".join(json.dumps(line) + "\n" for line in (head, *blocks))
    try:
        path.write_text(text)
    except OSError as error:
        raise UsageError(f"Cannot write --samples {str(path)!r}: {error.strerror}.") from None
