# SPDX-License-Identifier: BSD-3-Clause
"""Read a documentation page as a list of steps that a program can follow.

A page is Markdown. Its fenced code blocks are the steps, in the order of the page::

    ```console            shell commands after ``$``, each with the output below it
    ```toml file=a.toml   a file that the reader makes, at a path in the working folder
    ```python             a program that the reader runs, each in a process of its own

A block of another language, or one without ``file=``, is there to be read and is no step. A comment
``<!-- walk: reads -->`` before a ``console`` block says that its commands need something that a
test does not have (a headset, a board): they are parsed against the command line, and not run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
README = ROOT / "README.md"

FENCE = re.compile(
    r"^(?P<mark>(?:<!-- walk: (?P<order>[^\n]*?) -->\n+)?)"
    r"^```(?P<info>[^\n`]*)\n(?P<body>.*?)^```$",
    re.M | re.S,
)


@dataclass(frozen=True)
class Command:
    """One shell command of a page, and what the page says that it prints.

    ``line`` is what the shell runs; ``typed`` are the page's lines, with backslashes at their ends.
    """

    line: str
    output: tuple[str, ...]
    typed: tuple[str, ...]


@dataclass(frozen=True)
class Step:
    """A fenced code block.

    Attributes
    ----------
    language
        First word behind the fence, ``""`` where there is none.
    file
        Where the block is to be written; ``""`` where it is no file.
    order
        What a ``walk:`` comment before the block says; ``""`` where there is none.
    body
        Its lines, with the last newline.
    start, end
        Where the body stands in the page's text.
    """

    language: str
    body: str
    start: int
    end: int
    file: str = ""
    order: str = ""
    commands: tuple[Command, ...] = field(default=())


def steps(text: str) -> Iterator[Step]:
    """Every code block of a page, in its order."""
    for match in FENCE.finditer(text):
        words = match["info"].split()
        files = [word.partition("=")[2] for word in words if word.startswith("file=")]
        language = words[0] if words else ""
        body = match["body"]
        yield Step(
            language=language,
            body=body,
            start=match.start("body"),
            end=match.end("body"),
            file=files[0] if files else "",
            order=match["order"] or "",
            commands=tuple(commands(body)) if language == "console" else (),
        )


def commands(body: str) -> Iterator[Command]:
    """The commands of a ``console`` block with their outputs.

    Raises
    ------
    ValueError
        When the block does not begin with a command.
    """
    lines = body.splitlines()
    if not lines or not lines[0].startswith("$ "):
        raise ValueError(f"a console block begins with a command, not with {body[:40]!r}")
    typed: list[str] = []
    output: list[str] = []
    for text in [*lines, "$ "]:
        if typed and typed[-1].endswith("\\"):
            typed.append(text)
        elif text.startswith("$ "):
            if typed:
                yield Command(_joined(typed), tuple(output), tuple(typed))
            typed, output = [text], []
        else:
            output.append(text)


def _joined(typed: list[str]) -> str:
    """The lines of a command as the one line that a shell sees."""
    return " ".join(part.removesuffix("\\").strip() for part in typed).removeprefix("$ ")


def every_page() -> tuple[Path, ...]:
    """README and every page of the documentation."""
    return (README, *sorted(DOCS.rglob("*.md")))
