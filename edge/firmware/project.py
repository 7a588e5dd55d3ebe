# SPDX-License-Identifier: BSD-3-Clause
"""Write a bundle as a folder that a firmware engineer builds and drops in.

An engine, a file of :mod:`edge.firmware.engines`, says what is written. It is checked against the
device before anything is written, and written beside its destination and renamed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from rich.table import Table

from edge import registry
from edge.bundle import folder as bundle_folder
from edge.bundle import read as bundle
from edge.bundle import types as bundle_types
from edge.bundle.read import Bundle
from edge.errors import BudgetError, IncompatibleError, UsageError, invalid_value
from edge.firmware.packages.base import Parts, refuse_version
from edge.terminal.console import Console
from firmware_bridge.build import footprint
from firmware_bridge.plan.source import refuse_name
from firmware_bridge.project import device as devices
from firmware_bridge.project import project
from firmware_bridge.project.device import Device
from firmware_bridge.project.project import Golden, Program, Project, Use
from firmware_bridge.signal import chain as signal
from firmware_bridge.signal.chain import SignalChain
from firmware_bridge.signal.contract import SignalContract
from quantize import plain as manifest
from quantize.graph.qgraph import FINER, QGraph

FORMS = ("windowed", "streaming")
"""A whole window a call, or a sample a call; a firmware needs one of them."""


@dataclass(frozen=True)
class Request:
    """What ``edge firmware`` was asked for.

    ``form`` is empty for every form that the bundle has; ``uv_per_count`` and ``hop``, in samples,
    are None for what the contract says. ``spread`` is whether each push of the streaming form does
    a part of the work. ``package`` is empty for the engine's own folder.
    """

    folder: Path
    device: str
    out: Path
    engine: str
    name: str
    form: tuple[str, ...] = ()
    uv_per_count: float | None = None
    hop: int | None = None
    spread: bool = False
    package: str = ""
    package_version: str = "1.0.0"


@dataclass(frozen=True)
class Chain:
    """The signal chain before a decoder, and what it takes; or why there is none."""

    made: SignalChain | None
    uses: tuple[Use, ...] = ()
    why_not: str = ""

    @property
    def files(self) -> dict[str, bytes]:
        """Return sources by name."""
        return {} if self.made is None else {n: t.encode() for n, t in self.made.files.items()}


@dataclass(frozen=True)
class Job:
    """Everything that an engine works from.

    Attributes
    ----------
    contract
        The bundle's, with what the request says of it.
    name
        What symbols begin with.
    form
        Forms that were asked for; empty for all that there are.
    spread
        Whether each push of the streaming form does a part of the work.
    package
        The build system that the folder is for; empty for the engine's own.
    check
        Called with the programs, as soon as it is known what they take; raises when that is too
        much.
    """

    opened: Bundle
    contract: SignalContract
    device: Device
    name: str
    form: tuple[str, ...]
    spread: bool
    package: str
    chain: Chain
    check: Callable[[Sequence[Program]], None]

    @property
    def bundle_sha256(self) -> str:
        """The hash of the bundle's manifest, which holds those of all its files."""
        return manifest.sha256((self.opened.folder / bundle_types.MANIFEST).read_bytes())

    def program(self, form: str, *uses: Use) -> Program:
        """Return a model's program with the signal chain counted in."""
        return Program(form, uses).beside(self.chain.uses)

    def golden(self, graph: QGraph) -> Golden:
        """Return the bundle's golden windows as integers."""
        found = self.opened.golden()
        windows = found["x_int8"].reshape(-1, *graph[graph.input].shape[-2:])
        return Golden(windows, found[bundle_types.STORED], FINER if graph.float_nodes() else 0)

    def fitting(self, golden: Golden, programs: Sequence[Program]) -> Golden:
        """Return as many golden windows as the flash holds beside all programs."""
        twice = (len(programs) - 1) * sum(use.flash_bytes for use in self.chain.uses)
        taken = sum(program.flash_bytes for program in programs) - twice
        return golden.fitting(self.device.flash_bytes - taken)


class Engine(Protocol):
    """The interface of a file in :mod:`edge.firmware.engines`.

    Attributes
    ----------
    FORMS
        What it can be called with.
    """

    FORMS: tuple[str, ...]

    def make(self, job: Job) -> Project:
        """Return all that is to be written, apart from the signal chain."""


