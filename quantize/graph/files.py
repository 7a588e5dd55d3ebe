# SPDX-License-Identifier: BSD-3-Clause
"""Read and write a graph's two files: ``<stem>.json`` (structure) and ``<stem>.npz`` (constants).

Both are the same bytes whenever the graph is the same. What is read is checked
(:mod:`quantize.graph.check`) before anybody sees it.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from quantize import arrays, plain
from quantize.errors import IncompatibleError, invalid_value
from quantize.graph import check
from quantize.graph.qgraph import OPERATIONS, Node, QGraph, Tensor
from quantize.reading import MIB

SCHEMA_VERSION = 2

MAX_CONSTANT_BYTES = 256 * MIB
MAX_COMPLAINT = 500
"""Characters of what is wrong with a graph that are said."""


@dataclass(frozen=True)
class _Structure:
    """The JSON file, its nodes not told apart yet."""

    SCHEMA_VERSION: ClassVar[int] = SCHEMA_VERSION
    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid"}

    input: str
    output: str
    tensors: tuple[Tensor, ...]
    nodes: tuple[dict[str, Any], ...]
    others: dict[str, str] = field(default_factory=dict)


def save(graph: QGraph, stem: Path) -> None:
    """Write ``<stem>.json`` and ``<stem>.npz``."""
    structure, constants = encode(graph)
    stem.with_suffix(".json").write_bytes(structure)
    stem.with_suffix(".npz").write_bytes(constants)


def digest(graph: QGraph) -> str:
    """Hash both files, one after the other, as ``cat <stem>.json <stem>.npz | sha256sum`` does."""
    return hashlib.sha256(b"".join(encode(graph))).hexdigest()


def encode(graph: QGraph) -> tuple[bytes, bytes]:
    """Return the bytes of a graph's two files."""
    document: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "input": graph.input,
        "output": graph.output,
        "tensors": [asdict(tensor) for tensor in graph.tensors],
        "nodes": [{"kind": node.kind, **asdict(node)} for node in graph.nodes],
    }
    if graph.others:  # readers that know of logits only still find these
        document["others"] = dict(graph.others)
    text = json.dumps(document, indent=1, sort_keys=True) + "\n"
    arrays: Any = {name: graph.constants[name] for name in sorted(graph.constants)}
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return text.encode(), stream.getvalue()


def load(stem: Path) -> QGraph:
    """Read what :func:`save` wrote, and check it.

    Raises
    ------
    UsageError
        When a file does not exist.
    IncompatibleError
        When one is of another schema version, damaged, or not a valid graph; one line that names
        the file.
    """
    path = stem.with_suffix(".json")
    structure = plain.read(path, _Structure)
    constants = arrays.read_npz(stem.with_suffix(".npz"), MAX_CONSTANT_BYTES)
    return _graph(structure, constants, str(path))


def decode(structure: bytes, constants: bytes, where: str = "the graph") -> QGraph:
    """Read what :func:`encode` returned, and check it; ``where`` opens the complaint.

    A target's runtime reads a bundle of a stranger in a process that can open no file, so it has
    bytes alone.

    Raises
    ------
    IncompatibleError
        As :func:`load`.
    """
    return _graph(
        plain.decode(structure, _Structure, where),
        arrays.decode_npz(io.BytesIO(constants), where, MAX_CONSTANT_BYTES),
        where,
    )


def _graph(structure: _Structure, constants: dict[str, arrays.Array], where: str) -> QGraph:
    nodes = tuple(_node(node, f"{where}: nodes.{i}") for i, node in enumerate(structure.nodes))
    try:
        graph = QGraph(
            input=structure.input,
            output=structure.output,
            tensors=structure.tensors,
            nodes=nodes,
            constants={name: constants[name] for name in sorted(constants)},
            others=structure.others,
        )
        check.check(graph)
    except (IncompatibleError, ValueError) as error:
        complaint = f"{str(error).rstrip('.'):.{MAX_COMPLAINT}}"  # names may be as long as the file
        raise IncompatibleError(f"{where}: {complaint}.") from None
    return graph


def _node(document: dict[str, Any], where: str) -> Node:
    kind, fields = document.get("kind"), {k: v for k, v in document.items() if k != "kind"}
    if not isinstance(kind, str) or kind not in OPERATIONS:
        kinds = tuple(OPERATIONS)
        raise IncompatibleError(f"{where}: {invalid_value('kind', f'{kind!s:.80}', kinds)}")
    return plain.validate(fields, OPERATIONS[kind], where)
