# SPDX-License-Identifier: BSD-3-Clause
"""Keep the connection to a source: notice a stall, and connect again with longer pauses."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from edge.errors import IncompatibleError
from edge.stream.frames import Block, Disconnected, Header, Source

POLL_S = 0.1


@dataclass(frozen=True)
class Patience:
    """How long a source may be silent.

    Attributes
    ----------
    stalled_s
        Silence that is reported.
    lost_s
        Silence after which the source counts as disconnected.
    attempts
        Connections that are tried in a row before giving up.
    first_s, longest_s
        Pause before the first attempt, doubled before each other, and its limit.
    """

    stalled_s: float = 1.0
    lost_s: float = 5.0
    attempts: int = 10
    first_s: float = 0.5
    longest_s: float = 8.0


@dataclass
class LinkCounts:
    """Counts of stalls and connections since the beginning."""

    stalls: int = 0
    disconnects: int = 0
    reconnects: int = 0


class Link:
    """A source that is connected again when it is lost.

    ``note`` is told ``stalled``, ``disconnected`` and ``reconnected``; ``stop`` ends every wait.
    """

    def __init__(
        self,
        connect: Callable[[], Source],
        patience: Patience,
        note: Callable[[str], None],
        stop: threading.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.connect, self.patience, self.note = connect, patience, note
        self.stop, self.clock = stop, clock
        self.counts = LinkCounts()
        self.source = connect()
        self.header: Header = self.source.header
        self.heard_s = clock()
        self.is_stalled = False
        self.next_number = 0
        self.shift = 0
        self.is_new = True

    def read(self) -> Block | None:
        """Return what has arrived, numbered across interruptions, or None for nothing yet.

        Raises
        ------
        EndOfSignal
            When there is no more.
        IncompatibleError
            When the source does not come back, or comes back as another.
        """
        try:
            block = self.source.read(POLL_S)
        except Disconnected:
            self._reconnect()
            return None
        if block is None or not len(block.numbers):
            self._silence()
            return None
        self.heard_s = self.clock()
        self.is_stalled = False
        return self._renumbered(block)

    def close(self) -> None:
        """Close the connection to the device."""
        self.source.close()

    def _renumbered(self, block: Block) -> Block:
        if self.is_new:
            self.shift = self.next_number - int(block.numbers[0])
            block = replace(block, restart=True)
            self.is_new = False
        numbers = block.numbers + self.shift
        self.next_number = max(self.next_number, int(numbers[-1]) + 1)
        notes = tuple(replace(note, number=note.number + self.shift) for note in block.notes)
        return replace(block, numbers=numbers, notes=notes)

    def _silence(self) -> None:
        silent_s = self.clock() - self.heard_s
        if silent_s >= self.patience.lost_s:
            self._reconnect()
        elif silent_s >= self.patience.stalled_s and not self.is_stalled:
            self.is_stalled = True
            self.counts.stalls += 1
            self.note("stalled")

    def _reconnect(self) -> None:
        self.counts.disconnects += 1
        self.note("disconnected")
        self.source.close()
        pause_s = self.patience.first_s
        for _ in range(self.patience.attempts):
            if self.stop.wait(pause_s):
                return
            pause_s = min(2 * pause_s, self.patience.longest_s)
            try:
                self.source = self.connect()
            except (Disconnected, IncompatibleError):
                continue
            self._refuse_another()
            self.counts.reconnects += 1
            self.heard_s, self.is_stalled, self.is_new = self.clock(), False, True
            self.note("reconnected")
            return
        raise IncompatibleError(
            f"{self.header.name} was lost and did not come back in {self.patience.attempts} "
            f"attempts. Everything decided so far was written."
        )

    def _refuse_another(self) -> None:
        now = self.source.header
        if (now.channels, now.sfreq, now.unit) != (
            self.header.channels,
            self.header.sfreq,
            self.header.unit,
        ):
            raise IncompatibleError(
                f"{self.header.name} came back as another: {len(now.channels)} channels at "
                f"{now.sfreq:g} Hz, and it had {len(self.header.channels)} at "
                f"{self.header.sfreq:g} Hz."
            )
