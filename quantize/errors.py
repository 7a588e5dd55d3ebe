# SPDX-License-Identifier: BSD-3-Clause
"""Define every error that a user can cause, and the exit code that belongs to it.

The message of an :class:`EdgeError` is one line that says what was asked (repr), why it cannot be,
and what to type instead. The command line prints that line and exits with
:attr:`EdgeError.exit_code`. Anything else that escapes is a bug of ours and exits with 1.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """Exit codes of the command line; scripts are written against them."""

    DONE = 0
    BUG = 1
    USAGE = 2
    INCOMPATIBLE = 3
    BUDGET = 4
    ACCURACY = 5
    MISSING_TOOL = 6


class EdgeError(Exception):
    """A request that is refused; the message is one line."""

    exit_code: ClassVar[ExitCode] = ExitCode.USAGE


class UsageError(EdgeError):
    """The request itself is wrong: an argument, a file, the data (exit code 2)."""


class IncompatibleError(EdgeError):
    """The parts are right but do not fit together (exit code 3)."""

    exit_code = ExitCode.INCOMPATIBLE


class BudgetError(EdgeError):
    """What was asked for does not fit into a device (exit code 4)."""

    exit_code = ExitCode.BUDGET


class AccuracyError(EdgeError):
    """An artifact does not compute what it should (exit code 5)."""

    exit_code = ExitCode.ACCURACY


class MissingToolError(EdgeError):
    """A package or program is not installed (exit code 6)."""

    exit_code = ExitCode.MISSING_TOOL


MAX_WORD, MAX_WORDS = 200, 80
"""Characters and words of a list that are said."""


def of_code(code: int) -> type[EdgeError]:
    """Return the kind of error behind an exit code."""
    return next(kind for kind in EdgeError.__subclasses__() if kind.exit_code == code)


def listing(items: Iterable[object]) -> str:
    """Join words as ``'a', 'b' and 'c'``; what is long or many, as in a stranger's file, is cut."""
    words = [f"{item!r:.{MAX_WORD}}" for item in items]
    if len(words) > MAX_WORDS:
        return f"{', '.join(words[:MAX_WORDS])} and {len(words) - MAX_WORDS} more"
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def suggestion(got: str, allowed: Sequence[str]) -> str:
    """Return `` Did you mean 'eca'?``, or nothing if no name is close."""
    names = {name.lower(): name for name in allowed}
    close = difflib.get_close_matches(got.lower(), names, n=1)
    return f" Did you mean {names[close[0]]!r}?" if close else ""


def invalid_value(parameter: str, got: str, allowed: Sequence[str]) -> str:
    """Say that a value is not in a list; all commands use this one sentence.

    >>> invalid_value("--mode", "x", ["eca", "none"])
    "Invalid value for '--mode'. Allowed values are 'eca' and 'none', but got 'x' instead."
    """
    return (
        f"Invalid value for {parameter!r}. Allowed values are {listing(allowed)}, "
        f"but got {got!r:.120} instead.{suggestion(got, allowed)}"
    )
