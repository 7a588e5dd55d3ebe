# SPDX-License-Identifier: BSD-3-Clause
"""The one reader of recordings: a file becomes a :class:`~edge.data.description.Description`.

Each file of :mod:`edge.data.formats` is a format::

    SUFFIXES = (".edf",)                       # in lower case, dots included
    def recognizes(path) -> bool               # whether a file with such a suffix is one of ours
    def open_recording(path, hints) -> Description | Trials
    OPTIONS = {"board": "…"}                   # only where it has to be told what no file says

A new format is a new file there; nothing else needs to know of it. Suffixes match in any case and
the longest wins, so that ``.fif.gz`` is no ``.gz``. Where formats share a suffix (``.csv``,
``.txt``), the first in the order of their names that recognizes the file's content reads it.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Protocol, cast

from edge import registry
from edge.data.description import Description, Hints, Trials
from edge.data.formats import _events
from edge.errors import EdgeError, UsageError, listing

NO_HINTS = Hints()
EVENTS = "events"
"""The one option of every format: the name of a second file that holds the events."""


class Format(Protocol):
    """What a file of :mod:`edge.data.formats` offers.

    One that has to be told what its files do not say has ``OPTIONS`` too: names, and what they mean
    in words. They are written under ``[file]`` in the contract, or as ``--arg`` of a replay.
    """

    SUFFIXES: tuple[str, ...]

    def recognizes(self, path: Path) -> bool:
        """Return whether a file's first bytes are of this format."""

    def open_recording(self, path: Path, hints: Hints) -> Description | Trials:
        """Describe a recording; its samples are read later, as far as they are asked for.

        Raises
        ------
        EdgeError
            One line, when the file is not what it seems.
        """


@cache
def formats() -> dict[str, Format]:
    """Return every format by name."""
    return {
        name: cast(Format, registry.load(registry.FORMATS, name, "format"))
        for name in registry.names(registry.FORMATS)
    }


def suffixes() -> tuple[str, ...]:
    """Return every suffix that some format reads, sorted."""
    return tuple(sorted({suffix for each in formats().values() for suffix in each.SUFFIXES}))


def suffix_of(path: Path) -> str:
    """Return the longest known suffix of a file's name, in lower case, or an empty text."""
    name = path.name.lower()
    return max((s for s in suffixes() if name.endswith(s)), key=len, default="")


def is_candidate(path: Path) -> bool:
    """Return whether a file of a folder is a recording; hidden files never are.

    A text file is one only when a format knows its first lines.
    """
    if path.name.startswith(".") or not path.is_file():
        return False
    return any(each.recognizes(path) for each in _reading(suffix_of(path)).values())


def _reading(suffix: str) -> dict[str, Format]:
    """The formats that read a suffix."""
    return {name: each for name, each in formats().items() if suffix in each.SUFFIXES}


def options_of(each: Format) -> dict[str, str]:
    """Return what a format can be told, by name."""
    return dict(getattr(each, "OPTIONS", {}))


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
    sharing = _reading(suffix)
    if not sharing:
        raise UsageError(
            f"{str(path)!r} is not a kind of file that can be read. Allowed suffixes are "
            f"{listing((*suffixes(), '.npz'))}."
        )
    for name, each in sharing.items():
        if each.recognizes(path):
            _refuse_options(name, each, path, hints)
            return _guarded(each, path, hints)
    raise UsageError(f"{str(path)!r} ends in {suffix!r} and is none of {listing(sharing)} inside.")


def open_continuous(path: Path, hints: Hints = NO_HINTS) -> Description:
    """Describe a recording as :func:`open_recording` does, and refuse windows.

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


def _refuse_options(name: str, each: Format, path: Path, hints: Hints) -> None:
    allowed = (EVENTS, *options_of(each))
    for option in hints.options:
        if option not in allowed:
            raise UsageError(
                f"{path.name} is of the format {name!r}, which has no option {option!r}. Allowed "
                f"are {listing(allowed)}."
            )


def _guarded(each: Format, path: Path, hints: Hints) -> Description | Trials:
    """Open a file; whatever a parser stumbles over becomes one line."""
    try:
        recording = each.open_recording(path, hints)
    except EdgeError:
        raise
    except Exception as error:  # parsers of other people raise anything
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UsageError(f"{str(path)!r} cannot be read: {first_line}") from error
    _refuse_nonsense(recording)
    if isinstance(recording, Trials):
        return recording
    recording = recording.with_unit(hints.unit)
    pattern = hints.text(EVENTS)
    return recording if pattern is None else _events.with_second_file(recording, pattern)


def _refuse_nonsense(recording: Description | Trials) -> None:
    """Raise where a file has no channel, no signal, or a rate that is none."""
    for channel in recording.channels:
        if not (math.isfinite(channel.sfreq) and channel.sfreq > 0):
            raise UsageError(
                f"{str(recording.path)!r} says that channel {channel.name!r} has a rate of "
                f"{channel.sfreq:g} Hz, which is none. Export it anew."
            )
    if not recording.channels or (isinstance(recording, Description) and not recording.pieces):
        raise UsageError(f"{str(recording.path)!r} holds no signal.")
