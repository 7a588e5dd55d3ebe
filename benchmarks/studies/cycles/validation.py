# SPDX-License-Identifier: BSD-3-Clause
"""Compare a cycle model with functions that were measured on silicon, and derive its interval.

``cortex-m4.json`` holds the figures of record: for each function the cycles that somebody published
and the events that its instructions made in an emulator. The functions themselves are not part of
this project; they were compiled elsewhere with gcc 12.2, the published ones with 11.3 (pqm4).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.emulate.cycles.model import Interval, Model

FOLDER = Path(__file__).parent
ASSEMBLY, COMPILED = "assembly", "compiled"


@dataclass(frozen=True)
class Function:
    """A function that was measured on a device.

    Attributes
    ----------
    kind
        ``assembly`` or ``compiled``.
    measured_cycles
        Of one call, on the device.
    calls
        Calls behind ``events``.
    events
        What the calls made in the emulator.
    """

    function: str
    kind: str
    measured_cycles: int
    calls: int
    events: Mapping[str, int]

    def modelled(self, model: Model) -> float:
        """Return the model's cycles of one call."""
        return model.cycles(self.events) / self.calls

    def beyond(self, model: Model) -> float:
        """Return how far the device lies from the model, as a share of what the model says."""
        return self.measured_cycles / self.modelled(model) - 1


@dataclass(frozen=True)
class Record:
    """The functions of one suite on one device."""

    suite: str
    device: str
    source: str
    functions: tuple[Function, ...]


def read(core: str) -> tuple[Record, ...]:
    """Return the figures of record of a core."""
    document: Any = json.loads((FOLDER / f"{core}.json").read_text())
    return tuple(
        Record(
            record["suite"],
            record["device"],
            record["source"],
            tuple(Function(**function) for function in record["functions"]),
        )
        for record in document["records"]
    )


def interval(functions: Sequence[Function], model: Model) -> Interval:
    """Return where the device may lie around a modelled figure.

    On each side it is the worst error of any function and the scatter on top, at least twice the
    scatter, in whole percents. The scatter is the root mean square of the errors without the
    largest one, which the worst stands for.
    """
    errors = sorted((one.beyond(model) for one in functions), key=abs)
    scatter = math.sqrt(sum(error**2 for error in errors[:-1]) / len(errors[:-1]))

    def side(worst: float) -> float:
        return round(max(2 * scatter, worst + scatter), 2)

    return Interval(-side(-min(errors)), side(max(errors)))


def summary(errors: Sequence[float]) -> dict[str, float]:
    """Return median, root mean square and worst of modelled against measured, as shares."""
    return {
        "median": median(errors),
        "median_absolute": median(map(abs, errors)),
        "rms": math.sqrt(sum(error**2 for error in errors) / len(errors)),
        "worst": max(errors, key=abs),
    }
