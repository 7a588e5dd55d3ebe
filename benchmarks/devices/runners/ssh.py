# SPDX-License-Identifier: BSD-3-Clause
"""Measure on a computer that the system's ``ssh`` reaches, such as a Raspberry Pi.

Artifacts are checked against the golden vectors and timed there, by
:mod:`benchmarks.devices.on_device` where the device has Python, and by the C engine alone, a
static program, where it has nothing.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from benchmarks.devices import link, linux, parcel
from benchmarks.devices.link import Session
from benchmarks.emulate import engine
from benchmarks.emulate.cost import case_of
from benchmarks.measure import entrants, planned, protocol
from benchmarks.measure.findings import About, Findings, Request, Result, latencies, threads_note
from benchmarks.measure.protocol import Estimate, Samples
from edge.bundle.read import Bundle
from edge.errors import AccuracyError, MissingToolError
from edge.spec import Precision
from edge.terminal.console import Console

ADDRESS = link.ADDRESS
THREADS = True

Line = dict[str, Any]
"""What the device says: one JSON object."""

NOTES = (
    (
        "latency: the runtime's own call on one window that is scaled, quantized and laid out "
        "already, blocks interleaved, by the device's clock"
    ),
    (
        "load_us: from a file to a loaded model in a fresh process that has imported the runtime; "
        "of the C engine from fork to main of a fresh process, its weights being part of it"
    ),
    (
        "resident_bytes: most memory resident in a fresh process after one window, of Python with "
        "its imports, for the C engine of the program itself"
    ),
    planned.NOTE,
)
INSTALL = {
    "tflite": "pip install ai-edge-litert",
    "onnx": "pip install onnxruntime",
    "executorch": "pip install executorch",
}
"""What to type on the device."""


def run(opened: Bundle, device: str, request: Request, console: Console) -> Findings:
    """Measure a bundle on a device."""
    with link.connect(link.parse(device)) as session:
        with console.waiting(f"{device}: compiling for {session.architecture}"):
            program, why = _program(opened, session, request)
        data = parcel.pack(opened, request, program)
        skipped = {} if program else why
        if program is None and not session.has_python:
            raise MissingToolError(f"{device} has no Python, and {' '.join(why.values())}")
        session.send(b"%d\n%s" % (len(data), data))
        while session.line() != "unpacked":
            pass
        with console.waiting(f"{device}: measuring, {request.protocol.limit_s:.0f} s at most"):
            if session.has_python:
                said = _listen(session)
            else:
                said = _drive(session, request, engine.allowed_steps(case_of(opened.folder)))
                skipped |= _without_python(opened, request)
    sizes = _sizes(opened, request, program)
    found = _findings(device, said, skipped, sizes)
    return replace(found, notes=(threads_note(request), *found.notes))


def _program(
    opened: Bundle, session: Session, request: Request
) -> tuple[bytes | None, dict[str, str]]:
    """The C engine for a device, or why there is none."""
    name = f"{engine.TARGET} {Precision.INT8}"
    if not engine.is_asked(request) or not engine.targets(opened):
        return None, {}
    processor = linux.PROCESSORS.get(session.architecture)
    if processor is None:
        there = ", ".join(linux.PROCESSORS)
        return None, {name: f"there is no C engine for {session.architecture!r}, only for {there}."}
    if session.has_dot_product:
        processor = linux.DOT_PRODUCT
    case = case_of(opened.folder)
    n_times, n_chans = case.windows.shape[1:]
    n_outputs = case.logits.shape[1]
    try:
        return linux.build(case.firmware, (n_times, n_chans), n_outputs, processor), {}
    except MissingToolError as error:
        return None, {name: str(error)}


def _without_python(opened: Bundle, request: Request) -> dict[str, str]:
    why = "the device has no python3 of 3.9 or newer"
    found = entrants.ours(opened, request.targets)
    return {entrant.name: why for entrant in found if entrant.target != engine.TARGET}


def _listen(session: Session) -> list[Line]:
    """Everything that the runner says, to its last word."""
    said: list[Line] = []
    with session.beating():
        while not said or "done" not in said[-1]:
            text = session.line()
            if text.startswith("{"):  # runtimes print to stdout too
                said.append(json.loads(text))
    return said


def _drive(session: Session, request: Request, allowed: int) -> list[Line]:
    """The C engine alone, round by round from here, blocks timed there; in the runner's words."""
    name = f"{engine.TARGET} {Precision.INT8}"
    _, steps, _, resident = map(int, session.line().split())
    problem = f"max_steps {steps}, {allowed} is allowed" if steps > allowed else ""
    said: list[Line] = [
        {"around": dict(session.around)},
        {"name": name, "check": {"max_steps": steps}, "problem": problem},
        {"name": name, "fresh": {"resident_bytes": 1024 * resident}},
    ]

    def block(count: int) -> list[float]:
        session.send(b"%d\n" % count)
        return [int(value) / 1000 for value in session.line().split()]

    rounds = protocol.interleave_blocks({name: block}, request.protocol)
    said += [{"round": samples} for samples in rounds]
    starts = [block(0)[0] for _ in range(request.protocol.processes)]
    return [*said, *({"name": name, "fresh": {"load_us": us}} for us in starts)]


