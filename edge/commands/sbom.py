# SPDX-License-Identifier: BSD-3-Clause
"""Provide ``edge sbom``, which writes what a bundle consists of for those who have to know."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge.errors import UsageError
from edge.terminal import options
from edge.terminal.options import PATH, common, print_json

if TYPE_CHECKING:
    from edge.terminal.console import Console


@click.command("sbom", epilog="Example: edge sbom edge-eca-int8 --out edge-eca-int8.cdx.json")
@click.argument("bundle", type=PATH)
@click.option("--out", type=PATH, help="A file outside of the bundle; stdout without.")
@common
def command(bundle: Path, out: Path | None, as_json: bool, verbose: bool) -> None:
    """Write a bundle's bill of materials and model card: CycloneDX 1.6."""

    def work(console: Console) -> None:
        from edge.bundle import read, sbom
        from quantize import plain

        made = sbom.document(read.read(bundle))
        if out is None:
            print_json(console, made)
            return
        if out.absolute().resolve().is_relative_to(bundle.absolute().resolve()):
            raise UsageError(
                f"--out {str(out)!r} lies in the bundle, which holds nothing else than was "
                f"exported. Type a file beside it: --out {bundle.name}.cdx.json"
            )
        try:
            out.write_text(plain.to_json(made), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"Cannot write --out {str(out)!r}: {error.strerror}.") from None
        if as_json:
            print_json(console, {"file": str(out), "serial_number": made["serialNumber"]})
        else:
            console.print(f"{len(made['components'])} parts: {out}")

    options.run(work, verbose)
