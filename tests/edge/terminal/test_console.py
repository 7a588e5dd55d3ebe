# SPDX-License-Identifier: BSD-3-Clause
"""Chatter of the toolchains never reaches the user, unless asked for."""

from __future__ import annotations

import subprocess
import sys
import textwrap

PROGRAM = textwrap.dedent(
    """
    import os, sys
    from edge.terminal.console import console
    with console(verbose={verbose}) as ours:
        os.write(1, b"C on stdout\\n")
        os.write(2, b"C on stderr\\n")
        print("Python on stdout")
        print("Python on stderr", file=sys.stderr)
        ours.print("result")
        ours.note("note")
        with ours.progress("train", 30) as advance:
            for i in range(30):
                advance(f"loss {{i}}")
    print("afterwards")
    """
)


def run(verbose: bool) -> subprocess.CompletedProcess[str]:
    """The program in a process of its own."""
    code = PROGRAM.format(verbose=verbose)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


def test_captured() -> None:
    """C and Python output of others is gone, on both streams; ours arrives where it belongs."""
    done = run(verbose=False)
    assert done.stdout == "result\nafterwards\n"
    lines = done.stderr.splitlines()
    assert lines[0] == "note"
    assert lines[1:] == [
        f"train {i}/30: loss {i - 1}" for i in (1, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30)
    ]


def test_verbose() -> None:
    """With -v it is shown on stderr, so that stdout stays the result."""
    done = run(verbose=True)
    assert done.stdout == "result\nafterwards\n"
    for text in ("C on stdout", "C on stderr", "Python on stdout", "Python on stderr"):
        assert text in done.stderr
