# SPDX-License-Identifier: BSD-3-Clause
"""Provide the engine ``c``: C99, a build for host and device, and a test that runs there."""

from __future__ import annotations

from edge.errors import IncompatibleError, UsageError
from edge.firmware.project import Job
from edge.firmware.rules import rules_of
from edge.patches.versions import installed
from firmware_bridge.build import footprint
from firmware_bridge.build.footprint import Footprint
from firmware_bridge.emit.generate import Firmware, Origin, generate
from firmware_bridge.project import about, project
from firmware_bridge.project.project import Program, Project, Use
from firmware_bridge.rendering import render
from firmware_bridge.stream.generate import StreamFirmware, generate_stream
from firmware_bridge.stream.live import generate_live
from firmware_bridge.stream.session import generate_session
from quantize.graph import files as graph_files
from quantize.graph.qgraph import QGraph

FORMS = ("windowed", "streaming")


def make(job: Job) -> Project:
    """Write sources, windowed and streaming, the build, ``main.c`` and a README.

    Raises
    ------
    UsageError
        When the name is not a C identifier, or a streaming form is asked for that shares nothing.
    IncompatibleError
        When a streaming form is asked for that cannot be.
    BudgetError
        When the device is too small.
    """
    graph, contract = job.opened.graph(), job.contract
    version = installed("eeg-edge") or "from source"
    origin = Origin(version, graph_files.digest(graph), contract.channels or ())
    wanted = job.form or FORMS
    firmware = generate(graph, job.name, origin) if "windowed" in wanted else None
    stream, why_not = None, ""
    if "streaming" in wanted:
        stream, why_not = _stream(job, graph, contract.hop, origin)
    programs = tuple(_programs(job, graph, firmware, stream))
    job.check(programs)
    golden = job.fitting(job.golden(graph), programs)
    sources: dict[str, str] = {}
    for part in (stream, firmware):
        sources |= part.files if part else {}
    session, no_session = _session(job, graph, stream, origin)
    sources |= session | _around(job, graph, stream, origin, {**sources, **session})
    values = {
        "name": job.name,
        "upper": job.name.upper(),
        "package": job.package,
        "device": job.device,
        "core": job.device.processor,
        "lower": job.name.lower(),
        "programs": programs,
        "golden": golden,
        "windowed": firmware,
        "stream": stream,
        "why_not": why_not,
        "session": session,
        "no_session": no_session,
        "chain": job.chain,
        "floats": bool(graph.float_nodes()),
        "contract": contract,
        "graph": graph,
    }
    files = {name: text.encode() for name, text in sources.items()}
    for template in ("CMakeLists.txt", "NOTICE.txt", "README.md", "device.cmake", "main.c"):
        files[template] = render(f"c/{template}", **values).encode()
    files[f"{job.name}_golden.h"] = project.golden_header(job.name, golden)
    return Project(files, programs)


def _around(
    job: Job,
    graph: QGraph,
    stream: StreamFirmware | None,
    origin: Origin,
    sources: dict[str, str],
) -> dict[str, str]:
    """The thread behind the interrupt, and which model this is."""
    live: dict[str, str] = {}
    if stream is not None:
        n_chans, n_outputs = (graph[name].shape[-1] for name in (graph.input, graph.output))
        live = generate_live(stream, n_chans, n_outputs, origin)
    chain = {} if job.chain.made is None else job.chain.made.files
    built_of = {**chain, **sources, **live}
    made = about.generate(graph, job.contract, job.name, origin, built_of, job.bundle_sha256)
    return live | made


def _stream(job: Job, graph: QGraph, hop: int, origin: Origin) -> tuple[StreamFirmware | None, str]:
    """The streaming engine, or why there is none where it was not asked for by name."""
    try:
        return generate_stream(graph, hop, job.name, origin, job.spread), ""
    except (UsageError, IncompatibleError) as error:
        if job.form:
            raise
        return None, str(error)


def _session(
    job: Job, graph: QGraph, stream: StreamFirmware | None, origin: Origin
) -> tuple[dict[str, str], str]:
    """What decides from counts, or why there is none."""
    chain, contract = job.chain.made, job.contract
    if stream is None or chain is None:
        return {}, "it needs the streaming form and the signal chain."
    try:
        rules = rules_of(contract)
        return generate_session(graph, contract, chain, stream, rules, origin), ""
    except IncompatibleError as error:
        return {}, str(error)


def _programs(
    job: Job, graph: QGraph, firmware: Firmware | None, stream: StreamFirmware | None
) -> list[Program]:
    found, core = [], job.device.processor
    if firmware is not None:
        takes = footprint.of(footprint.windowed(firmware, graph), core)
        _, _, n_times, n_chans = graph[graph.input].shape
        window = Use(
            "input window", n_times * n_chans, 0, f"{n_times} samples of {n_chans} channels"
        )
        found.append(job.program("windowed", *_uses(takes, firmware), window))
    if stream is not None:
        takes = footprint.of(footprint.streaming(stream, graph), core)
        found.append(job.program("streaming", *_uses(takes, stream)))
    return found


def _uses(takes: Footprint, firmware: Firmware) -> tuple[Use, ...]:
    integers = firmware.state_bytes - firmware.floats.n_bytes
    state = "state, activations and scratch"
    kept = state if isinstance(firmware, StreamFirmware) else "activations and scratch"
    uses = (
        Use("weights", 0, takes.weights, takes.how),
        Use("code", 0, takes.code, takes.how),
        Use("other constants", 0, takes.constants, takes.how),
        Use(kept, integers, 0, "planned"),
        Use("activations in float", firmware.floats.n_bytes, 0, "planned"),
        Use(project.STACK, takes.stack, 0, footprint.stack_bound(takes)),
    )
    return tuple(use for use in uses if use.ram_bytes or use.flash_bytes)
