# SPDX-License-Identifier: BSD-3-Clause
"""What ends a command from outside: Ctrl-C, SIGTERM and SIGHUP, all in the same orderly way.

Each raises :class:`Interrupted` in the main thread, so that temporary folders are removed and the
exit code says what happened. Python swallows an exception that a finalizer or a callback raises;
an interruption that hit one of those is raised again at the next step of the work (:func:`check`),
because a command that was interrupted must never end as if it had not been.
"""

from __future__ import annotations

import signal
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(KeyboardInterrupt):
    """A signal asked the command to end; the message is one line."""

    def __init__(self, number: int, message: str = "") -> None:
        word = (
            "Interrupted" if number == signal.SIGINT else f"Ended by {signal.Signals(number).name}"
        )
        super().__init__(message or f"{word}; nothing was written.")
        self.number = number

    @property
    def exit_code(self) -> int:
        """As a shell says it: 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP."""
        return 128 + self.number


_received: list[int] = []


def install() -> None:
    """Raise for the signals that nobody ignores; a job under ``nohup`` goes on ignoring SIGHUP."""
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _raise)


def _raise(number: int, _: FrameType | None) -> None:
    _received.append(number)
    raise Interrupted(number)


def received() -> Interrupted | None:
    """The signal that came first, if one did."""
    return Interrupted(_received[0]) if _received else None


def check() -> None:
    """Raise if a signal came, whoever swallowed its exception.

    Raises
    ------
    Interrupted
        With the signal that came first.
    """
    if (interrupted := received()) is not None:
        raise interrupted
