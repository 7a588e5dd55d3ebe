# SPDX-License-Identifier: BSD-3-Clause
"""Write a report of bundles into one file, which appears whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import build, html, markdown, sources, tidy
from benchmarks.report.document import Document, absences
from benchmarks.report.sources import Source
from edge.errors import UsageError, listing
from edge.terminal.console import Console

FORMATS: Mapping[str, Callable[[Sequence[Source], Document], str]] = {
    "html": lambda _, document: html.render(document),
    "md": lambda _, document: markdown.render(document),
    "csv": lambda found, _: tidy.to_csv(tidy.rows(found)),
}


@dataclass(frozen=True)
class Written:
    """What was written; ``absent`` names what the report could not show."""

    file: str
    format: str
    bytes: int
    absent: tuple[str, ...]


def write(bundles: Sequence[Path], out: Path, chosen: str | None, console: Console) -> Written:
    """Write the report of some bundles.

    Parameters
    ----------
    chosen
        A key of :data:`FORMATS`; by the suffix of ``out`` where None.

    Raises
    ------
    UsageError
        When the format is not known, the file cannot be written, or something is not a bundle.
    IncompatibleError
        When a bundle is not what its manifest says.
    """
    kind = _format(out, chosen)
    refuse_file(out)
    found = sources.read(bundles)
    with console.waiting("drawing"):
        document = build.build(found)
        text = FORMATS[kind](found, document)
    data = text.encode("utf-8", "replace")  # half a surrogate pair is in no encoding
    replace_file(out, data)
    absent = [f"{a}: {a.why}" for s in document.sections for a in absences(s.blocks)]
    return Written(str(out), kind, len(data), tuple(absent))


def _format(out: Path, chosen: str | None) -> str:
    kind = out.suffix.lower().removeprefix(".") if chosen is None else chosen
    if kind not in FORMATS:
        raise UsageError(
            f"--output {str(out)!r} has none of the suffixes "
            f"{listing(f'.{name}' for name in FORMATS)}. Name such a file, or add --format."
        )
    return kind


def refuse_file(out: Path) -> None:
    """Raise unless ``out`` may become a file."""
    if out.is_dir() or not out.absolute().parent.is_dir():
        raise UsageError(
            f"--output {str(out)!r} cannot be written. Name a file in a folder that exists."
        )


def replace_file(out: Path, data: bytes) -> None:
    """Write a file beside its destination, and rename it."""
    temporary = out.with_name(f".{out.name}.part")
    try:
        temporary.write_bytes(data)
        temporary.replace(out)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UsageError(f"Cannot write --output {str(out)!r}: {error.strerror}.") from None
