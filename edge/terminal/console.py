# SPDX-License-Identifier: BSD-3-Clause
"""Send words where they belong: results to stdout, notes to stderr, toolchains' chatter nowhere.

Torch, ExecuTorch and LiteRT print from C++ as well as from Python, so file descriptors 1 and 2 are
pointed at a temporary file while the tool works, and our own words go to copies made before.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from rich.console import Console as RichConsole
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from edge.errors import UsageError
from edge.terminal import interrupts

PIPE_WIDTH = 140
"""Columns of a table that is not printed to a terminal."""


@dataclass(frozen=True)
class Console:
    """A pair of voices: results on stdout, notes and progress on stderr."""

    out: RichConsole
    err: RichConsole

    def note(self, text: str) -> None:
        """Print a line on stderr."""
        with contextlib.suppress(OSError):
            self.err.print(text, soft_wrap=True)

    def print(self, result: Table | str) -> None:
        """Print a result on stdout.

        Raises
        ------
        UsageError
            When stdout takes nothing: it leads to a full disk, say.
        """
        try:
            if isinstance(result, str):
                self.out.file.write(result if result.endswith("\n") else result + "\n")
                self.out.file.flush()
            else:
                self.out.print(result)
        except BrokenPipeError:  # who read it has read enough
            raise
        except OSError as error:
            raise UsageError(f"Cannot write the result to stdout: {error.strerror}.") from None

    @contextlib.contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """Show a spinner on stderr, if that is a terminal, while something has no steps."""
        if self.err.is_terminal:
            with self.err.status(text):
                yield
        else:
            yield

    @contextlib.contextmanager
    def progress(self, title: str, total: int) -> Iterator[Callable[[str], None]]:
        """Show a bar on stderr; the function that it yields moves it on by one step.

        Where stderr is not a terminal, steps are printed as lines instead, some ten of them.
        """
        if not self.err.is_terminal:
            yield self._lines(title, total)
            return
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total}"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.err, transient=True) as bar:
            task = bar.add_task(title, total=total)

            def advance(text: str) -> None:
                interrupts.check()
                bar.update(task, advance=1, description=f"{title}: {text}")

            yield advance

    def _lines(self, title: str, total: int) -> Callable[[str], None]:
        done = 0

        def advance(text: str) -> None:
            nonlocal done
            interrupts.check()
            done += 1
            if total <= 10 or done in (1, total) or done % (total // 10) == 0:
                self.note(f"{title} {done}/{total}: {text}")

        return advance


def _console(stream: TextIO) -> RichConsole:
    width = None if stream.isatty() else PIPE_WIDTH
    return RichConsole(file=stream, width=width, markup=False, highlight=False)


@contextlib.contextmanager
def console(verbose: bool, quiet: bool = False) -> Iterator[Console]:
    """Yield our console, and capture everything else that is printed unless ``verbose``.

    What was captured is thrown away at the end, and kept in a file only if the process dies. When
    ``quiet``, notes and progress are thrown away too.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    with _copy(1) as out, _copy(2) as err, _sink(err, verbose) as sink:
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        try:
            voice = _console(err)
            voice.quiet = quiet
            yield Console(_console(out), voice)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)


@contextlib.contextmanager
def _copy(descriptor: int) -> Iterator[TextIO]:
    """A copy of stdout or stderr; what it could not write has been said before it closes."""
    stream = os.fdopen(os.dup(descriptor), "w", encoding="utf-8", errors="replace")
    try:
        yield stream
    finally:
        with contextlib.suppress(OSError):
            stream.close()


@contextlib.contextmanager
def _sink(err: TextIO, verbose: bool) -> Iterator[int]:
    """Where the toolchains' own output goes: stderr when asked for, else a temporary file."""
    if verbose:
        yield err.fileno()
        return
    with tempfile.NamedTemporaryFile(prefix="edge-", suffix=".log", delete=False) as log:
        try:
            yield log.fileno()
        finally:
            Path(log.name).unlink(missing_ok=True)
