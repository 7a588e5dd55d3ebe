# SPDX-License-Identifier: BSD-3-Clause
"""Run the command line: results go to stdout, everything else to stderr, with one exit code.

A command is a file of ``edge/commands``, or a module that another package offers by an entry point
of the group ``edge.commands``; each has a :class:`click.Command` called ``command``. Heavy modules
are imported inside the commands, so that ``edge --help`` works in the bare install.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

import click

from edge.patches import commit, shadow, versions

shadow.take_ours()  # before anything below imports one of our packages

from edge import registry  # noqa: E402
from edge.errors import EdgeError, ExitCode, MissingToolError, suggestion  # noqa: E402
from edge.terminal import interrupts  # noqa: E402

INTERRUPTED = 130
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)
"""Errors of a file system, or of what stdout leads to, and not of ours."""


class Commands(click.Group):
    """All commands by name; one that cannot be loaded fails when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return list(registry.names(registry.COMMANDS))

    def get_command(
        self,
        ctx: click.Context,
        cmd_name: str,
    ) -> click.Command | None:
        """Return the command of a name, or None if there is none."""
        if cmd_name not in registry.names(registry.COMMANDS):
            return None
        try:
            command = registry.load(registry.COMMANDS, cmd_name, "COMMAND").command
        except MissingToolError as error:
            return _broken(cmd_name, error)
        assert isinstance(command, click.Command), cmd_name
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, and with the name that was meant where there is no such command."""
        known = self.list_commands(ctx)
        if args and args[0] not in known and not args[0].startswith("-"):
            raise click.UsageError(f"No such command {args[0]!r}.{suggestion(args[0], known)}", ctx)
        return super().resolve_command(ctx, args)


def commands() -> dict[str, click.Command]:
    """Load every command and return them by name."""
    context = click.Context(cli)
    every = ((name, cli.get_command(context, name)) for name in cli.list_commands(context))
    return {name: command for name, command in every if command is not None}


def _broken(name: str, error: MissingToolError) -> click.Command:
    def fail() -> None:
        raise error

    return click.Command(name, callback=fail, help=str(error))


def _print_version(context: click.Context, _: click.Parameter, asked: bool) -> None:
    """Print the version and the commit; one that is not known with the reason."""
    if asked:
        version = versions.installed("eeg-edge") or "from source"
        click.echo(f"edge {version} (commit {commit.of_this_copy()})")
        context.exit()


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: edge export --mode eca --int8",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and the commit and exit.",
)
@click.pass_context
def cli(context: click.Context) -> None:
    """Take a trained EEG decoder to the device that is worn."""
    if context.invoked_subcommand != "doctor":
        shadow.refuse()


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit with its code; the entry point of the program."""
    _open_descriptors()
    interrupts.install()
    code = _main(arguments)
    try:
        sys.stdout.flush()
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            code = _fail(_cannot_write(error), ExitCode.USAGE)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the interpreter flushes once more
    sys.exit(code)


def _open_descriptors() -> None:
    """Let a stdin, stdout or stderr that is closed lead nowhere, so that no file becomes it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")


def _cannot_write(error: OSError) -> str:
    where = "the output" if error.filename is None else repr(str(error.filename))
    return f"Cannot write {where}: {error.strerror}."


def _main(arguments: Sequence[str] | None) -> int:
    try:
        code = cli.main(arguments, prog_name="edge", standalone_mode=False)
        return code if isinstance(code, int) else ExitCode.DONE
    except EdgeError as error:
        return _fail(str(error), error.exit_code)
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "edge"
        return _fail(f"{error.format_message()} Type '{command} --help'.", ExitCode.USAGE)
    except click.ClickException as error:
        return _fail(error.format_message(), ExitCode.USAGE)
    except (KeyboardInterrupt, click.Abort) as error:
        cause = error.__cause__ or error  # click makes the one into the other
        signalled = cause if isinstance(cause, interrupts.Interrupted) else interrupts.received()
        said = str(cause) or "Interrupted; nothing was written."
        return _fail(said, signalled.exit_code if signalled else INTERRUPTED)
    except BrokenPipeError:
        return ExitCode.DONE
    except Exception as error:
        if isinstance(error, OSError) and error.errno in FULL:
            return _fail(_cannot_write(error), ExitCode.USAGE)
        traceback.print_exc()
        return _fail("This is a bug in edge; the lines above say where.", ExitCode.BUG)


def _fail(message: str, code: int) -> int:
    with contextlib.suppress(OSError):  # a stderr that takes nothing does not change the code
        print(f"edge: {message}", file=sys.stderr, flush=True)
    return code
