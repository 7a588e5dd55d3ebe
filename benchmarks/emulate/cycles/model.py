# SPDX-License-Identifier: BSD-3-Clause
"""Define what a cycle model is: rules with sources, an interval, and figures that carry it.

:mod:`.trace` records which straight runs of instructions a program executed and how often.
:mod:`.thumb` decodes each distinct run once, :mod:`.pipeline` counts what costs cycles in it, and
one file a core (:mod:`.cortex_m4`) says how much, from documents, each rule with its source. The
result is never a bare number: it carries the interval that the model earned on functions that were
measured on silicon (``python -m benchmarks.studies.cycles``). A core without such a validation has
no file here and gets no figure.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Events = Mapping[str, int]
"""How often what happened that costs cycles; names as in :mod:`.pipeline`."""


@dataclass(frozen=True)
class Rule:
    """What one event costs.

    Attributes
    ----------
    number
        Rules that came from one observation share a number.
    event
        A name of :mod:`.pipeline`.
    cycles
        Of one such event, beyond what the rules before it say.
    says
        The rule in words.
    source
        Where it was read.
    """

    number: int
    event: str
    cycles: int
    says: str
    source: str


@dataclass(frozen=True)
class Interval:
    """How far the real cycles may lie from modelled ones, as shares: ``Interval(-0.03, 0.08)``."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{100 * self.low:.0f} to {100 * self.high:+.0f} %"


@dataclass(frozen=True)
class Cycles:
    """Modelled cycles and the interval in which the real ones should lie."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, value: float, interval: Interval) -> Cycles:
        """Return a figure with a model's interval."""
        return cls(value, value * (1 + interval.low), value * (1 + interval.high))

    def __add__(self, other: Cycles) -> Cycles:
        """Return both together; errors of one model do not cancel."""
        return Cycles(self.value + other.value, self.low + other.low, self.high + other.high)

    def __str__(self) -> str:
        return told(self.value, self.low, self.high)


@dataclass(frozen=True)
class Model:
    """The cycle model of one core.

    Attributes
    ----------
    rules
        All of them; an instruction costs 1 and every event its cycles on top.
    assembly, compiled
        The intervals of loops in assembly with multiply-accumulate, and of what a compiler makes of
        general C, as the study's validation gives them.
    leaves_out
        What the figure does not contain.
    """

    core: str
    rules: tuple[Rule, ...]
    assembly: Interval
    compiled: Interval
    leaves_out: str

    def cycles(self, events: Events) -> int:
        """Return the cycles of counted events, zero wait states."""
        return sum(rule.cycles * events.get(rule.event, 0) for rule in self.rules)


MODELLED: Mapping[str, str] = {"cortex-m4": "cortex_m4"}
"""Cores that have a model, and the file that holds it."""


def of(core: str) -> Model | None:
    """Return the model of a core, or None where no validation has earned one."""
    if core not in MODELLED:
        return None
    found: Model = importlib.import_module(f"{__package__}.{MODELLED[core]}").MODEL
    return found


def missing(core: str) -> str:
    """Return the sentence why a core has no cycles."""
    return (
        f"cycles on {core} are not modelled: no function that was measured on such a core has been "
        f"run through a model of it, and a figure without a stated error is not printed"
    )


def together(counts: Iterable[Events]) -> Counter[str]:
    """Return the sum of several counts."""
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    return total


def told(value: float, low: float, high: float, unit: str = "cycles") -> str:
    """Return a modelled figure in words: ``3.47 M cycles (modelled, -3 to +8 %)``."""
    interval = Interval(low / value - 1, high / value - 1)
    return " ".join(f"{short(value)} {unit} (modelled, {interval})".split())


def short(value: float) -> str:
    """Return a number with three digits: ``3.47 M``, ``143 k``, ``950``."""
    for size, letter in ((1e6, " M"), (1e3, " k")):
        if value >= size * 0.9995:
            digits = 2 if value < 9.995 * size else 1 if value < 99.95 * size else 0
            return f"{value / size:.{digits}f}{letter}"
    return f"{value:.0f}"
