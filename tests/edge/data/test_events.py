# SPDX-License-Identifier: BSD-3-Clause
"""Events that a contract calls otherwise: what the recordings call them, and what is nearest."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from edge.data import events, source
from edge.data.description import Annotation
from edge.errors import IncompatibleError
from edge.signal import contract_file
from tests import recordings

THERE = Counter({"Stimulus/S  1": 45, "Stimulus/S  2": 44, "Comment/rest": 1})


def refusal(*rules: tuple[dict[str, str], Counter[str]]) -> str:
    """The message of a refusal."""
    with pytest.raises(IncompatibleError) as error:
        events.refuse_strangers("rec", rules)
    return str(error.value)


def test_all_are_strangers() -> None:
    """The file's names with their counts, and for each stranger the one that ends like it."""
    assert refusal(({"S  1": "left", "S2": "right"}, THERE)) == (
        "rec has no event 'S  1' and 'S2', by which the contract's [[events]] know class 'left' "
        "and 'right'; it has 'Stimulus/S  1' (45), 'Stimulus/S  2' (44), 'Comment/rest' (1). "
        "Nearest is 'Stimulus/S  1' to 'S  1', 'Stimulus/S  2' to 'S2'. Correct the contract's "
        "[[events]] classes."
    )


def test_one_is_a_stranger() -> None:
    """Only that one is named."""
    message = refusal(({"Stimulus/S  1": "left", "Stimulus/S 22": "right"}, THERE))
    assert "has no event 'Stimulus/S 22', by which" in message
    assert "Nearest is 'Stimulus/S  2' to 'Stimulus/S 22'." in message


def test_a_class_may_have_two_names() -> None:
    """A name that some files use and others do not is no stranger while its class has another."""
    events.refuse_strangers(
        "rec", [({"Stimulus/S  1": "left", "769": "left", "Stimulus/S  2": "right"}, THERE)]
    )


def test_rules_are_told_apart() -> None:
    """A name that one rule knows does not stand for another rule's class."""
    only_rest = Counter({"T0": 3, "T1": 2})
    rules = ({"T1": "left"}, Counter({"T1": 4})), ({"T2": "feet", "T1": "hands"}, only_rest)
    assert "has no event 'T2', by which the contract's [[events]] know class 'feet'" in refusal(
        *rules
    )


def test_no_events_at_all() -> None:
    """That is said, and nothing about names."""
    assert refusal(({"a": "b", "c": "d"}, Counter())) == (
        "rec has no events: neither annotations nor codes of a trigger channel. Nothing in it says "
        "which class a window is of."
    )


def test_many_names() -> None:
    """A dozen of them are listed, the most frequent first."""
    there = Counter({f"e{i}": 100 - i for i in range(50)})
    assert refusal(({"x": "left"}, there)).count("(") == 12
    assert "'e11' (89) and 38 more" in refusal(({"x": "left"}, there))


def test_marks_are_no_events() -> None:
    """Neither joints nor bad spans are offered as names."""
    texts = ("T1", "BAD_blink", "boundary", "T1")
    assert events.names(Annotation(0, 0, text) for text in texts) == {"T1": 2}


def test_a_folder(tmp_path: Path) -> None:
    """The same through ``--data``."""
    recordings.write_edf(tmp_path / "a.edf")
    text = recordings.CONTRACT.replace("T1 =", "t1 =")
    with pytest.raises(IncompatibleError, match="Nearest is 'T1' to 't1'"):
        source.read(str(tmp_path), contract_file.parse(text, "c.toml"))
