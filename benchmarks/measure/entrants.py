# SPDX-License-Identifier: BSD-3-Clause
"""List what takes part in a benchmark: a bundle's artifacts, and stock exports of the same weights.

An entrant is a file and the name of its loader, so that a fresh process can load it too.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from edge.bundle import child
from edge.bundle import folder as bundle_folder
from edge.bundle.apart import Apart
from edge.bundle.content import Note, loadable
from edge.bundle.read import Bundle
from edge.errors import MissingToolError
from edge.spec import Artifact
from edge.targets import base as target
from edge.targets import c
from edge.targets.base import Session


@dataclass(frozen=True)
class Entrant:
    """One file to be timed.

    Attributes
    ----------
    target, precision
        As in :class:`benchmarks.measure.findings.Result`.
    path
        The file; the bundle's folder for what runs braindecode's module, ``MODULES``.
    artifact
        What the bundle says of it; None for the stock route's.
    """

    target: str
    precision: str
    path: Path
    artifact: Artifact | None = None

    @property
    def name(self) -> str:
        """Target and precision."""
        return f"{self.target} {self.precision}"

    def load(self, threads: int = 1) -> Session:
        """Load the file in this process."""
        return open_session(self.target, self.path, threads)

    def open(self, threads: int, apart: Apart) -> Session | child.Session:
        """Ready to run: an artifact of the bundle where ``apart`` says, else in this process."""
        if self.artifact is None:
            return self.load(threads)
        content = bundle_folder.read_content(self.path)
        return apart.load(self.artifact, self.target, content, threads)


Loader = Callable[[bytes, int], Session]
"""From a stock file and a number of threads."""


def _stock(name: str) -> Loader:
    """A loader of :mod:`benchmarks.measure.stock`, which imports what is heavy when it is used."""
    loader: Loader = getattr(importlib.import_module("benchmarks.measure.stock"), name)
    return loader


LOADERS: Mapping[str, Callable[[], Loader]] = MappingProxyType(
    {
        "stock-executorch": lambda: _stock("load_executorch"),
        "stock-litert": lambda: _stock("load_litert"),
        "stock-onnx": lambda: _stock("load_onnx"),
    }
)

PYTORCH = "pytorch"
MODULES: Mapping[str, str] = MappingProxyType({PYTORCH: "eager", "torch-compile": "compiled"})
"""Ways to run braindecode's module by name: functions of :mod:`benchmarks.measure.stock`."""


def open_session(name: str, path: Path, threads: int = 1) -> Session:
    """Load the file of an entrant."""
    if name in MODULES:
        from benchmarks.measure import stock
        from edge.checkpoint import files

        session: Session = getattr(stock, MODULES[name])(files.load(path).module, threads)
        return session
    if name in LOADERS:
        return LOADERS[name]()(path.read_bytes(), threads)
    return target.load(name).RUNTIMES[name](bundle_folder.read_content(path), (), threads)


def ours(opened: Bundle, only: Sequence[str]) -> tuple[Entrant, ...]:
    """Return the bundle's artifacts, of the targets in ``only`` if it is not empty."""
    return tuple(
        Entrant(a.target, str(a.precision), opened.folder / a.file, a)
        for a in opened.manifest.artifacts
        if not only or a.target in only
    )


def loadable_here(
    opened: Bundle, only: Sequence[str], folder: Path, note: Note
) -> tuple[Entrant, ...]:
    """The same, ready for this machine: C is generated anew, into ``folder``."""
    return tuple(
        replace(entrant, path=_place(opened, entrant.artifact, folder, note))
        for entrant in ours(opened, only)
        if entrant.artifact is not None
    )


def _place(opened: Bundle, artifact: Artifact, folder: Path, note: Note) -> Path:
    if artifact.target != c.TARGET:
        return opened.folder / artifact.file
    place = folder / artifact.file
    bundle_folder.write_content(place, loadable(opened, artifact, note))
    return place


def stock(
    opened: Bundle,
    window: NDArray[np.float32],
    precisions: Sequence[str],
    folder: Path,
    advance: Callable[[str], None],
) -> tuple[Entrant, ...]:
    """Export the bundle's float model by the stock route into ``folder``.

    Raises
    ------
    MissingToolError
        When PyTorch, braindecode or ExecuTorch is not installed.
    """
    try:
        from benchmarks.measure import stock as exports
        from edge.checkpoint import files

        module = files.load(opened.folder).module
    except ImportError as error:
        raise MissingToolError(
            f"The stock route needs {error.name}, which is not installed. "
            f"Type: pip install 'eeg-edge[export]', or leave it out with --no-stock."
        ) from None
    made = []
    for (name, precision), export in exports.EXPORTS.items():
        if precision not in precisions:
            continue
        path = folder / f"{name}.{precision}"
        path.write_bytes(export(module, window))
        made.append(Entrant(name, precision, path))
        advance(f"{name} {precision}")
    return (*made, Entrant(PYTORCH, "float", opened.folder))
