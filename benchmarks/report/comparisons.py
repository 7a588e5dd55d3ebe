# SPDX-License-Identifier: BSD-3-Clause
"""Compare int8 with float on the same windows, by subject and pooled over subjects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import statistics
from benchmarks.report.sources import Source
from edge.bundle import types as bundle_types
from edge.exporting import paired
from edge.exporting.paired import Interval, NonInferiority, Pairs
from edge.spec import BRAINDECODE, Parity, Precision, Proportion

ONE_SUBJECT = "one subject"
UNPAIRED = "no decisions kept"


@dataclass(frozen=True)
class Paired:
    """Two classifiers on the same windows; see :mod:`benchmarks.measure.statistics`."""

    pairs: Pairs
    interval: Interval
    mcnemar: float
    verdict: NonInferiority


@dataclass(frozen=True)
class Comparison:
    """One int8 artifact of one bundle beside the float model.

    ``paired`` is None where the bundle does not hold its windows' decisions.
    """

    label: str
    subject: str
    mode: str
    target: str
    simulated: bool
    float_correct: Proportion
    correct: Proportion
    agreement: Proportion
    sqnr_db: float | None
    paired: Paired | None

    @property
    def difference(self) -> float:
        """The accuracy of int8 minus that of float."""
        return self.correct.share - self.float_correct.share

    @property
    def pairs(self) -> Pairs:
        """What was gained and lost; where decisions were not kept, the least it can be."""
        if self.paired is not None:
            return self.paired.pairs
        net = self.correct.count - self.float_correct.count
        return Pairs(self.correct.n, max(net, 0), max(-net, 0))


@dataclass(frozen=True)
class Pooled:
    """One mode on one target over subjects, each of which counts once.

    Attributes
    ----------
    interval
        :func:`benchmarks.measure.statistics.over_subjects`; unbounded for one subject.
    answer
        Whether that mean is not worse than the margin: ``yes``, ``no``, how many subjects would
        decide, or that there is only one, or that decisions were not kept.
    worst
        The subject that loses most.
    """

    mode: str
    target: str
    subjects: tuple[str, ...]
    interval: Interval
    answer: str
    worst: Comparison


def compare(sources: Iterable[Source]) -> tuple[Comparison, ...]:
    """Compare every int8 artifact of every bundle with float."""
    return tuple(found for source in sources for found in _of(source))


def _of(source: Source) -> list[Comparison]:
    made = source.opened.manifest
    correct = {entry.rung: entry.correct for entry in made.accuracy}
    decisions = source.opened.decisions()
    found = []
    for artifact in made.artifacts:
        if artifact.precision != Precision.INT8:
            continue
        rung = f"{artifact.target} {artifact.precision}"
        follows = follows_float(made.parity, rung)
        found.append(
            Comparison(
                source.label,
                source.subject,
                source.kind,
                artifact.target,
                made.data.simulated,
                correct[BRAINDECODE],
                correct[rung],
                follows.agreement,
                follows.sqnr_db,
                _paired(decisions, rung) if decisions else None,
            )
        )
    return found


def follows_float(parity: Iterable[Parity], rung: str) -> Parity:
    """Return how a rung compares with braindecode."""
    return next(p for p in parity if p.rung == rung and p.reference == BRAINDECODE)


def _paired(decisions: Mapping[str, NDArray[np.int16]], rung: str) -> Paired:
    labels = decisions[bundle_types.LABELS]
    first, second = (
        decisions[f"{bundle_types.DECISION}{name}"] == labels for name in (BRAINDECODE, rung)
    )
    found = paired.pairs(first, second)
    return Paired(
        found,
        statistics.bootstrap(found),
        statistics.mcnemar(found),
        paired.non_inferiority(found),
    )


def pool(comparisons: Sequence[Comparison]) -> tuple[Pooled, ...]:
    """Pool every mode and target over its subjects; each subject counts once.

    Simulated data is nobody's: it is pooled apart.
    """
    cells: dict[tuple[str, str, bool], list[Comparison]] = {}
    for found in comparisons:
        cells.setdefault((found.mode, found.target, found.simulated), []).append(found)
    return tuple(_pooled(mode, target, found) for (mode, target, _), found in cells.items())


def _pooled(mode: str, target: str, found: Sequence[Comparison]) -> Pooled:
    by_subject: dict[str, list[Pairs]] = {}
    for one in found:
        by_subject.setdefault(one.subject, []).append(one.pairs)
    verdict = statistics.subjects_non_inferiority(tuple(by_subject.values()))
    answer = ONE_SUBJECT if len(by_subject) == 1 else str(verdict)
    if any(one.paired is None for one in found):
        answer = UNPAIRED
    return Pooled(
        mode,
        target,
        tuple(by_subject),
        verdict.interval,
        answer,
        min(found, key=lambda one: one.difference),
    )


def worst(comparisons: Sequence[Comparison]) -> Comparison:
    """Return the comparison that loses most; of equals, the first."""
    return min(comparisons, key=lambda one: one.difference)
