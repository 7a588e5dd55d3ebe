# SPDX-License-Identifier: BSD-3-Clause
"""Follow a documentation page as a reader would, and compare what happens with what it says.

    python -m docs.tools.walk README.md docs/tutorials/first-export.md [--update]

Each page is followed in an empty folder of its own: files are written, commands run, programs
executed. A command has to succeed (unless the page goes on with ``$ echo $?``) and has to print
what the page shows, apart from numbers, which differ from machine to machine. ``--update`` writes
what was really printed into the page instead, so that outputs are never typed by hand.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import click

from docs.tools.pages import ROOT, Command, Step, steps

TIMEOUT_S = 900
NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")
ELLIPSIS = ("...", "…")
"""A line of a page that stands for any number of lines of the real output."""


class WrongPageError(AssertionError):
    """A page says one thing and the program does another."""


@dataclass(frozen=True)
class Done:
    """What a command that was run elsewhere said on stdout, and the folder that it wrote."""

    said: str
    folder: Path


@dataclass
class Shell:
    """A reader at a terminal: a working folder, the last exit status, and our command on the path.

    Attributes
    ----------
    folder
        Where the page is followed; nothing is written outside of it.
    environment
        Variables added to this process's.
    edge
        What the shell runs for ``edge``, up to its arguments; Python anew by default.
    known
        Commands that somebody has run already, and what they left; they are not run again.
    """

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    edge: str = f"{shlex.quote(sys.executable)} -m edge"
    known: Mapping[str, Done] = field(default_factory=dict)
    status: int = 0

    def __post_init__(self) -> None:
        self.here = self.folder / "work"
        self.here.mkdir(parents=True, exist_ok=True)
        site = self.folder / "site"  # for packages that a page installs
        python = shlex.quote(sys.executable)
        pip = f"{python} -m pip -q install --no-deps --no-compile --target {shlex.quote(str(site))}"
        self._program("edge", f'{self.edge} "$@"')
        self._program("python", f'{python} "$@"')
        self._program("pip", f'test "$1" = install && shift && {pip} "$@"')
        python_path = [str(ROOT), str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.variables = {
            **os.environ,
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(python_path),
            "NO_COLOR": "1",
            **self.environment,
        }

    def _program(self, name: str, line: str) -> None:
        path = self.folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o755)

    def run(self, line: str) -> subprocess.CompletedProcess[str]:
        """Run one command; the folder it ends in and its status are the next one's."""
        if (known := self.known.get(line)) is not None:
            shutil.copytree(known.folder, self.here / known.folder.name)
            self.status = 0
            return subprocess.CompletedProcess(line, 0, known.said, "")
        ended = self.folder / "ended-in"
        script = f"(exit {self.status})\n{line}\nstatus=$?\npwd > {shlex.quote(str(ended))}\n"
        done = subprocess.run(
            ["bash", "-c", script + "exit $status"],
            cwd=self.here,
            env=dict(self.variables),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        self.status = done.returncode
        if ended.exists():
            self.here = Path(ended.read_text().rstrip("\n"))
        return done


def follow(text: str, shell: Shell) -> Iterator[tuple[Step, tuple[Command, ...]]]:
    """Do every step of a page; what each command really printed, block by block.

    Raises
    ------
    WrongPageError
        When a command fails, or prints something else than the page says.
    """
    for step in steps(text):
        if step.file:
            path = shell.folder / "work" / step.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(step.body)
        elif step.order.startswith("reads"):
            for command in step.commands:
                refuse_unparsable(command.line)
        elif step.language == "console":
            yield step, tuple(_run_all(step.commands, shell))
        elif step.language == "python":
            _run_program(step.body, shell)


def _run_all(commands: Sequence[Command], shell: Shell) -> Iterator[Command]:
    for number, command in enumerate(commands):
        done = shell.run(command.line)
        later = commands[number + 1].line if number + 1 < len(commands) else ""
        wanted = later.startswith("echo $?")
        if done.returncode and not wanted:
            raise WrongPageError(f"$ {command.line}\nexit status {done.returncode}\n{done.stderr}")
        printed = done.stderr if wanted else done.stdout
        yield replace(command, output=tuple(shown(printed, shell)))


def shown(printed: str, shell: Shell) -> list[str]:
    """Lines as a page shows them: no trailing blanks, the working folder called ``~``."""
    home = str(shell.folder / "work")
    return [line.rstrip().replace(home, "~") for line in printed.rstrip("\n").splitlines()]


def _run_program(program: str, shell: Shell) -> None:
    path = shell.folder / "program.py"
    path.write_text(program)
    done = shell.run(f"python {shlex.quote(str(path))}")
    if done.returncode:
        raise WrongPageError(f"a program of the page fails:\n{program}\n{done.stderr}")


def refuse_unparsable(line: str) -> None:
    """Raise unless our command line takes a command as it is typed; nothing is run.

    Raises
    ------
    WrongPageError
        With click's complaint.
    """
    words = shlex.split(line)
    if words[0] != "edge":
        return
    from edge.cli import cli

    try:
        group = cli.make_context("edge", [words[1]], resilient_parsing=True)
        command = cli.get_command(group, words[1]) if words[1:] else None
        if command is None:
            raise WrongPageError(f"$ {line}\nedge has no command {words[1]!r}")
        command.make_context(words[1], words[2:], parent=group)
    except click.UsageError as error:
        raise WrongPageError(f"$ {line}\n{error.format_message()}") from None


def compare(page: Sequence[str], real: Sequence[str], *, exact: bool = False) -> str | None:
    """Why an output is not what the page shows, or None; numbers and spacing may differ."""
    wanted, got = [_plain(line) for line in page], [_plain(line) for line in real]
    if not any(line.strip() in ELLIPSIS for line in page):  # where a line wraps depends on numbers
        wanted, got = [" ".join(wanted).strip()], [" ".join(got).strip()]
    if not _matches(wanted, got) or (exact and list(page) != list(real)):
        return "the page shows\n" + "\n".join(page) + "\nand the command prints\n" + "\n".join(real)
    return None


def _plain(line: str) -> str:
    """A line without its numbers, the frame of a table and the width of its columns."""
    words = re.sub(r"[━─┏┳┓┡╇┩└┴┘├┼┤╭╮╰╯]+", "-", line)
    return re.sub(r"[\s-]+", " ", NUMBER.sub("#", words)).strip()


def _matches(wanted: list[str], got: list[str]) -> bool:
    """Whether lines are equal, where an ellipsis stands for any number of them."""
    if not wanted:
        return not got
    if wanted[0] in ELLIPSIS:
        return any(_matches(wanted[1:], got[skip:]) for skip in range(len(got) + 1))
    return bool(got) and wanted[0] == got[0] and _matches(wanted[1:], got[1:])


def check(text: str, shell: Shell) -> None:
    """Follow a page and raise where it is wrong.

    Raises
    ------
    WrongPageError
        With the command, what the page says and what happened.
    """
    for step, real in follow(text, shell):
        for command, done in zip(step.commands, real, strict=True):
            exact = command.line.startswith("echo $?")
            if (why := compare(command.output, done.output, exact=exact)) is not None:
                raise WrongPageError(f"$ {command.line}\n{why}")


def updated(text: str, shell: Shell) -> str:
    """A page with the outputs that its commands really printed; shortened ones stay short."""
    pieces, position = [], 0
    for step, real in follow(text, shell):
        pieces += [text[position : step.start], _body(step.commands, real)]
        position = step.end
    return "".join([*pieces, text[position:]])


def _body(commands: Iterable[Command], real: Iterable[Command]) -> str:
    lines: list[str] = []
    for command, done in zip(commands, real, strict=True):
        kept = any(line.strip() in ELLIPSIS for line in command.output)
        lines += [*command.typed, *(command.output if kept else done.output)]
    return "\n".join(lines) + "\n"


@click.command()
@click.argument("pages", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--update", is_flag=True, help="Write real outputs into the pages.")
@click.option(
    "--with", "given", multiple=True, type=click.Path(path_type=Path), help="Put into the folder."
)
def main(pages: tuple[Path, ...], update: bool, given: tuple[Path, ...]) -> None:
    """Follow pages of the documentation, each in an empty folder."""
    for page in pages:
        with tempfile.TemporaryDirectory() as folder:
            shell = Shell(Path(folder))
            for path in given:
                (shell.here / path.name).symlink_to(path.resolve())
            text = page.read_text()
            if update:
                page.write_text(updated(text, shell))
            else:
                check(text, shell)
        click.echo(f"{page}: followed")


if __name__ == "__main__":
    main()
