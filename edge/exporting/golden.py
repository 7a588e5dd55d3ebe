# SPDX-License-Identifier: BSD-3-Clause
"""Write golden vectors: windows, and what every form of the network made of them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edge.bundle import types as bundle_types
from edge.exporting.rungs import HeldOut, Rung
from edge.targets.base import Sources
from quantize.graph import reference
from quantize.graph.measures import evenly

N_GOLDEN = 20
"""Windows in the golden vectors at most, spread evenly over the held-out ones."""


def vectors(sources: Sources, held_out: HeldOut, rungs: Sequence[Rung]) -> bytes:
    """Return windows as ``edge run`` takes them with every rung's logits, as ``.npz``."""
    index = evenly(len(held_out.repeated), N_GOLDEN)  # every form has run on these
    arrays: dict[str, Any] = {"x": held_out.raw[index]}
    if sources.quantized is not None:
        graph, scaled = sources.quantized.graph, held_out.scaled[index]
        integers = reference.run(graph, scaled)
        arrays["x_int8"] = reference.to_input(graph, scaled)[:, 0]
        arrays[bundle_types.STORED] = integers.stored
        arrays["accumulator_int32"] = integers.accumulator
        arrays |= {f"{name}_int8": stored[:, 0] for name, stored in integers.others.items()}
    for rung in rungs:
        arrays[f"{bundle_types.LOGITS}{rung.name}"] = rung.logits[index]
        for name, other in rung.others.items():
            arrays[f"{name}/{rung.name}"] = other.logits[index]
    return _npz(arrays)


def decisions(held_out: HeldOut, rungs: Sequence[Rung]) -> bytes:
    """Return labels and rungs' decisions on every held-out window, as ``.npz``.

    A rung that has run on some of the windows only, as a slow form may, is not among them.
    """
    arrays = {
        f"{bundle_types.DECISION}{rung.name}": rung.logits.argmax(1)
        for rung in rungs
        if len(rung.logits) == len(held_out.labels)
    }
    arrays[bundle_types.LABELS] = held_out.labels
    return _npz({name: values.astype(np.int16) for name, values in arrays.items()})


def _npz(arrays: Mapping[str, Any]) -> bytes:
    """Arrays as ``.npz``, byte-identical when repeated."""
    stream = io.BytesIO()
    np.savez_compressed(stream, **{name: arrays[name] for name in sorted(arrays)})
    return stream.getvalue()
