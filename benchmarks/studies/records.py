# SPDX-License-Identifier: BSD-3-Clause
"""Keep the studies' figures as JSON that a person can diff, one record a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

WIDTH = 200
"""What fits into so many characters stands in one line; so does a record of plain values."""


def save(path: Path, document: Any) -> None:
    """Write plain data as JSON with sorted keys, byte-identical when repeated."""
    path.write_text(text(document) + "\n", encoding="utf-8")


def text(value: Any, indent: str = "") -> str:
    """JSON in which whatever fits stands in one line, and what does not has a line an entry."""
    short = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)
    if len(indent) + len(short) <= WIDTH or _is_flat(value):
        return short
    inside = indent + " "
    if isinstance(value, list):
        if all(not isinstance(one, dict | list) for one in value):
            return "[" + _filled([json.dumps(one, ensure_ascii=False) for one in value], inside)
        return "[\n" + ",\n".join(inside + text(one, inside) for one in value) + f"\n{indent}]"
    entries = (
        f"{inside}{json.dumps(key, ensure_ascii=False)}: {text(value[key], inside)}"
        for key in sorted(value)
    )
    return "{\n" + ",\n".join(entries) + f"\n{indent}}}"


def _is_flat(value: Any) -> bool:
    """Whether it is a plain value, or a record of plain values, which has a line of its own."""
    if not isinstance(value, dict):
        return not isinstance(value, list)
    return all(not isinstance(one, dict | list) for one in value.values())


def _filled(words: list[str], indent: str) -> str:
    """Plain values one after the other, as many as a line holds."""
    lines, line = [], ""
    for number, word in enumerate(words):
        piece = word + (", " if number < len(words) - 1 else "")
        if line and len(indent) + len(line) + len(piece) > WIDTH:
            lines.append(line.rstrip())
            line = ""
        line += piece
    lines.append(line)
    return f"\n{indent}".join(lines) + "]"
