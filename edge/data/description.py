# SPDX-License-Identifier: BSD-3-Clause
"""Describe a recording, whatever file it lies in, as one value that one reader makes.

Training (:mod:`edge.data.raws`) and live replay (:mod:`edge.stream.sources.file`) take channels,
units, ranges, rates, joints and annotations from here and nowhere else, so that they cannot
disagree. The files of :mod:`edge.data.formats` make these values; :mod:`edge.data.reader` finds the
right one.

All times are seconds of *signal*: a sample's number divided by its channel's rate. Where a recorder
paused, the pause takes no time; a format that writes times of the clock converts them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.errors import EdgeError, IncompatibleError, UsageError
from edge.spec import Argument
from firmware_bridge.signal.contract import UNKNOWN

Samples = NDArray[np.float64]

PER_VOLT = {"nV": 1e9, "uV": 1e6, "mV": 1e3, "V": 1.0}
"""Units that are understood, and how many of them are a volt."""

SPELLINGS = {
    "uV": "uV",
    "µV": "uV",  # micro sign
    "μV": "uV",  # Greek mu
    "\x83\xcaV": "uV",  # the same in Shift JIS
    "mV": "mV",
    "V": "V",
}
"""How MNE and we spell units; whatever else stands in a file is not understood."""

JOINT_TEXTS = ("bad boundary", "edge boundary", "boundary", "bad_acq_skip")
"""Annotations, in lower case, that mark a joint and say nothing about the signal beside it."""


@dataclass(frozen=True)
class Hints:
    """What the contract says about files that do not say it themselves.

    Attributes
    ----------
    unit
        Unit of the samples as they are written, whatever the file says; None to believe the file.
    encoding
        Of its texts, e.g. ``"latin-1"``; None for UTF-8 or, where that fails, Latin-1 with a note.
    options
        What else a format has to be told, by names that the format lists in its ``OPTIONS``.
    """

    unit: str | None = None
    encoding: str | None = None
    options: Mapping[str, Argument] = field(default_factory=dict)

    def text(self, option: str) -> str | None:
        """Return an option that is a text, or None if it is not given."""
        value = self.options.get(option)
        return None if value is None else str(value)

    def number(self, option: str) -> float | None:
        """Return an option that is a positive number, or None if it is not given.

        Raises
        ------
        UsageError
            When it is something else.
        """
        value = self.options.get(option)
        if value is None:
            return None
        try:
            number = float(value)
        except ValueError:
            number = -1.0
        if isinstance(value, bool) or not 0 < number < np.inf:
            raise UsageError(
                f"Invalid value for the option {option!r}: a positive number is needed, but got "
                f"{value!r} instead."
            )
        return number


@dataclass(frozen=True)
class Channel:
    """One column of a recording.

    Attributes
    ----------
    name
        As in the file, made unique as MNE does.
    sfreq
        The channel's own rate, Hz; not the fastest channel's.
    written_unit
        As it stands in the file; empty where the file says nothing.
    unit
        As understood: ``uV``, ``mV``, ``V`` or ``unknown``.
    low, high
        Least and greatest value that the file can hold, ``low <= high``, in volts (in the file's
        own numbers where the unit is unknown); infinite where the format has no limits.
    fault
        Why its samples cannot be trusted, e.g. that its scale is not defined; empty where they can.
    """

    name: str
    sfreq: float
    written_unit: str = ""
    unit: str = UNKNOWN
    low: float = -np.inf
    high: float = np.inf
    fault: str = ""


@dataclass(frozen=True)
class Span:
    """A stretch of signal, seconds; ``stop_s`` does not belong to it."""

    start_s: float
    stop_s: float

    def samples(self, sfreq: float) -> tuple[int, int]:
        """Return the first sample and the one after the last, at a rate."""
        return round(self.start_s * sfreq), round(self.stop_s * sfreq)


@dataclass(frozen=True)
class Annotation:
    """A text on the time axis: an event, a bad span, a trigger's code."""

    onset_s: float
    duration_s: float
    text: str

    @property
    def is_joint(self) -> bool:
        """Whether it marks where two recordings were put together."""
        return self.text.lower() in JOINT_TEXTS

    @property
    def is_bad(self) -> bool:
        """Whether it marks a bad span, by MNE's rule: the text begins with "bad" in any case."""
        return self.text.lower().startswith("bad") and not self.is_joint


