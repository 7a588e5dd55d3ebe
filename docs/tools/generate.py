# SPDX-License-Identifier: BSD-3-Clause
"""Write every generated part of the documentation; ``make docs`` calls it before it builds.

    python -m docs.tools.generate --firmware FOLDER [--check]

``FOLDER`` is what ``edge firmware`` wrote for the shipped model; the C interface is read there.
``--check`` writes nothing and names what is out of date.
"""

from __future__ import annotations

from pathlib import Path

import click

from docs.tools import c_api, commands, exit_codes, figures, schemas
from docs.tools.pages import DOCS

REFERENCE = DOCS / "reference"
NOTICE = "<!-- docs/tools/generate.py wrote this; type `make docs` instead of editing. -->\n\n"


def generated(firmware: Path) -> dict[Path, str]:
    """Every generated file with its content."""
    pages = {
        "commands.md": commands.page(),
        "exit-codes.md": exit_codes.page(),
        "c.md": c_api.page(firmware),
    }
    pages |= {f"{entry.name}.md": schemas.page(entry) for entry in schemas.published()}
    written = {REFERENCE / name: NOTICE + text for name, text in pages.items()}
    for entry in schemas.published():
        written[REFERENCE / "schemas" / f"{entry.name}.schema.json"] = schemas.text(entry)
    return written | figures.every()


def stale(firmware: Path) -> list[Path]:
    """Generated files that are not what the code says now."""
    return [
        path
        for path, text in generated(firmware).items()
        if not path.exists() or path.read_text() != text
    ]


@click.command()
@click.option(
    "--firmware", type=click.Path(path_type=Path, exists=True), required=True, help="A project."
)
@click.option("--check", is_flag=True, help="Name what is out of date, and write nothing.")
def main(firmware: Path, check: bool) -> None:
    """Write every generated part of the documentation."""
    old = stale(firmware)
    if check and old:
        raise click.ClickException(f"Out of date: {', '.join(map(str, old))}. Type: make docs")
    for path, text in generated(firmware).items():
        if path in old:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            click.echo(f"wrote {path.relative_to(DOCS.parent)}")


if __name__ == "__main__":
    main()
