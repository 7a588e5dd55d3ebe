"""c: the C99 of :mod:`firmware_bridge`, a build for host and device, and a test that runs there."""

from __future__ import annotations

from edge.errors import IncompatibleError, UsageError
from edge.firmware import Job
from edge.versions import installed
from firmware_bridge import footprint, project
from firmware_bridge.generate import Firmware, Origin, generate
from firmware_bridge.project import Project, Use
from firmware_bridge.stream import StreamFirmware, generate_stream
from quantize import qgraph
from quantize.qgraph import QGraph


def make(job: Job) -> Project:
    """Sources, windowed and streaming, ``CMakeLists.txt``, ``device.cmake``, ``main.c``, README.

    Raises
    ------
    UsageError
        When the name is not a C identifier.
    BudgetError
        When the device is too small.
    """
    graph, contract = job.opened.graph(), job.opened.contract()
    version = installed("eeg-edge") or "from source"
    origin = Origin(version, qgraph.digest(graph), contract.channels or ())
    firmware = generate(graph, job.name, origin)
    stream, why_not = _stream(graph, contract.hop, job.name, origin)
    uses = _uses(firmware, graph, job)
    job.check(uses)
    free = job.device.flash_bytes - sum(use.flash_bytes for use in uses)
    golden = job.golden(graph).fitting(free)
    values = {
        "name": job.name,
        "upper": job.name.upper(),
        "device": job.device,
        "core": job.device.processor,
        "uses": uses,
        "golden": golden,
        "stream": stream,
        "why_not": why_not,
        "floats": bool(graph.float_nodes()),
        "contract": contract,
        "graph": graph,
    }
    sources = {**(stream.files if stream else {}), **firmware.files}
    files = {name: text.encode() for name, text in sources.items()}
    for template in ("CMakeLists.txt", "README.md", "device.cmake", "main.c"):
        files[template] = project.render(f"c/{template}", **values)
    files[f"{job.name}_golden.h"] = project.golden_header(job.name, golden)
    return Project(files, uses)


def _stream(
    graph: QGraph, hop: int, name: str, origin: Origin
) -> tuple[StreamFirmware | None, str]:
    """The streaming engine, or why there is none."""
    try:
        return generate_stream(graph, hop, name, origin), ""
    except (UsageError, IncompatibleError) as error:
        return None, str(error)


def _uses(firmware: Firmware, graph: QGraph, job: Job) -> tuple[Use, ...]:
    takes = footprint.of(firmware, graph, job.device.processor)
    stack = "bound: every function's frame once" if takes.how[:8] == "compiled" else "estimate"
    _, _, n_times, n_chans = graph[graph.input].shape
    uses = [
        Use("weights", 0, takes.weights, takes.how),
        Use("code", 0, takes.code, takes.how),
        Use("other constants", 0, takes.constants, takes.how),
        Use("activations and scratch", firmware.plan.n_bytes, 0, "planned"),
        Use("activations in float", firmware.floats.n_bytes, 0, "planned"),
        Use("stack of a call", takes.stack, 0, stack),
        Use("input window", n_times * n_chans, 0, f"{n_times} samples of {n_chans} channels"),
    ]
    return tuple(use for use in uses if use.ram_bytes or use.flash_bytes)