def write(request: Request, console: Console) -> tuple[dict[str, Any], Table]:
    """Write a bundle's firmware, and return what it is.

    Raises
    ------
    UsageError
        For a device, an engine, a form or a name that cannot be, or a folder that is somebody
        else's.
    IncompatibleError
        When the bundle's files are not those that were exported, an operation has no kernel, or a
        signal chain is asked for that cannot be.
    BudgetError
        When the device is too small; what takes how much has been printed then.
    MissingToolError
        When an engine's toolchain is not installed.
    """
    engine = _engine(request.engine)
    _refuse_forms(request, engine)
    refuse_name(request.name)
    arrange = _package(request)
    device = devices.load(request.device)
    bundle_folder.refuse_destination(request.out, project.owned, "firmware")
    opened = bundle.read(request.folder)
    contract = _contract(opened, request)
    chain = _chain(contract, request, device)

    def check(programs: Sequence[Program]) -> None:
        try:
            project.refuse(programs, device)
        except BudgetError:
            console.err.print(memory_table(programs, device))
            raise

    asked = (request.name, request.form, request.spread, request.package)
    job = Job(opened, contract, device, *asked, chain, check)
    made = engine.make(job)
    extra = {bundle_types.CONTRACT: manifest.encode(contract)}
    files = {**chain.files, **made.files, **extra}
    if arrange is not None:
        files = arrange(Parts(request.name, request.package_version, device, files))
    made = replace(made, files=files)
    document = project.document(
        made,
        request.device,
        device,
        engine=request.engine,
        package=request.package,
        name=request.name,
        signal_chain=None if chain.made is None else chain.made.arithmetic,
        uv_per_count=contract.uv_per_count,
        hop=contract.hop,
        bundle_sha256=job.bundle_sha256,
    )
    with bundle_folder.writing(request.out) as folder:
        for name, data in made.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        (folder / project.MANIFEST).write_text(manifest.to_json(document))
    return document, memory_table(made.programs, device)


def _package(request: Request) -> Callable[[Parts], dict[str, bytes]] | None:
    """What arranges the files for a build system; None for the engine's own folder.

    Raises
    ------
    UsageError
        For a package or a version that cannot be, or an engine whose files no package has.
    """
    if not request.package:
        return None
    refuse_version(request.package_version)
    package: Any = registry.load(registry.PACKAGES, request.package, "--package")
    if request.engine != "c":
        raise UsageError(
            f"--package {request.package} is made of plain C, which --engine {request.engine} does "
            f"not write. Type --engine c, or leave --package out."
        )
    found: Callable[[Parts], dict[str, bytes]] = package.arrange
    return found


def _contract(opened: Bundle, request: Request) -> SignalContract:
    """The bundle's contract with what the request says of the converter and the hop.

    Raises
    ------
    IncompatibleError
        When the contract knows another value of a count.
    UsageError
        When the hop is longer than a window.
    """
    contract = opened.contract().with_counts(request.uv_per_count)
    if request.hop is None:
        return contract
    if request.hop > contract.n_times:
        raise UsageError(
            f"--hop {request.hop} is longer than the window of {contract.n_times} samples, so "
            f"samples between two windows would never be seen. Type at most --hop "
            f"{contract.n_times}."
        )
    return replace(contract, hop=request.hop)


def _chain(contract: SignalContract, request: Request, device: Device) -> Chain:
    """The signal chain that the contract describes: in ``float`` where the processor has it.

    Raises
    ------
    IncompatibleError
        When it is asked for, by --uv-per-count, and cannot be.
    """
    try:
        made = signal.generate(
            contract, request.name, "float" if device.processor.has_fpu else "fixed"
        )
    except IncompatibleError as error:
        if request.uv_per_count is not None:
            raise
        return Chain(None, why_not=str(error))
    takes = footprint.of(footprint.chain(made), device.processor)
    size = takes.code + takes.constants
    return Chain(
        made,
        (
            Use("signal chain: code and constants", 0, size, takes.how),
            Use("signal chain: state", made.state_bytes, 0, f"{made.arithmetic} arithmetic"),
            Use(project.STACK, takes.stack, 0, footprint.stack_bound(takes)),
        ),
    )


def _refuse_forms(request: Request, engine: Engine) -> None:
    if request.spread and ("streaming" not in engine.FORMS or request.form == ("windowed",)):
        raise UsageError(
            "--spread lays the work of the streaming form on its pushes, and no streaming form was "
            "asked for. Type --form streaming with --engine c, or leave --spread out."
        )
    for form in request.form:
        if form not in FORMS:
            raise UsageError(invalid_value("--form", form, FORMS))
        if form not in engine.FORMS:
            raise UsageError(
                f"--engine {request.engine} has no {form} form, it takes "
                f"{' and '.join(engine.FORMS)} calls. Type --engine c."
            )


def _engine(name: str) -> Engine:
    module: Any = registry.load(registry.ENGINES, name, "--engine")
    found: Engine = module
    return found


def memory_table(programs: Sequence[Program], device: Device) -> Table:
    """Return a table of who uses what, program by program, and what is left."""
    made = Table(title=device.title, title_justify="left")
    made.add_column("what", no_wrap=True)
    for column in ("RAM bytes", "flash bytes"):
        made.add_column(column, justify="right")
    made.add_column("how it is known")
    for program in programs:
        for use in program.uses:
            made.add_row(use.what, _bytes(use.ram_bytes), _bytes(use.flash_bytes), use.how)
        made.add_row(
            f"{program.form}, together", f"{program.ram_bytes:,}", f"{program.flash_bytes:,}"
        )
        made.add_section()
    made.add_row("the device has", f"{device.ram_bytes:,}", f"{device.flash_bytes:,}", "")
    for program in programs:
        ram = device.ram_bytes - program.ram_bytes
        flash = device.flash_bytes - program.flash_bytes
        made.add_row(f"left beside {program.form}", f"{ram:,}", f"{flash:,}", "")
    return made


def _bytes(count: int) -> str:
    return f"{count:,}" if count else ""
