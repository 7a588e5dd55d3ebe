# SPDX-License-Identifier: BSD-3-Clause
"""Name the events of recordings, and say what is there where a contract knows others."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Mapping

from edge.data.description import Annotation
from edge.errors import IncompatibleError, listing

SHOWN = 12
"""Names of events that a message lists."""


def names(annotations: Iterable[Annotation]) -> Counter[str]:
    """Count how often each event occurs; marks of joints and of bad spans are no events."""
    return Counter(a.text for a in annotations if not (a.is_joint or a.is_bad))


def refuse_strangers(where: str, rules: Iterable[tuple[Mapping[str, str], Counter[str]]]) -> None:
    """Raise if a class has no event in any of the files that its rules are about.

    Parameters
    ----------
    rules
        Of each rule, its classes by the names of their events, and the names that its files have.

    Raises
    ------
    IncompatibleError
        With the files' own names, and for each that is missing the one most like it.
    """
    rules = list(rules)
    there = sum((counts for _, counts in rules), Counter[str]())
    if not there:
        raise IncompatibleError(
            f"{where} has no events: neither annotations nor codes of a trigger channel. Nothing "
            f"in it says which class a window is of."
        )
    present = {classes[name] for classes, counts in rules for name in classes if name in counts}
    strangers = {
        name: class_
        for classes, _ in rules
        for name, class_ in classes.items()
        if class_ not in present
    }
    if not strangers:
        return
    like = ", ".join(f"{_nearest(name, there)!r} to {name!r}" for name in strangers)
    raise IncompatibleError(
        f"{where} has no event {listing(strangers)}, by which the contract's [[events]] know class "
        f"{listing(dict.fromkeys(strangers.values()))}; it has {counted(there)}. Nearest is "
        f"{like}. Correct the contract's [[events]] classes."
    )


def counted(there: Counter[str]) -> str:
    """Write ``'T1' (15), 'T2' (14)``, the most frequent first."""
    ordered = sorted(there.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{name!r} ({count})" for name, count in ordered[:SHOWN])
    left = len(ordered) - SHOWN
    return shown if left <= 0 else f"{shown} and {left} more"


def _nearest(name: str, there: Counter[str]) -> str:
    """The name that looks most like another; one that ends like it looks more so."""

    def likeness(other: str) -> tuple[bool, float]:
        one, two = (re.sub(r"[\W_]+", "", text).lower() for text in (name, other))
        ends = bool(one) and bool(two) and (one.endswith(two) or two.endswith(one))
        return ends, difflib.SequenceMatcher(None, one, two).ratio()

    return max(there, key=likeness)
