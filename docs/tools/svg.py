# SPDX-License-Identifier: BSD-3-Clause
"""Write small SVG drawings of boxes and arrows that are right on light, on dark and on paper."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328; }
.small { font-size: 11.5px; fill: #59636e; }
.bold { font-weight: 600; }
.mono { font-family: ui-monospace, Menlo, Consolas, monospace; font-size: 12px; }
rect { fill: #f6f8fa; stroke: #8c959f; }
.band { fill: none; stroke: #d1d9e0; stroke-dasharray: 4 3; }
.key { fill: #ddf4ff; stroke: #0969da; }
path { fill: none; stroke: #8c959f; stroke-width: 1.3; }
.tip { fill: #8c959f; stroke: none; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; }
.small { fill: #9198a1; }
rect { fill: #151b23; stroke: #656c76; }
.band { stroke: #3d444d; }
.key { fill: #0c2d6b; stroke: #4493f8; }
path { stroke: #656c76; }
.tip { fill: #656c76; }
}"""


@dataclass(frozen=True)
class Box:
    """A rectangle with lines of text, its place in pixels.

    Attributes
    ----------
    lines
        The first is printed bold, the others small.
    style
        ``""``, ``"key"`` for what a reader should see first.
    """

    x: float
    y: float
    width: float
    height: float
    lines: tuple[str, ...]
    style: str = ""

    @property
    def middle(self) -> float:
        """Horizontal centre."""
        return self.x + self.width / 2

    def drawn(self) -> str:
        """As SVG."""
        kind = f' class="{self.style}"' if self.style else ""
        place = f'x="{self.x:g}" y="{self.y:g}" width="{self.width:g}" height="{self.height:g}"'
        parts = [f'<rect{kind} {place} rx="5"/>']
        top = self.y + self.height / 2 - 8 * (len(self.lines) - 1) + 4.5
        for number, line in enumerate(self.lines):
            parts.append(
                text(self.middle, top + 16 * number, line, "bold" if number == 0 else "small")
            )
        return "\n".join(parts)


def text(x: float, y: float, words: str, style: str, anchor: str = "middle") -> str:
    """A line of text."""
    return (
        f'<text class="{style}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(words)}</text>'
    )


def across(start: Box, end: Box) -> str:
    """An arrow from the right side of a box to the left side of another."""
    x1, y1 = start.x + start.width, start.y + start.height / 2
    x2, y2 = end.x, end.y + end.height / 2
    bend = (x2 - x1) / 2
    line = f"M{x1:g} {y1:g} C{x1 + bend:g} {y1:g} {x2 - bend:g} {y2:g} {x2 - 5:g} {y2:g}"
    tip = f"{x2 - 7:g},{y2 - 4:g} {x2:g},{y2:g} {x2 - 7:g},{y2 + 4:g}"
    return f'<path d="{line}"/>\n<polygon class="tip" points="{tip}"/>'


def down(start: Box, end: Box) -> str:
    """An arrow from the bottom of a box to the top of another that lies below."""
    x1, y1, x2, y2 = start.middle, start.y + start.height, end.middle, end.y
    bend = (y2 - y1) / 2
    line = f"M{x1:g} {y1:g} C{x1:g} {y1 + bend:g} {x2:g} {y2 - bend:g} {x2:g} {y2 - 5:g}"
    tip = f"{x2 - 4:g},{y2 - 7:g} {x2:g},{y2:g} {x2 + 4:g},{y2 - 7:g}"
    return f'<path d="{line}"/>\n<polygon class="tip" points="{tip}"/>'


def drawing(width: float, height: float, title: str, parts: Iterable[str]) -> str:
    """A whole SVG file."""
    size = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}"'
    body: Sequence[str] = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}\n</style>",
        *parts,
        "</svg>",
    ]
    return "\n".join(body) + "\n"
