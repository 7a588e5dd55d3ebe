# SPDX-License-Identifier: BSD-3-Clause
"""Write the reference page of the command line from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator

import click

HEAD = """# Commands

Every command prints its result on stdout and everything else (progress, notes, warnings) on stderr.
`--json` makes the result one JSON document. `edge COMMAND -h` prints what stands here.
{table}
"""


def page() -> str:
    """The whole page."""
    from edge.cli import cli

    group = click.Context(cli, info_name="edge", max_content_width=100)
    commands = {name: _command(cli, group, name) for name in cli.list_commands(group)}
    rows = [f"| [`edge {name}`](#edge-{name}) | {summary(c)} |" for name, c in commands.items()]
    table = "\n".join(["", "| command | what it does |", "| --- | --- |", *rows])
    sections = [_section(name, command, group) for name, command in commands.items()]
    return "\n".join([HEAD.format(table=table), *sections])


def _command(cli: click.Group, group: click.Context, name: str) -> click.Command:
    command = cli.get_command(group, name)
    if command is None:
        raise ValueError(f"edge lists {name!r} and has no such command")
    return command


def summary(command: click.Command) -> str:
    """The first line of a command's help, whole."""
    return (command.help or "").strip().splitlines()[0]


def _section(name: str, command: click.Command, group: click.Context, level: int = 2) -> str:
    """A command with its options and example, and below it the commands of a group."""
    context = click.Context(command, info_name=name, parent=group)
    path = context.command_path
    usage = " ".join(command.collect_usage_pieces(context))
    lines = [f"{'#' * level} {path}", "", _text(command), ""]
    lines += ["```text", f"{path} {usage}", "```", ""]
    rows = [_row(*row) for p in command.params for row in _parameter(p, context)]
    if rows:
        lines += ["| option | takes | default | meaning |", "| --- | --- | --- | --- |", *rows]
    example = (command.epilog or "").removeprefix("Example: ").strip()
    if example:
        lines += ["", "Example:", "", "```text", example, "```"]
    if isinstance(command, click.Group):
        inner = ((one, _command(command, context, one)) for one in command.list_commands(context))
        lines += ["", *(_section(one, below, context, level + 1) for one, below in inner)]
    return "\n".join([*lines, ""])


def _text(command: click.Command) -> str:
    """A command's help as paragraphs."""
    paragraphs = (command.help or "").strip().split("\n\n")
    return "\n\n".join(" ".join(part.split()) for part in paragraphs)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _parameter(
    parameter: click.Parameter, context: click.Context
) -> Iterator[tuple[str, str, str, str]]:
    """Names, what is to be typed, the default, the meaning of an argument or an option."""
    if isinstance(parameter, click.Argument):
        yield f"`{parameter.make_metavar(context)}`", "", "needed" if parameter.required else "", ""
        return
    if not isinstance(parameter, click.Option) or parameter.hidden:
        return
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    takes = "" if parameter.is_flag or parameter.count else _takes(parameter, context)
    default = "needed" if parameter.required else _default(parameter)
    yield names, takes, default, " ".join((parameter.help or "").split())


def _takes(option: click.Option, context: click.Context) -> str:
    text = option.make_metavar(context)
    return f"`{text}`" + (", may be repeated" if option.multiple else "")


def _default(option: click.Option) -> str:
    """What stands for an option that is not given, where the command line shows it."""
    value = option.default
    if not option.show_default or option.is_flag or value is None or callable(value):
        return ""
    return f"`{value}`"
