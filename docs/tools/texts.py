# SPDX-License-Identifier: BSD-3-Clause
"""Read docstrings: their first sentence, and what they say of each attribute."""

from __future__ import annotations

import inspect
import re
from typing import Any


def first_sentence(thing: Any) -> str:
    """The first paragraph of a docstring in one line, without reStructuredText's marks."""
    text = inspect.getdoc(thing) or ""
    return plain(re.sub(r" \(exit code \d\)", "", " ".join(text.split("\n\n")[0].split())))


def plain(text: str) -> str:
    """reStructuredText's roles and double backticks as Markdown's single backticks."""
    text = re.sub(r":[a-z]+:`~?([^`]+)`", r"`\1`", text)
    return text.replace("``", "`")


def attributes(kind: type) -> dict[str, str]:
    """What a class's ``Attributes`` section says, by name; ``a, b`` gives the same text to both."""
    text = inspect.getdoc(kind) or ""
    _, found, section = text.partition("\nAttributes\n----------\n")
    if not found:
        return {}
    said: dict[str, str] = {}
    names: list[str] = []
    for line in section.splitlines():
        if not line.startswith(" ") and line.strip():
            names = [name.strip() for name in line.partition(":")[0].split(",")]
        elif names and line.strip():
            for name in names:
                said[name] = f"{said.get(name, '')} {line.strip()}".strip()
    return {name: plain(words) for name, words in said.items()}
