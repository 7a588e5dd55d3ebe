# SPDX-License-Identifier: BSD-3-Clause
"""Weigh what has to be installed to make a file and to run it, with all that it requires."""

from __future__ import annotations

import sysconfig
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from types import MappingProxyType

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from benchmarks.studies.peers.exports import CACHE, LITERT

Roots = tuple[str, ...]

RUN: Mapping[str, Roots] = MappingProxyType(
    {
        "c": (),
        "executorch": ("executorch", "torch"),
        "litert": ("ai-edge-litert",),
        "onnx": ("onnxruntime",),
        "pytorch": ("torch", "braindecode"),
        "tflite": ("ai-edge-litert",),
        "torch-compile": ("torch", "braindecode"),
    }
)
EXPORT: Mapping[str, Roots] = MappingProxyType(
    {
        "stock-executorch": ("executorch", "torch", "torchao", "braindecode"),
        "stock-litert": ("litert-torch", "ai-edge-quantizer"),
        "stock-onnx": ("torch", "onnx", "onnxruntime", "braindecode"),
        "pytorch": ("torch", "braindecode"),
        "torch-compile": ("torch", "braindecode"),
    }
)
OURS: Roots = ("eeg-edge[export]",)


def to_run(target: str) -> int:
    """Return the bytes that running a file takes; the C engine takes none."""
    return size(RUN[target.removeprefix("stock-")], sysconfig.get_path("purelib"))


def to_export(target: str) -> int:
    """Return the bytes that making a file takes."""
    roots = EXPORT.get(target, OURS)
    if target != LITERT:
        return size(roots, sysconfig.get_path("purelib"))
    (site,) = CACHE.glob("lib/python*/site-packages")
    return size(roots, str(site))


def size(roots: Iterable[str], site: str) -> int:
    """Return the bytes on disk of distributions and of all that they require, each once.

    Parameters
    ----------
    roots
        Requirements, with extras where these are meant.
    site
        The folder that they are installed in.
    """
    there = {canonicalize_name(d.name): d for d in metadata.distributions(path=[site])}
    todo = [Requirement(root) for root in roots]
    seen: set[tuple[NormalizedName, frozenset[str]]] = set()
    while todo:
        wanted = todo.pop()
        name, extras = canonicalize_name(wanted.name), frozenset(wanted.extras)
        if name not in there or (name, extras) in seen:
            continue
        seen.add((name, extras))
        for text in there[name].requires or ():
            more = Requirement(text)
            if _applies(more, extras):
                todo.append(more)
    return sum(_bytes(there[name]) for name in {name for name, _ in seen})


def _applies(requirement: Requirement, extras: frozenset[str]) -> bool:
    """Whether it is required here, by a distribution that is wanted with these extras."""
    if requirement.marker is None:
        return True
    return any(requirement.marker.evaluate({"extra": extra}) for extra in (*extras, ""))


def _bytes(distribution: metadata.Distribution) -> int:
    paths = (Path(str(file.locate())) for file in distribution.files or ())
    return sum(path.stat().st_size for path in paths if path.is_file())
