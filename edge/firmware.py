"""``edge firmware``: from a bundle to a folder that a firmware engineer builds and drops in.

What is written is an engine's affair, a file of :mod:`edge.engines`; it is checked against the
device before anything is written, and written beside its destination and renamed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rich.table import Table

from edge import bundle, manifest, registry
from edge.bundle import Bundle
from edge.console import Console
from edge.errors import BudgetError
from firmware_bridge import device as devices
from firmware_bridge import project
from firmware_bridge.device import Device
from firmware_bridge.project import Golden, Project, Use
from firmware_bridge.source import refuse_name
from quantize.qgraph import QGraph

ENGINES = "edge.engines"


@dataclass(frozen=True)
class Request:
    """What ``edge firmware`` was asked for."""

    folder: Path
    device: str
    out: Path
    engine: str
    name: str


@dataclass(frozen=True)
class Job:
    """What an engine works from.

    Attributes
    ----------
    name
        What symbols begin with.
    check
        Called with what the program takes, as soon as that is known; raises when it is too much.
    """

    opened: Bundle
    device: Device
    name: str
    check: Callable[[Sequence[Use]], None]

    def golden(self, graph: QGraph) -> Golden:
        """The bundle's golden windows as integers."""
        found = self.opened.golden()
        windows = found["x_int8"].reshape(-1, *graph[graph.input].shape[-2:])
        return Golden(windows, found["logits_int8"], 1 if graph.float_nodes() else 0)


class Engine(Protocol):
    """The interface of a file in :mod:`edge.engines`."""

    def make(self, job: Job) -> Project:
        """All that is to be written."""


def write(request: Request, console: Console) -> tuple[dict[str, Any], Table]:
    """Write a bundle's firmware, and say what it is.

    Raises
    ------
    UsageError
        For a device, an engine or a name that cannot be, or a folder that is somebody else's.
    IncompatibleError
        When the bundle's files are not those that were exported, or an operation has no kernel.
    BudgetError
        When the device is too small; what takes how much has been printed then.
    MissingToolError
        When an engine's toolchain is not installed.
    """
    engine = _engine(request.engine)
    refuse_name(request.name)
    device = devices.load(request.device)
    bundle.refuse_destination(request.out, project.is_ours, "firmware")
    opened = bundle.read(request.folder)

    def check(uses: Sequence[Use]) -> None:
        try:
            project.refuse(uses, device)
        except BudgetError:
            console.err.print(memory_table(uses, device))
            raise

    made = engine.make(Job(opened, device, request.name, check))
    extra = {"contract.json": (request.folder / bundle.CONTRACT).read_bytes()}
    made = Project({**made.files, **extra}, made.uses, made.ops)
    document = project.document(
        made,
        request.device,
        device,
        engine=request.engine,
        name=request.name,
        bundle_sha256=manifest.sha256((request.folder / bundle.MANIFEST).read_bytes()),
    )
    with bundle.writing(request.out) as folder:
        for name, data in made.files.items():
            (folder / name).write_bytes(data)
        (folder / project.MANIFEST).write_text(manifest.to_json(document))
    return document, memory_table(made.uses, device)


def _engine(name: str) -> Engine:
    module: Any = registry.load(ENGINES, name, "--engine")
    found: Engine = module
    return found


def memory_table(uses: Sequence[Use], device: Device) -> Table:
    """Who uses what, and what is left."""
    made = Table(title=device.title, title_justify="left")
    made.add_column("what", no_wrap=True)
    for column in ("RAM bytes", "flash bytes"):
        made.add_column(column, justify="right")
    made.add_column("how it is known")
    for use in uses:
        made.add_row(use.what, _bytes(use.ram_bytes), _bytes(use.flash_bytes), use.how)
    made.add_section()
    ram, flash = (sum(getattr(use, f"{kind}_bytes") for use in uses) for kind in ("ram", "flash"))
    made.add_row("together", f"{ram:,}", f"{flash:,}", "")
    made.add_row("the device has", f"{device.ram_bytes:,}", f"{device.flash_bytes:,}", "")
    made.add_row("left", f"{device.ram_bytes - ram:,}", f"{device.flash_bytes - flash:,}", "")
    return made


def _bytes(count: int) -> str:
    return f"{count:,}" if count else ""