Sizes = Mapping[str, Mapping[str, int | None]]
"""Of what was sent, by name and metric."""


def _sizes(opened: Bundle, request: Request, program: bytes | None) -> Sizes:
    """Bytes of the files, and what their runtimes plan, by the runtimes that are here."""
    sizes: dict[str, dict[str, int | None]] = {
        entrant.name: {
            "file_bytes": entrant.path.stat().st_size,
            "planned_bytes": planned.planned_bytes(entrant.target, entrant.path),
        }
        for entrant in entrants.ours(opened, request.targets)
        if entrant.target != engine.TARGET
    }
    if program is not None:
        state = case_of(opened.folder).firmware.state_bytes
        name = f"{engine.TARGET} {Precision.INT8}"
        sizes[name] = {"file_bytes": len(program), "planned_bytes": state}
    return sizes


def _findings(device: str, said: Sequence[Line], skipped: dict[str, str], sizes: Sizes) -> Findings:
    """What the lines of a device mean.

    Raises
    ------
    AccuracyError
        When an artifact does not give the golden logits there.
    MissingToolError
        When it can run none of them.
    """
    wrong = [f"{line['name']}: {line['problem']}" for line in said if line.get("problem")]
    if wrong:
        raise AccuracyError(f"Not the golden logits on {device}: {'; '.join(wrong)}.")
    for line in said:
        if "absent" in line:
            target = line["name"].split()[0]
            fix = f" Type there: {INSTALL[target]}" if target in INSTALL else ""
            skipped[line["name"]] = f"{device} cannot run it: {line['absent']}.{fix}"
    rounds = tuple(line["round"] for line in said if "round" in line)
    names = tuple(rounds[0]) if rounds else ()
    if not names:
        raise MissingToolError(" ".join(dict.fromkeys(skipped.values())))
    results = [result for name in names for result in _results(device, name, said, rounds)]
    results += [
        _about(device, name).exact(metric, "bytes", value)
        for name in names
        for metric, value in sizes[name].items()
        if value is not None
    ]
    around = next(line["around"] for line in said if "around" in line)
    return Findings(tuple(results), NOTES, skipped, rounds, around)


def _about(device: str, name: str) -> About:
    target, precision = name.split()
    return About(target, precision, device)


def _results(
    device: str, name: str, said: Sequence[Line], rounds: tuple[Samples, ...]
) -> list[Result]:
    """The figures of one artifact."""
    about = _about(device, name)
    found = latencies(about, name, rounds)
    (check,) = (line["check"] for line in said if line.get("name") == name and "check" in line)
    units = {"max_steps": "steps", "max_relative_error": "relative"}
    for key, value in check.items():
        if key in units:
            found.append(about.exact(f"golden_{key}", units[key], value))
    fresh = [line["fresh"] for line in said if line.get("name") == name and "fresh" in line]
    for metric, unit in (("load_us", "us"), ("resident_bytes", "bytes")):
        values = [one[metric] for one in fresh if metric in one]
        if values:
            median = statistics.median(values)
            estimate = Estimate(median, min(values), max(values), len(values))
            found.append(about.estimate(metric, unit, estimate))
    return found
