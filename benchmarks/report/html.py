# SPDX-License-Identifier: BSD-3-Clause
"""Write a document as one HTML file that needs no network and no other file."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from benchmarks.report.document import Block, Document


def render(document: Document) -> str:
    """Return the page; it is the same for the same document."""
    environment = Environment(undefined=StrictUndefined, autoescape=True, trim_blocks=False)
    return environment.from_string(_text("report.html")).render(
        document=document,
        style=Markup(_text("report.css").strip()),
        script=Markup(_text("report.js").strip()),
        sections=[
            {
                "value": section,
                "blocks": _named(section.blocks),
                "parts": [{"value": part, "blocks": _named(part.blocks)} for part in section.parts],
            }
            for section in document.sections
        ],
    )


def _named(blocks: Sequence[Block]) -> list[dict[str, Any]]:
    """Blocks with the name of their type, which the template distinguishes them by."""
    return [{"kind": type(block).__name__, "value": block} for block in blocks]


def _text(name: str) -> str:
    return (resources.files("benchmarks.report") / name).read_text(encoding="utf-8")
