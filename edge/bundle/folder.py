# SPDX-License-Identifier: BSD-3-Clause
"""The bundle: one folder with everything that firmware, a Raspberry Pi or a reviewer needs.

``manifest.json`` (what it is and what was measured), ``contract.json``, ``config.json`` and
``model.safetensors`` (the float model), ``qgraph.json`` and ``qgraph.npz``, ``golden.npz``,
``decisions.npz`` (every rung's class of every held-out window), where it was asked for
``sensitivity.json`` and ``.svg``, and ``model.<target>.<precision>.<suffix>``, or a folder where an
artifact is several files (``c/``). It is written beside its destination and renamed, so that there
is the old bundle or the new one and never a mixture.
"""

from __future__ import annotations

import ctypes
import glob
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from edge import registry
from edge.errors import EdgeError, IncompatibleError, UsageError, invalid_value
from edge.spec import Accuracy, Artifact, Decision, ModelSpec, Parity, Precision
from edge.targets.base import Content
from firmware_bridge.signal.contract import SignalContract
from quantize import plain as manifest
from quantize.graph import files as graph_files
from quantize.graph import qgraph
from quantize.recipe import Recipe

MANIFEST = "manifest.json"
CONTRACT = "contract.json"
GOLDEN = "golden.npz"
DECISIONS = "decisions.npz"
TENSORS = "tensors.json"
SENSITIVITY = "sensitivity.json"
SENSITIVITY_FIGURE = "sensitivity.svg"
QGRAPH = "qgraph"

LOGITS = "logits/"
"""Prefix of a rung's logits in the golden vectors; what else is given out is under its own name."""
STORED = "logits_int16"
"""The integer reference's logits in the golden vectors."""
LABELS = "labels"
DECISION = "decision/"
"""Prefix of a rung's decisions on every window that was compared."""

REFERENCE = "reference"
FLOAT = "float"


@dataclass(frozen=True)
class DataRecord:
    """What a bundle was calibrated and measured on; ``scaling`` is the contract's kind of it."""

    spec: str
    simulated: bool
    split: str
    scaling: str
    n_calibration: int
    n_held_out: int


@dataclass(frozen=True)
class Output:
    """What artifacts give beside the logits, in the order of the manifest.

    Attributes
    ----------
    shape
        (n_channels, n_times) of a window's values; one after the other in PyTorch's order they are
        a row of what ``edge run`` writes. Artifacts hold them in the layout of their input.
    parity
        As for the logits; ``agreement`` is of the largest value.
    """

    shape: tuple[int, int]
    parity: tuple[Parity, ...]


@dataclass(frozen=True)
class Manifest:
    """What a bundle is; no dates, so that the same export gives the same bytes.

    ``others`` is what artifacts give beside the logits, by name; absent where that is nothing.
    Version 1 had logits of 8 bits.
    """

    SCHEMA_VERSION: ClassVar[int] = 2

    model: ModelSpec
    source: str
    data: DataRecord
    recipe: Recipe | None
    artifacts: tuple[Artifact, ...]
    parity: tuple[Parity, ...]
    accuracy: tuple[Accuracy, ...]
    files: Mapping[str, str]
    versions: Mapping[str, str]
    policy: Decision | None = None
    others: Mapping[str, Output] = field(default_factory=dict, metadata=manifest.IF_ANY)

    def artifact(self, target: str, precision: str | None) -> Artifact:
        """The artifact of a target; int8 where there is a choice and none was asked for.

        Raises
        ------
        UsageError
            When there is none.
        """
        found = [a for a in self.artifacts if a.target == target]
        if precision is not None:
            found = [a for a in found if a.precision == precision]
        if not found:
            there = ", ".join(f"{a.target} ({a.precision})" for a in self.artifacts)
            wanted = target if precision is None else f"{target} ({precision})"
            raise UsageError(f"The bundle has no artifact {wanted}; it has {there}.")
        return max(found, key=lambda a: a.precision == Precision.INT8)


def is_bundle(folder: Path) -> bool:
    """Whether a folder looks like something :func:`writing` wrote."""
    try:
        document = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError):
        return False
    return isinstance(document, dict) and "artifacts" in document and "schema_version" in document


def refuse_destination(
    out: Path, is_ours: Callable[[Path], bool] = is_bundle, kind: str = "a bundle"
) -> None:
    """Raise unless ``out`` may become a bundle, or what else ``is_ours`` recognizes.

    Raises
    ------
    UsageError
        When it is there and is neither one nor an empty folder, or cannot be made.
    """
    if out.exists() and not is_ours(out) and not (out.is_dir() and not any(out.iterdir())):
        raise UsageError(
            f"--out {str(out)!r} exists and is not {kind}; it is left alone. "
            f"Give another folder, or remove it first."
        )
    refuse_parent(out)


def refuse_parent(out: Path) -> None:
    """Raise unless the folder that ``out`` is to be made in exists and can be written."""
    if not out.absolute().parent.is_dir():
        raise UsageError(
            f"--out {str(out)!r} cannot be made: {str(out.absolute().parent)!r} is not a folder. "
            f"Make it first."
        )
    _temporary(out).rmdir()


def _temporary(out: Path) -> Path:
    """A new hidden folder beside ``out``."""
    out = out.absolute()
    try:
        return Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise UsageError(f"Cannot write beside {str(out)!r}: {error.strerror}.") from None


