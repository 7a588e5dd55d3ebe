# SPDX-License-Identifier: BSD-3-Clause
"""Open a bundle: read its manifest, and check every file against it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge import registry
from edge.bundle.folder import is_bundle
from edge.bundle.types import (
    CONTRACT,
    DECISIONS,
    FLOAT,
    GOLDEN,
    MANIFEST,
    QGRAPH,
    REFERENCE,
    Manifest,
)
from edge.errors import EdgeError, IncompatibleError, UsageError, invalid_value
from edge.spec import Parity
from firmware_bridge.signal.contract import SignalContract
from quantize import plain
from quantize.graph import files as graph_files
from quantize.graph import qgraph


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk whose manifest was read and whose files were checked."""

    folder: Path
    manifest: Manifest

    @property
    def outputs(self) -> tuple[str, ...]:
        """What every file gives, in its order."""
        return (qgraph.LOGITS, *self.manifest.others)

    def parity(self, output: str) -> tuple[Parity, ...]:
        """Return how one of the outputs compared when the bundle was exported."""
        if output == qgraph.LOGITS:
            return self.manifest.parity
        return self.manifest.others[output].parity

    def contract(self) -> SignalContract:
        """Return the signal contract."""
        return plain.read(self.folder / CONTRACT, SignalContract)

    def graph(self) -> qgraph.QGraph:
        """Return the integer graph.

        Raises
        ------
        UsageError
            When the bundle holds a float network only.
        """
        stem = self.folder / QGRAPH
        if not stem.with_suffix(".json").exists():
            raise UsageError(
                f"{str(self.folder)!r} has no integer graph: it was exported without --int8."
            )
        try:
            return graph_files.load(stem)
        except (ValueError, KeyError, OSError) as error:
            raise IncompatibleError(f"{stem}.json is not a valid graph: {error}.") from None

    def golden(self) -> dict[str, NDArray[Any]]:
        """Return golden windows ``x`` and every rung's logits on them, by name."""
        with np.load(self.folder / GOLDEN, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}

    def decisions(self) -> dict[str, NDArray[np.int16]]:
        """Return labels and every rung's decisions on all compared windows, by name.

        Paired statistics of one rung against another need no more (see
        :mod:`benchmarks.measure.statistics`).
        """
        path = self.folder / DECISIONS
        if DECISIONS not in self.manifest.files:
            return {}
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}


def read(folder: Path) -> Bundle:
    """Open a bundle and check its files against their hashes.

    Raises
    ------
    UsageError
        When there is no bundle.
    IncompatibleError
        When a file is missing or not what the manifest says.
    """
    before = _manifest_bytes(folder)
    try:
        return _read(folder)
    except EdgeError:
        if _manifest_bytes(folder) == before:
            raise
        return read(folder)  # it was replaced meanwhile


def _manifest_bytes(folder: Path) -> bytes | None:
    try:
        return (folder / MANIFEST).read_bytes()
    except OSError:
        return None


def _read(folder: Path) -> Bundle:
    if not is_bundle(folder):
        raise UsageError(
            f"{str(folder)!r} is not a bundle. Type 'edge export --int8 --out {folder}' for one."
        )
    opened = Bundle(folder, plain.read(folder / MANIFEST, Manifest))
    for name, expected in opened.manifest.files.items():
        path = folder / name
        if not path.is_file():
            raise IncompatibleError(f"The bundle {str(folder)!r} has lost its file {name!r}.")
        if plain.sha256(path.read_bytes()) != expected:
            raise IncompatibleError(
                f"{str(path)!r} is not the file that was exported: its sha256 differs from the "
                f"manifest's. Export again."
            )
    return opened


def runnable_names(opened: Bundle) -> tuple[str, ...]:
    """Return what ``edge run --target`` takes for this bundle."""
    targets = dict.fromkeys(artifact.target for artifact in opened.manifest.artifacts)
    integer = (REFERENCE,) if opened.manifest.recipe is not None else ()
    return (*targets, *integer, FLOAT)


def refuse_target(opened: Bundle, target: str) -> None:
    """Raise if the bundle cannot run a target."""
    names = runnable_names(opened)
    if target not in names:
        raise UsageError(invalid_value("--target", target, names))


def refuse_outputs(opened: Bundle, names: Iterable[str]) -> None:
    """Raise if the bundle does not give an output."""
    for name in names:
        if name not in opened.outputs:
            raise UsageError(
                f"The bundle {str(opened.folder)!r} gives {', '.join(opened.outputs)}, and no "
                f"{name!r}. Export it with --outputs {','.join((*opened.outputs, name))}."
            )


def target_names() -> tuple[str, ...]:
    """Return the names of all targets."""
    return registry.names(registry.TARGETS)
