# SPDX-License-Identifier: BSD-3-Clause
"""Open a bundle: read its manifest, and check every file against it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge import registry
from edge.bundle.folder import content_bytes, content_sha256, is_bundle, read_content
from edge.bundle.types import (
    CONTRACT,
    DECISIONS,
    FLOAT,
    GOLDEN,
    LABELS,
    MANIFEST,
    QGRAPH,
    REFERENCE,
    UNLISTED,
    Manifest,
)
from edge.errors import EdgeError, IncompatibleError, UsageError, invalid_value
from edge.spec import Artifact, Parity
from firmware_bridge.signal import contract_values as contracts
from firmware_bridge.signal.contract import SignalContract, is_real
from quantize import arrays, plain, reading
from quantize.graph import bounds, qgraph
from quantize.graph import files as graph_files

MAX_ARRAY_BYTES = 256 * reading.MIB
"""Of golden vectors, and of decisions."""


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
        """The signal contract.

        Raises
        ------
        IncompatibleError
            When a value in it cannot be, or it is of another network's windows.
        """
        contract = contracts.read(self.folder / CONTRACT)
        model = self.manifest.model
        if contract.n_times != model.n_times or contract.n_chans not in (None, model.n_chans):
            raise IncompatibleError(
                f"{self.folder / CONTRACT} is of windows ({contract.n_chans}, {contract.n_times}) "
                f"and the manifest of ({model.n_chans}, {model.n_times})."
            )
        return contract

    def graph(self) -> qgraph.QGraph:
        """The integer graph, checked (:mod:`quantize.graph.check`).

        Raises
        ------
        UsageError
            When the bundle holds a float network only.
        IncompatibleError
            When it is no graph that can be run, or is of another network.
        """
        stem = self.folder / QGRAPH
        if not stem.with_suffix(".json").exists():
            raise UsageError(
                f"{str(self.folder)!r} has no integer graph: it was exported without --int8."
            )
        graph, model = graph_files.load(stem), self.manifest.model
        ends = (graph[graph.input].shape, graph[graph.output].shape)
        expected = ((1, 1, model.n_times, model.n_chans), (1, model.n_outputs))
        if ends != expected or tuple(graph.others) != tuple(self.manifest.others):
            raise IncompatibleError(
                f"{stem}.json is of another network than the manifest: {ends[0]} to {ends[1]}, not "
                f"{expected[0]} to {expected[1]}."
            )
        said = self.manifest.accumulators
        if said and said != bounds.accumulators(graph):
            raise IncompatibleError(
                f"The manifest of {str(self.folder)!r} says other bounds of sums (accumulators) "
                f"than follow from {stem}.json. Export again."
            )
        return graph

    def golden(self) -> Mapping[str, NDArray[Any]]:
        """Golden windows ``x`` and every rung's logits on them, by name.

        Raises
        ------
        IncompatibleError
            When the file is damaged, or its windows are not this network's; also for an array that
            is asked for and missing.
        """
        path = self.folder / GOLDEN
        vectors = Vectors(path, arrays.read_npz(path, MAX_ARRAY_BYTES))
        windows = vectors["x"]
        if not is_real(windows):
            raise IncompatibleError(f"{path}: x does not hold numbers.")
        self.contract().refuse(windows, f"{path}: x", self.manifest.model.n_chans)
        for name, values in vectors.items():
            if values.shape[:1] != windows.shape[:1] or not is_real(values):
                raise IncompatibleError(
                    f"{path}: {name!r:.80} holds {values.dtype}{values.shape!r:.60}, not numbers "
                    f"of {len(windows)} windows."
                )
        return vectors

    def decisions(self) -> Mapping[str, NDArray[np.int16]]:
        """Labels and every rung's decisions on all windows compared; empty in older bundles.

        Paired statistics of one rung against another need no more (see
        :mod:`benchmarks.measure.statistics`).

        Raises
        ------
        IncompatibleError
            As :meth:`golden`.
        """
        if DECISIONS not in self.manifest.files:
            return {}
        path = self.folder / DECISIONS
        vectors = Vectors(path, arrays.read_npz(path, MAX_ARRAY_BYTES))
        labels = vectors[LABELS]
        for name, values in vectors.items():
            if values.shape != labels.shape or values.ndim != 1 or values.dtype != np.int16:
                raise IncompatibleError(
                    f"{path}: {name!r:.80} holds {values.dtype}{values.shape!r:.60}, not one int16 "
                    f"for each window."
                )
        return vectors


class Vectors(dict[str, NDArray[Any]]):
    """Arrays of a file by name; one that is missing is the file's fault and said so."""

    def __init__(self, path: Path, found: Mapping[str, NDArray[Any]]) -> None:
        super().__init__(found)
        self.path = path

    def __missing__(self, name: str) -> NDArray[Any]:
        raise IncompatibleError(f"{self.path} has no array {name!r:.80}.")


def read(folder: Path) -> Bundle:
    """Open a bundle and check its files against their hashes.

    Raises
    ------
    UsageError
        When there is no bundle.
    IncompatibleError
        When a file is missing, is not what the manifest says or is not in it, or when something
        there is no regular file.
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
        return reading.read_bytes(folder / MANIFEST, plain.MAX_BYTES)
    except EdgeError:
        return None


def _read(folder: Path) -> Bundle:
    if not is_bundle(folder):
        raise UsageError(
            f"{str(folder)!r} is not a bundle. Type 'edge export --int8 --out {folder}' for one."
        )
    opened = Bundle(folder, plain.read(folder / MANIFEST, Manifest))
    listed = {MANIFEST, *opened.manifest.files}
    for name, expected in opened.manifest.files.items():
        path = reading.inside(folder, name)
        if not path.exists():
            raise IncompatibleError(f"The bundle {str(folder)!r} has lost its file {name!r}.")
        if reading.sha256(path) != expected:
            raise IncompatibleError(
                f"{str(path)!r} is not the file that was exported: its sha256 differs from the "
                f"manifest's. Export again."
            )
    for name in reading.walk(folder):
        if name not in listed and name not in UNLISTED:
            raise IncompatibleError(
                f"{str(folder / name)!r} is not in the bundle's manifest. Move it out of the "
                f"bundle, which holds nothing else than was exported."
            )
    for artifact in opened.manifest.artifacts:
        _check_artifact(opened, artifact)
    return opened


def _check_artifact(opened: Bundle, artifact: Artifact) -> None:
    """Raise unless an artifact is files of the bundle, and those that its own hash says."""
    path = reading.inside(opened.folder, artifact.file)
    inside = f"{artifact.file}/"
    if not any(n == artifact.file or n.startswith(inside) for n in opened.manifest.files):
        raise IncompatibleError(
            f"The bundle {str(opened.folder)!r} has an artifact {artifact.file!r:.80} that is none "
            f"of its files."
        )
    content = read_content(path)
    if (content_sha256(content), content_bytes(content)) != (artifact.sha256, artifact.bytes):
        raise IncompatibleError(
            f"{str(path)!r} is not the artifact that was exported: its sha256 differs from what "
            f"the manifest says of it. Export again."
        )


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
