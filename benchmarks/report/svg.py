# SPDX-License-Identifier: BSD-3-Clause
"""Make matplotlib's figures into SVG that lives in a page, in its colours and font, light and dark.

Figures are drawn in the colours of :data:`PALETTE`. Each is replaced by a variable of the page's
style sheet, with the light colour behind it for readers that know no variables.
"""

from __future__ import annotations

import html
import io
import re
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure as Canvas

from benchmarks.report.document import Figure

INK, MUTED, LINE, PAPER = "#16191d", "#5c6570", "#d9dee3", "#fefefe"
BLUE, ORANGE, GREEN, RED, PURPLE, GREY = (
    "#0b62a8", "#c2570c", "#157f5b", "#b3261e", "#7a4fa3", "#8a94a0",
)  # fmt: skip
SOFT_BLUE, SOFT_ORANGE, SOFT_GREEN, SOFT_PURPLE = "#b9d6ee", "#f6d3b5", "#bfe3d3", "#ddcdec"
PALETTE = {
    INK: "ink", MUTED: "muted", LINE: "line", PAPER: "paper",
    BLUE: "blue", ORANGE: "orange", GREEN: "green", RED: "red", PURPLE: "purple", GREY: "grey",
    SOFT_BLUE: "soft-blue", SOFT_ORANGE: "soft-orange", SOFT_GREEN: "soft-green",
    SOFT_PURPLE: "soft-purple",
}  # fmt: skip

STYLE: dict[str, Any] = {
    "svg.fonttype": "none",  # text stays text: small, searchable, in the page's font
    "svg.hashsalt": "edge",
    "text.parse_math": False,  # a name with two dollars is no formula
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": INK,
    "ytick.left": False,
    "xtick.major.size": 3,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "path.simplify": True,
    "path.simplify_threshold": 0.3,
}

INCH_PX = 96


def canvas(width: float, height: float) -> Canvas:
    """Return an empty figure, its size in inches."""
    return Canvas(figsize=(width, height), layout="constrained")


def styled() -> Any:
    """Return the context in which figures are drawn and saved."""
    return rc_context(STYLE)  # type: ignore[arg-type]  # names are checked when it is used


def finish(drawn: Canvas, name: str, title: str, alternative: str) -> Figure:
    """Return a drawn figure as part of a page.

    Parameters
    ----------
    name
        Unique in the page: it precedes every id of the SVG.
    alternative
        What the figure shows, in words.
    """
    stream = io.StringIO()
    with styled():
        drawn.savefig(
            stream, format="svg", metadata={"Date": None, "Creator": None, "Format": None}
        )
    return Figure(name, title, alternative, _inline(stream.getvalue(), name, title, alternative))


def _inline(text: str, name: str, title: str, alternative: str) -> str:
    """SVG without its prologue, with a role and words, ids that are unique in the page."""
    body = text[text.index("<svg") :]
    body = re.sub(r"\s*<metadata>.*?</metadata>", "", body, flags=re.S)
    body = re.sub(r'(\bid=")', rf"\1{name}-", body)
    body = re.sub(r"(url\(#|xlink:href=\"#)", rf"\1{name}-", body)
    body = re.sub(r"font: ([\d.]+px) [^;\"]+", r"font: \1 var(--font, sans-serif)", body)
    body = re.sub(r"font-family: [^;\"]+", "font-family: var(--font, sans-serif)", body)
    for colour, variable in PALETTE.items():
        body = body.replace(colour, f"var(--{variable}, {colour})")
    body = re.sub(r"(\d+\.\d{2})\d+", r"\1", body)
    width = re.search(r'width="([\d.]+)pt"', body)
    assert width is not None
    pixels = float(width.group(1)) / 72 * INCH_PX
    described = f"{name}-title {name}-desc"
    opening = (
        f'<svg role="img" aria-labelledby="{described}" style="width: {pixels:.0f}px" '
        f'viewBox="{_attribute(body, "viewBox")}" xmlns="http://www.w3.org/2000/svg" '
        f'xmlns:xlink="http://www.w3.org/1999/xlink">\n'
        f'<title id="{name}-title">{html.escape(title)}</title>\n'
        f'<desc id="{name}-desc">{html.escape(alternative)}</desc>'
    )
    body = re.sub(r"<svg\b[^>]*>", lambda _: opening, body, count=1, flags=re.S)
    return "\n".join(line.strip() for line in body.splitlines() if line.strip()) + "\n"


def _attribute(body: str, name: str) -> str:
    found = re.search(rf'{name}="([^"]+)"', body)
    assert found is not None
    return found.group(1)
