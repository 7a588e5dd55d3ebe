# SPDX-License-Identifier: BSD-3-Clause
"""Write which model a firmware holds: ``NAME_about.h`` and ``NAME_about.c``.

A program compares the numbers in it with its own converter while it is compiled, and says at run
time, or in its image, which model it runs.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from firmware_bridge.emit.generate import Origin
from firmware_bridge.plan.source import float_literal, time_and_channels
from firmware_bridge.rendering import Code, render
from firmware_bridge.signal.contract import SignalContract
from quantize.errors import IncompatibleError
from quantize.graph.qgraph import QGraph

KERNELS = ("edge_port.h", "edge_report.h")
FEMTO_PER_MICRO = 10**9
LARGEST = {"sampling rate": 2**31 - 1, "µV per count": 2**63 - 1}
"""In millihertz and in femtovolts, what the header's types hold."""


@dataclass(frozen=True)
class Named:
    """A name of a file, and the end of the macro that stands for it."""

    symbol: str
    text: str


def symbols(names: Sequence[str]) -> tuple[Named, ...]:
    """Return names with ends of macros, each once: letters, digits and underscores of the name.

    >>> [str(named.symbol) for named in symbols(["C3", "EEG Fp1-Ref", "EEG Fp1/Ref"])]
    ['C3', 'EEG_Fp1_Ref', 'EEG_Fp1_Ref_3']
    """
    found: list[Named] = []
    taken: set[str] = set()
    for number, name in enumerate(names, 1):
        word = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_") or str(number)
        while word in taken:
            word = f"{word}_{number}"
        taken.add(word)
        found.append(Named(Code(word), name))
    return tuple(found)


def generate(
    graph: QGraph,
    contract: SignalContract,
    name: str,
    origin: Origin,
    sources: Mapping[str, str],
    bundle_sha256: str,
) -> dict[str, str]:
    """Return the files by name.

    Parameters
    ----------
    sources
        Everything else that the model is compiled from, which the build id is a hash of.
    bundle_sha256
        Of the bundle's manifest.

    Raises
    ------
    IncompatibleError
        When the rate or what a count stands for is larger than the header's types hold.
    """
    n_times, n_chans = time_and_channels(graph, graph.input)
    digest = hashlib.sha256()
    for file, text in sorted(sources.items()):
        digest.update(f"{file}\0{text}\0".encode())
    uv_per_count, sfreq = contract.uv_per_count or 0.0, contract.sfreq or 0.0
    values = {
        "name": name,
        "upper": name.upper(),
        "version": origin.version,
        "graph_sha256": origin.digest,
        "bundle_sha256": bundle_sha256,
        "build_id": Code(digest.hexdigest()[:16]),
        "n_times": n_times,
        "n_chans": n_chans,
        "n_outputs": graph[graph.output].shape[-1],
        "hop": contract.hop,
        "unit": contract.unit,
        "reference": contract.reference,
        "sfreq": Code(float_literal(sfreq)),
        "sfreq_millihertz": _whole("sampling rate", sfreq, 1000),
        "uv_per_count": Code(float_literal(uv_per_count)),
        "uv_text": Code(f"{uv_per_count:.9g}"),
        "femtovolts": _whole("µV per count", uv_per_count, FEMTO_PER_MICRO),
        "channels": symbols(contract.channels or ()),
        "classes": symbols(contract.classes),
    }
    kernels = resources.files("firmware_bridge") / "kernels"
    return {
        f"{name}_about.c": render("c/about.c", **values),
        f"{name}_about.h": render("c/about.h", **values),
        **{kernel: (kernels / kernel).read_text() for kernel in KERNELS},
    }


def _whole(what: str, value: float, factor: int) -> int:
    """A value in a smaller unit, at least one of them where it is known."""
    found = round(value * factor)
    if found > LARGEST[what]:
        raise IncompatibleError(
            f"The contract's {what}, {value:g}, is larger than the header of a firmware can say."
        )
    return max(found, 1) if value else 0
