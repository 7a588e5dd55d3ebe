# SPDX-License-Identifier: BSD-3-Clause
"""The one reader of recordings: a file becomes a :class:`~edge.data.description.Description`.

Each file of :mod:`edge.data.formats` is a format::

    SUFFIXES = (".edf",)                       # in lower case, dots included
    def recognizes(path) -> bool               # whether a file with such a suffix is one of ours
    def open_recording(path, hints) -> Description | Trials

A new format is a new file there; nothing else needs to know of it. Suffixes match in any case and
the longest wins, so that ``.fif.gz`` is no ``.gz``. Where formats share a suffix (``.csv``,
``.txt``), the first in the order of their names that recognizes the file's content reads it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Protocol, cast

from edge import registry
from edge.data.description import Description, Hints, Trials
from edge.errors import EdgeError, UsageError, listing

NO_HINTS = Hints()


class Format(Protocol):
    """What a file of :mod:`edge.data.formats` offers."""

    SUFFIXES: tuple[str, ...]

    def recognizes(self, path: Path) -> bool:
        """Whether a file with one of the suffixes is of this format, by its first bytes."""

    def open_recording(self, path: Path, hints: Hints) -> Description | Trials:
        """Describe a recording; its samples are read later, as far as they are asked for.

        Raises
        ------
        EdgeError
            One line, when the file is not what it seems.
        """


@cache
def formats() -> dict[str, Format]:
    """Every format by name."""
    return {
        name: cast(Format, registry.load(registry.FORMATS, name, "format"))
        for name in registry.names(registry.FORMATS)
    }


def suffixes() -> tuple[str, ...]:
    """Every suffix that some format reads, sorted."""
    return tuple(sorted({suffix for each in formats().values() for suffix in each.SUFFIXES}))


def suffix_of(path: Path) -> str:
    """The longest known suffix that a file's name ends in, in lower case; empty where none."""
    name = path.name.lower()
    return max((s for s in suffixes() if name.endswith(s)), key=len, default="")


def is_candidate(path: Path) -> bool:
    """Whether a file of a folder is a recording by its name; hidden files never are."""
    return not path.name.startswith(".") and path.is_file() and bool(suffix_of(path))


def open_recording(path: Path, hints: Hints = NO_HINTS) -> Description | Trials:
    """Describe a recording, in whatever format it is.

    Raises
    ------
    UsageError
        When it is absent, or no format reads it.
    EdgeError
        What the format refuses, one line that names the file.
    """
    if not path.exists():
        raise UsageError(f"{str(path)!r} does not exist.")
    suffix = suffix_of(path)
    sharing = {name: f for name, f in formats().items() if suffix in f.SUFFIXES}
    if not sharing:
        raise UsageError(
            f"{str(path)!r} is not a kind of file that can be read. Allowed suffixes are "
            f"{listing((*suffixes(), '.npz'))}."
        )
    for each in sharing.values():
        if each.recognizes(path):
            return _guarded(each, path, hints)
    raise UsageError(f"{str(path)!r} ends in {suffix!r} and is none of {listing(sharing)} inside.")


def open_continuous(path: Path, hints: Hints = NO_HINTS) -> Description:
    """The same, for who needs a signal and not windows of one.

    Raises
    ------
    UsageError
        When the file holds trials.
    """
    recording = open_recording(path, hints)
    if isinstance(recording, Trials):
        raise UsageError(
            f"{str(path)!r} holds {len(recording.texts)} windows and no continuous signal, so it "
            f"cannot be replayed. Give the recording that they were cut from."
        )
    return recording


def _guarded(each: Format, path: Path, hints: Hints) -> Description | Trials:
    """Open a file; whatever a parser stumbles over becomes one line."""
    try:
        recording = each.open_recording(path, hints)
    except EdgeError:
        raise
    except Exception as error:  # parsers of other people raise anything
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UsageError(f"{str(path)!r} cannot be read: {first_line}") from error
    return recording if isinstance(recording, Trials) else recording.with_unit(hints.unit)