def clear(out: Path) -> None:
    """Remove what processes that were killed while :func:`writing` left; nobody else may write."""
    for torn in out.parent.glob(f".{glob.escape(out.name)}.{'?' * 8}"):
        shutil.rmtree(torn, ignore_errors=True)


@contextmanager
def writing(out: Path) -> Iterator[Path]:
    """A temporary folder beside ``out`` that becomes ``out`` when the block ends without error.

    Raises
    ------
    UsageError
        When the folder cannot be written.
    """
    out = out.absolute()
    temporary = _temporary(out)
    try:
        temporary.chmod(0o755)
        yield temporary
        _replace(out, temporary)
    except OSError as error:
        raise UsageError(
            f"Cannot write {str(out)!r}: {error.strerror}. Nothing was changed."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _replace(out: Path, temporary: Path) -> None:
    """Swap a finished folder in; the old one comes back if that fails."""
    if not out.exists():
        temporary.rename(out)
    elif not _exchange(out, temporary):
        _replace_in_two_steps(out, temporary)


def _exchange(a: Path, b: Path) -> bool:
    """Swap two folders in one step, so that there is no moment without; Linux only.

    Returns
    -------
    bool
        Whether that was possible here.
    """
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    at_cwd, swap = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of <linux/fs.h>
    done: int = rename(at_cwd, os.fsencode(a), at_cwd, os.fsencode(b), swap)
    return done == 0


def _replace_in_two_steps(out: Path, temporary: Path) -> None:
    old = Path(tempfile.mkdtemp(prefix=f".{out.name}.old.", dir=out.parent))
    out.rename(old)
    try:
        temporary.rename(out)
    except OSError:
        old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)


def write_content(path: Path, content: Content) -> None:
    """Write an artifact: a file, or a folder of files."""
    if isinstance(content, bytes):
        path.write_bytes(content)
        return
    path.mkdir()
    for name, data in content.items():
        (path / name).write_bytes(data)


def read_content(path: Path) -> Content:
    """What :func:`write_content` wrote."""
    if path.is_file():
        return path.read_bytes()
    return {file.name: file.read_bytes() for file in sorted(path.iterdir())}


def content_sha256(content: Content) -> str:
    """sha256 of an artifact, see :class:`~edge.spec.Artifact`."""
    return manifest.sha256(_joined(content))


def content_bytes(content: Content) -> int:
    """Size of an artifact."""
    return len(_joined(content))


def _joined(content: Content) -> bytes:
    if isinstance(content, bytes):
        return content
    return b"".join(content[name] for name in sorted(content))


def checksums(folder: Path) -> dict[str, str]:
    """sha256 of every file but the manifest, by name relative to the folder."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST)
    return {str(p.relative_to(folder)): manifest.sha256(p.read_bytes()) for p in files}


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk, its manifest read and its files checked."""

    folder: Path
    manifest: Manifest

    @property
    def outputs(self) -> tuple[str, ...]:
        """What every artifact gives, in its order."""
        return (qgraph.LOGITS, *self.manifest.others)

    def parity(self, output: str) -> tuple[Parity, ...]:
        """How one of the outputs compared when the bundle was exported."""
        if output == qgraph.LOGITS:
            return self.manifest.parity
        return self.manifest.others[output].parity

    def contract(self) -> SignalContract:
        """The signal contract."""
        return manifest.read(self.folder / CONTRACT, SignalContract)

    def graph(self) -> qgraph.QGraph:
        """The integer graph.

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
        """Golden windows ``x`` and every rung's logits on them, by name."""
        with np.load(self.folder / GOLDEN, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}

    def decisions(self) -> dict[str, NDArray[np.int16]]:
        """Labels and every rung's decisions on all windows compared; empty in older bundles.

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
    opened = Bundle(folder, manifest.read(folder / MANIFEST, Manifest))
    for name, expected in opened.manifest.files.items():
        path = folder / name
        if not path.is_file():
            raise IncompatibleError(f"The bundle {str(folder)!r} has lost its file {name!r}.")
        if manifest.sha256(path.read_bytes()) != expected:
            raise IncompatibleError(
                f"{str(path)!r} is not the file that was exported: its sha256 differs from the "
                f"manifest's. Export again."
            )
    return opened


def runnable_names(opened: Bundle) -> tuple[str, ...]:
    """What ``edge run --target`` takes for this bundle."""
    targets = dict.fromkeys(artifact.target for artifact in opened.manifest.artifacts)
    integer = (REFERENCE,) if opened.manifest.recipe is not None else ()
    return (*targets, *integer, FLOAT)


def refuse_target(opened: Bundle, target: str) -> None:
    """Raise for a target that this bundle cannot run."""
    names = runnable_names(opened)
    if target not in names:
        raise UsageError(invalid_value("--target", target, names))


def refuse_outputs(opened: Bundle, names: Iterable[str]) -> None:
    """Raise for an output that this bundle does not give."""
    for name in names:
        if name not in opened.outputs:
            raise UsageError(
                f"The bundle {str(opened.folder)!r} gives {', '.join(opened.outputs)}, and no "
                f"{name!r}. Export it with --outputs {','.join((*opened.outputs, name))}."
            )


def target_names() -> tuple[str, ...]:
    """Every target there is."""
    return registry.names(registry.TARGETS)
