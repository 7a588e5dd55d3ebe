"""int8 against float on the same windows: per subject, and pooled with subjects as the unit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks import statistics
from benchmarks.report.sources import Source
from benchmarks.statistics import MARGIN, Z95, Z_POWER, Interval, NonInferiority, Pairs
from edge import bundle
from edge.spec import Parity, Precision, Proportion

BRAINDECODE = "braindecode"
ENOUGH, TOO_MUCH, UNDECIDED = "yes", "no", "not enough"
ONE_SUBJECT = "one subject"


@dataclass(frozen=True)
class Paired:
    """Two classifiers on the same windows; see :mod:`benchmarks.statistics`."""

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
        """Accuracy of int8 minus float's."""
        return self.correct.share - self.float_correct.share


@dataclass(frozen=True)
class Pooled:
    """One mode on one target over subjects, each of which counts once.

    Attributes
    ----------
    interval
        Mean difference over subjects with Student's t interval; unbounded for one subject.
    answer
        Whether that mean is not worse than the margin: ``yes``, ``no``, how many subjects would
        decide, or that there is only one.
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
    """Every int8 artifact of every bundle."""
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
    """How a rung compares with braindecode."""
    return next(p for p in parity if p.rung == rung and p.reference == BRAINDECODE)


def _paired(
    decisions: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.int16]]], rung: str
) -> Paired:
    labels = decisions[bundle.LABELS]
    first, second = (
        decisions[f"{bundle.DECISION}{name}"] == labels for name in (BRAINDECODE, rung)
    )
    found = statistics.pairs(first, second)
    return Paired(
        found,
        statistics.bootstrap(found),
        statistics.mcnemar(found),
        statistics.non_inferiority(found),
    )


def pool(comparisons: Sequence[Comparison]) -> tuple[Pooled, ...]:
    """Every mode and target over its subjects; a subject with several bundles counts once.

    Simulated data is nobody's: it is pooled apart.
    """
    cells: dict[tuple[str, str, bool], list[Comparison]] = {}
    for found in comparisons:
        cells.setdefault((found.mode, found.target, found.simulated), []).append(found)
    return tuple(_pooled(mode, target, found) for (mode, target, _), found in cells.items())


def _pooled(mode: str, target: str, found: Sequence[Comparison]) -> Pooled:
    by_subject: dict[str, list[float]] = {}
    for one in found:
        by_subject.setdefault(one.subject, []).append(one.difference)
    means = [float(np.mean(values)) for values in by_subject.values()]
    interval = statistics.over_subjects(means)
    return Pooled(
        mode,
        target,
        tuple(by_subject),
        interval,
        _answer(means, interval),
        min(found, key=lambda one: one.difference),
    )


def _answer(means: Sequence[float], interval: Interval) -> str:
    if len(means) == 1:
        return ONE_SUBJECT
    if interval.low > -MARGIN:
        return ENOUGH
    if interval.high < -MARGIN:
        return TOO_MUCH
    need = subjects_needed(means)
    more = "" if need is None else f", need {need:,}"
    return f"{UNDECIDED} subjects{more}"


def subjects_needed(differences: Sequence[float]) -> int | None:
    """Subjects that would decide at 80 % power, were mean and spread seen here the true ones.

    ``((z(95 %) + z(80 %)) sd / (mean + margin))**2`` (Lachin 1981, Controlled Clinical Trials 2,
    93-113); None for one subject, or where mean and margin are the same.
    """
    if len(differences) < 2:
        return None
    distance = float(np.mean(differences)) + MARGIN
    if math.isclose(distance, 0, abs_tol=1e-12):
        return None
    spread = float(np.std(differences, ddof=1))
    return max(len(differences) + 1, math.ceil(((Z95 + Z_POWER) * spread / distance) ** 2))


def worst(comparisons: Sequence[Comparison]) -> Comparison:
    """The one that loses most; of equals, the first."""
    return min(comparisons, key=lambda one: one.difference)
