# SPDX-License-Identifier: BSD-3-Clause
"""Compute the accuracy of every step of going live, and each step's difference."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import statistics
from edge import parity
from edge.exporting import paired
from edge.exporting.paired import Interval
from edge.spec import Proportion

EPOCH_RUNGS = ("per sample", "per-channel scaling", "int8")
"""Rungs of trials that somebody else has filtered and cut."""

Correct = Mapping[str, NDArray[np.bool_]]
"""Whether each trial was decided right, (n_trials,), by rung."""


@dataclass(frozen=True)
class Step:
    """A rung beside the one before it, second minus first."""

    rung: str
    difference: Interval
    bootstrap: Interval
    gained: int
    lost: int
    p: float


@dataclass(frozen=True)
class Climb:
    """One subject: every rung's accuracy, and every step."""

    subject: str
    data: str
    n_trials: int
    accuracy: Mapping[str, Proportion]
    steps: tuple[Step, ...]


def climb(subject: str, data: str, correct: Correct) -> Climb:
    """Return accuracy and steps from what was right, in order."""
    names = list(correct)
    steps = []
    for before, rung in itertools.pairwise(names):
        found = paired.pairs(correct[before], correct[rung])
        steps.append(
            Step(
                rung,
                paired.tango(found),
                statistics.bootstrap(found),
                found.gained,
                found.lost,
                statistics.mcnemar(found),
            )
        )
    n = len(correct[names[0]])
    accuracy = {rung: parity.wilson(int(right.sum()), n) for rung, right in correct.items()}
    return Climb(subject, data, n, accuracy, tuple(steps))


def together(climbs: Sequence[Mapping[str, Any]]) -> dict[str, Interval]:
    """Mean step over the subjects of the epochs, the subject being the unit."""
    subjects = [climb for climb in climbs if set(climb["accuracy"]) == set(EPOCH_RUNGS)]
    return {
        rung: statistics.over_subjects(
            [
                [paired.Pairs(climb["n_trials"], step["gained"], step["lost"])]
                for climb in subjects
                for step in climb["steps"]
                if step["rung"] == rung
            ]
        )
        for rung in EPOCH_RUNGS[1:]
        if len(subjects) > 1
    }
