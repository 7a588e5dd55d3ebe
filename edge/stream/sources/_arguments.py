# SPDX-License-Identifier: BSD-3-Clause
"""Read parameters of a device that were typed as ``--arg NAME=VALUE``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from edge.errors import UsageError, invalid_value
from edge.spec import Argument


def refuse_unknown(arguments: Mapping[str, Argument], allowed: Sequence[str]) -> None:
    """Raise for a parameter that the source does not have.

    Raises
    ------
    UsageError
        With those that it has.
    """
    for name in arguments:
        if name not in allowed:
            raise UsageError(invalid_value("--arg", name, allowed))


def number(
    arguments: Mapping[str, Argument], name: str, example: str, least: float = 0.0
) -> float | None:
    """Read a finite number above ``least``; None where it was not given.

    Raises
    ------
    UsageError
        When it is something else.
    """
    value = arguments.get(name)
    if name not in arguments:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(float(value or 0)) or float(value or 0) <= least:
        raise UsageError(
            f"Invalid value for '--arg {name}': a number above {least:g} is needed, e.g. "
            f"--arg {name}={example}, but got {value!r} instead."
        )
    return float(value or 0)


def whole(arguments: Mapping[str, Argument], name: str, example: str, least: int) -> int | None:
    """Read a whole number of at least ``least``; None where it was not given.

    Raises
    ------
    UsageError
        When it is something else.
    """
    value = arguments.get(name)
    if name not in arguments:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise UsageError(
            f"Invalid value for '--arg {name}': a whole number of at least {least} is needed, "
            f"e.g. --arg {name}={example}, but got {value!r} instead."
        )
    return value


def word(arguments: Mapping[str, Argument], name: str) -> str | None:
    """Read a text, or a number as it was typed; None where it was not given.

    Raises
    ------
    UsageError
        When it is empty, true, false or null.
    """
    value = arguments.get(name)
    if name not in arguments:
        return None
    if value is None or isinstance(value, bool) or value == "":
        raise UsageError(f"Invalid value for '--arg {name}': a text is needed, but got {value!r}.")
    return str(value)
