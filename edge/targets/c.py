# SPDX-License-Identifier: BSD-3-Clause
"""Provide the target ``c``: C99 for any processor, without a runtime and a heap.

:mod:`firmware_bridge` writes a folder of sources: ``edge.c``, ``edge.h`` and the kernels that the
network needs. Windows are (n_times, n_chans) int8, sample-major as an ADC delivers, and logits are
(n_outputs,) int16. The struct that the caller owns is all the memory there is. ``edge firmware``
writes the same for a device, with a name of one's own choice, a build and a test that runs there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.patches.versions import installed
from edge.spec import Precision
from edge.targets.base import Loader, Session, Sources, all_in_int8
from firmware_bridge.emit.emitters import INT8_KINDS
from firmware_bridge.emit.generate import Origin, generate
from firmware_bridge.host import windowed as host
from quantize import own_code
from quantize.graph import files as graph_files
from quantize.graph.layouts import to_samples, with_height
from quantize.graph.outputs import flat
from quantize.graph.qgraph import QGraph, Quant
from quantize.graph.reference import dequantize, quantize

TARGET = "c"
NAME = "edge"
"""What the symbols of a bundle's C begin with."""

SUFFIX = ""
PRECISIONS = (Precision.INT8,)
EXACT = True
WRITES_WITH = ()
RUNS_WITH = ("gcc|cc|clang|ziglang",)

ABILITIES = all_in_int8("it is computed in float32 with <math.h>", INT8_KINDS)


def write(sources: Sources, precision: Precision) -> Mapping[str, bytes]:
    """Return the sources by file name, the same bytes whenever the graph is the same."""
    return generated(sources.graph(precision), sources.ch_names)


def generated(graph: QGraph, ch_names: tuple[str, ...]) -> Mapping[str, bytes]:
    """Return what :func:`write` makes of an int8 graph and the names of its channels."""
    origin = Origin(installed("eeg-edge") or "from source", graph_files.digest(graph), ch_names)
    made = generate(graph, NAME, origin)
    return {name: text.encode() for name, text in sorted(made.files.items())}


GENERATOR = ("firmware_bridge", "quantize/graph", "edge/targets/c.py")
"""Our code that decides what the sources of a graph are."""


def generator() -> str:
    """The hash of what writes the sources: equal ones write the same bytes for the same graph."""
    version = installed("eeg-edge") or "from source"
    return hashlib.sha256(f"{version} {own_code.sha256(*GENERATOR)}".encode()).hexdigest()


def compiled(files: Mapping[str, bytes], others: Sequence[str] = ()) -> host.Library:
    """Compile the sources for this machine."""
    return host.load({name: data.decode() for name, data in files.items()}, NAME, others)


def load(files: Mapping[str, bytes], others: Sequence[str] = (), _: int = 1) -> Session:
    """Compile the sources for this machine; there is one thread whatever is asked for."""
    library = compiled(files, others)

    def encode(window: NDArray[np.float32]) -> NDArray[np.int8]:
        return quantize(to_samples(window), library.source)

    def decode(given: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        return dequantize(given[0], library.target)

    def value(place: int, quant: Quant) -> Callable[[Any], NDArray[np.float32]]:
        return lambda given: flat(with_height(dequantize(given[place], quant)[None]))[0]

    values = {name: value(1 + i, library.others[name][1]) for i, name in enumerate(others)}
    return Session(encode, library.prepared(), decode, values)


RUNTIMES: Mapping[str, Loader] = MappingProxyType({"c": load})
