"""``edge bench``: one bundle on one device, beside the stock route."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks import machine
from benchmarks.findings import SCHEMA_VERSION, Report, Request, Runner
from benchmarks.protocol import Samples
from edge import bundle, manifest, registry
from edge.bundle import Bundle
from edge.console import Console
from edge.errors import UsageError, invalid_value


def bench(request: Request, console: Console) -> Report:
    """Measure, write the samples, and report.

    Raises
    ------
    UsageError
        For an unknown device, a target that the bundle does not have, or samples that cannot be
        written.
    MissingToolError
        When no runtime of the bundle is installed.
    """
    runner: Runner = registry.load("benchmarks.runners", request.device, "--device")
    opened = bundle.read(request.bundle)
    _refuse(request, opened)
    around = machine.machine()
    found = runner.run(opened, request, console)
    report = Report(
        bundle=request.bundle.name,
        bundle_sha256=manifest.sha256((request.bundle / bundle.MANIFEST).read_bytes()),
        results=found.results,
        skipped=found.skipped,
        notes=found.notes,
        protocol=request.protocol,
        machine=around,
    )
    _write_samples(request.samples, report, found.rounds)
    return report


def _refuse(request: Request, opened: Bundle) -> None:
    """Everything that can be wrong before anything is measured."""
    there = tuple(dict.fromkeys(a.target for a in opened.manifest.artifacts))
    for name in request.targets:
        if name not in there:
            raise UsageError(invalid_value("--target", name, there))
    folder = request.samples.absolute().parent
    if not folder.is_dir() or request.samples.is_dir():
        raise UsageError(
            f"--samples {str(request.samples)!r} cannot be written. Name a file in a folder that "
            f"exists."
        )


def _write_samples(path: Path, report: Report, rounds: Sequence[Samples]) -> None:
    """A first line that says what the others belong to, then a line for every block."""
    head = {
        "schema_version": SCHEMA_VERSION,
        "bundle": report.bundle,
        "bundle_sha256": report.bundle_sha256,
        "protocol": asdict(report.protocol),
        "machine": report.machine,
    }
    blocks = (
        {"round": number, "name": name, "us": [round(value, 3) for value in values]}
        for number, samples in enumerate(rounds)
        for name, values in samples.items()
    )
    text = "".join(json.dumps(line) + "\n" for line in (head, *blocks))
    try:
        path.write_text(text)
    except OSError as error:
        raise UsageError(f"Cannot write --samples {str(path)!r}: {error.strerror}.") from None
