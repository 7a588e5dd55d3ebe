# SPDX-License-Identifier: BSD-3-Clause
"""Define the protocol of a frame source. Each module in ``stream/sources`` implements it.

A source module has one function, ``connect(request) -> Source``. Whatever a device tells of lost
samples (a packet counter, timestamps), the source turns into sample numbers. Everything behind it
then sees one thing only: numbers that go up by one, or do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge.errors import UsageError
from edge.spec import Argument
from edge.stream.numbering.numbered import ClockReport, Note
from firmware_bridge.signal.contract import SignalContract


@dataclass(frozen=True)
class SourceRequest:
    """What ``edge stream --source NAME:PLACE`` asks of a source.

    Attributes
    ----------
    place
        What stands behind the source's name.
    arguments
        Parameters of the device, by name.
    channels
        What is plugged into its inputs, in their order; its own names where empty.
    unit
        Unit of its samples, where it does not tell; None where nobody said.
    speed
        Of a replay: 1 is real time, infinity as fast as it goes.
    contract
        What the signal is for, where a source can choose or check by it; None where nobody said.
    """

    place: str
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    channels: tuple[str, ...] = ()
    unit: str | None = None
    speed: float = 1.0
    contract: SignalContract | None = None

    def refuse_speed(self) -> None:
        """Raise if a live source is asked to go at another speed than its own.

        Raises
        ------
        UsageError
            When ``speed`` is not 1.
        """
        if self.speed != 1:
            raise UsageError(f"--speed {self.speed:g} is for replays; {self.place!r} is live.")


@dataclass(frozen=True)
class Header:
    """What a source says about its signal: channels, unit, rate, limits.

    Attributes
    ----------
    channels
        Names, in the order of a frame.
    unit
        ``uV``, ``mV``, ``V``, what else the source calls it, or ``unknown``.
    sfreq
        Frames a second, Hz.
    limits
        Least and greatest value that a channel can have, in ``unit``; None where unknown.
    units
        Unit of each channel, where they are not all in ``unit``.
    """

    name: str
    channels: tuple[str, ...]
    unit: str
    sfreq: float
    limits: tuple[tuple[float, float], ...] | None = None
    units: tuple[str, ...] | None = None

    def unit_of(self, index: int) -> str:
        """Unit of a channel."""
        return self.unit if self.units is None else self.units[index]


@dataclass(frozen=True, eq=False)
class Block:
    """Some frames as they arrived, with their numbers.

    Attributes
    ----------
    samples
        (n, n_chans) in the header's unit; what is not finite counts as lost.
    numbers
        (n,) of each frame; one more than the last where nothing was lost.
    taken_s
        When the last one was taken, as well as is known, on ``time.monotonic``'s clock.
    period_s
        From one to the next on that clock; 0 where they all came at once.
    restart
        Whether the first frame has nothing to do with what came before.
    notes
        What the numbering of the frames noticed about the device's clock.
    clock
        What is known of the device's clock so far; None where frames are numbered by themselves.
    """

    samples: NDArray[np.float64]
    numbers: NDArray[np.int64]
    taken_s: float
    period_s: float = 0.0
    restart: bool = False
    notes: tuple[Note, ...] = ()
    clock: ClockReport | None = None


class Disconnected(Exception):  # noqa: N818  # it says what happened
    """Raised when the device is gone; connecting again may help."""


class EndOfSignal(Exception):  # noqa: N818
    """Raised when the source has ended and nothing more will come."""


class Source(Protocol):
    """A source that is open and delivers frames."""

    @property
    def header(self) -> Header:
        """What the source says about its signal."""

    def read(self, timeout_s: float) -> Block | None:
        """Return the frames that have arrived, or None if none came in time.

        Raises
        ------
        Disconnected, EndOfSignal
            When no more will come from this connection.
        """

    def close(self) -> None:
        """Close the connection to the device."""
