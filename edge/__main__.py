# SPDX-License-Identifier: BSD-3-Clause
"""Run the command line: the program ``edge``, and ``python -m edge``."""

from __future__ import annotations

import signal


def run() -> None:
    """Import the commands and run one; a Ctrl-C before they are there ends without a traceback.

    Nothing has begun then, so the system may end the process; from :func:`edge.cli.main` on every
    signal is answered in an orderly way (:mod:`edge.terminal.interrupts`).
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from edge.cli import main

    main()


if __name__ == "__main__":
    run()
