# SPDX-License-Identifier: BSD-3-Clause
"""Parse JSON that somebody else wrote: one value for each key, numbers that are numbers."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NoReturn

from edge.checkpoint.stored import printable

MAX_DEPTH = 32
"""Deepest nesting of lists and dictionaries."""


def parse(data: bytes | str, *, nan: bool = False) -> Any:
    """Parse JSON strictly.

    Parameters
    ----------
    nan
        Whether ``NaN`` and infinities are read, which JSON has not and Python writes.

    Raises
    ------
    ValueError
        For what is not JSON, a key that stands twice, and nesting deeper than :data:`MAX_DEPTH`;
        one line.
    """
    try:
        text = data.decode() if isinstance(data, bytes) else data
    except UnicodeDecodeError:
        raise ValueError("it is not text in UTF-8") from None
    _refuse_depth(text)
    try:
        constant = float if nan else _refused
        return json.loads(text, object_pairs_hook=_unique, parse_constant=constant)
    except json.JSONDecodeError as error:
        raise ValueError(str(error)) from None
    except ValueError as error:  # a number of more digits than Python converts
        raise ValueError(str(error).split(";", maxsplit=1)[0]) from None


def _refuse_depth(text: str) -> None:
    """Raise on the nesting of brackets outside of strings."""
    depth, quoted, escaped = 0, False, False
    for character in text:
        if quoted:
            quoted = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            quoted = True
        elif character in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")
        elif character in "]}":
            depth -= 1


def _unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in pairs:
        if key in made:
            raise ValueError(f"the key '{printable(key)}' stands in it twice")
        made[key] = value
    return made


def _refused(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number in JSON")