@dataclass(frozen=True, eq=False)
class Description:
    """A continuous recording.

    Attributes
    ----------
    path
        What was asked for.
    files
        Every file that its samples come from, ``path`` among them.
    channels
        All columns, in the file's order.
    pieces
        Stretches without a hole, in order. Filters and windows begin anew at each; what lies
        between two pieces (a skipped stretch) is not signal.
    annotations
        Events, bad spans and codes of trigger channels, by onset.
    source
        ``source(names, start, stop)``: samples (len(names), stop - start) float64 of channels that
        share a rate; in volts, or in the file's own numbers where the unit is unknown.
    notes
        What the user has to know of it, a line each.
    """

    path: Path
    files: tuple[Path, ...]
    channels: tuple[Channel, ...]
    pieces: tuple[Span, ...]
    annotations: tuple[Annotation, ...]
    source: Callable[[Sequence[str], int, int], Samples]
    notes: tuple[str, ...] = ()
    gains: dict[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The file's name, for messages."""
        return self.path.name

    def channel(self, name: str) -> Channel:
        """Return the channel of a name."""
        return next(channel for channel in self.channels if channel.name == name)

    def read(self, names: Sequence[str], start: int, stop: int) -> Samples:
        """Return samples (len(names), stop - start) of channels that share a rate.

        Raises
        ------
        IncompatibleError
            When the file's samples are not what its header promised.
        """
        try:
            samples = self.source(names, start, stop)
        except EdgeError:
            raise
        except Exception as error:  # parsers of other people raise anything
            first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise IncompatibleError(
                f"{self.name} describes samples that cannot be read: {first_line}"
            ) from error
        gains = np.array([self.gains.get(name, 1.0) for name in names])
        return samples if (gains == 1).all() else samples * gains[:, None]

    def with_unit(self, unit: str | None) -> Description:
        """Return the recording with its written numbers in ``unit``."""
        if unit is None:
            return self
        gains = {
            c.name: (1.0 if c.unit == UNKNOWN else PER_VOLT[c.unit]) / PER_VOLT[unit]
            for c in self.channels
        }
        channels = tuple(
            replace(c, unit=unit, low=c.low * gains[c.name], high=c.high * gains[c.name])
            for c in self.channels
        )
        return replace(self, channels=channels, gains=gains)

    def renamed(self, names: Sequence[str]) -> Description:
        """Return the recording with other names for its channels, in their order."""
        own = dict(zip(names, (channel.name for channel in self.channels), strict=True))
        return replace(
            self,
            channels=tuple(
                replace(channel, name=name)
                for channel, name in zip(self.channels, names, strict=True)
            ),
            source=lambda asked, start, stop: self.source(
                [own[name] for name in asked], start, stop
            ),
            gains={name: self.gains.get(column, 1.0) for name, column in own.items()},
        )

    def bad_spans(self) -> tuple[Annotation, ...]:
        """Return the annotations that mark bad signal."""
        return tuple(a for a in self.annotations if a.is_bad)


@dataclass(frozen=True, eq=False)
class Trials:
    """Windows that were cut elsewhere, as MNE's epochs and EEGLAB's trials hold them.

    Attributes
    ----------
    channels
        Columns; all share one rate.
    samples
        (n, n_chans, n_times) float64 in volts.
    texts
        Name of each window's event.
    start_s
        From the event to the first sample.
    """

    path: Path
    files: tuple[Path, ...]
    channels: tuple[Channel, ...]
    samples: Samples
    texts: tuple[str, ...]
    start_s: float
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The file's name, for messages."""
        return self.path.name


def understood(written: str) -> str:
    """Return the unit that a file's spelling means, or ``unknown``.

    >>> understood("µV"), understood(".V")
    ('uV', 'unknown')
    """
    return SPELLINGS.get(written, UNKNOWN)


def split_at(joints: Sequence[int], n_samples: int, sfreq: float) -> tuple[Span, ...]:
    """Return the pieces of a recording that begins anew at each of some samples."""
    edges = sorted({0, n_samples, *(joint for joint in joints if 0 < joint < n_samples)})
    return tuple(Span(a / sfreq, b / sfreq) for a, b in itertools.pairwise(edges))
