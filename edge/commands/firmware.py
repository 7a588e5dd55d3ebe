# SPDX-License-Identifier: BSD-3-Clause
"""Provide ``edge firmware``, which writes a bundle as sources for a device."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge import registry
from edge.terminal.options import PATH, Names, common, needs, print_json, run, uv_per_count

if TYPE_CHECKING:
    from edge.terminal.console import Console


@click.command(
    "firmware", epilog="Example: edge firmware edge-eca-int8 --device nrf52840 --out firmware"
)
@click.argument("bundle", type=PATH)
@click.option("--device", required=True, help="A file of firmware_bridge/devices, e.g. nrf52840.")
@click.option("--out", type=PATH, required=True, help="Folder to write.")
@click.option(
    "--engine",
    default="c",
    show_default=True,
    help=f"What runs the model: {', '.join(registry.names(registry.ENGINES))}.",
)
@click.option(
    "--form",
    type=Names(),
    default=(),
    help="windowed or streaming; without it every form that there is.",
)
@uv_per_count
@click.option(
    "--hop",
    type=click.IntRange(1),
    help="Samples between decisions of the streaming form; the contract's without.",
)
@click.option(
    "--spread",
    is_flag=True,
    help="Streaming: each push does a part of the work, and decisions come up to a hop later.",
)
@click.option(
    "--package",
    default="",
    metavar="KIND",
    help=f"Folder for a build system: {', '.join(registry.names(registry.PACKAGES))}.",
)
@click.option(
    "--package-version",
    default="1.0.0",
    show_default=True,
    help="Version of that package, three numbers.",
)
@click.option("--name", default="edge", show_default=True, help="What C symbols begin with.")
@common
def command(bundle: Path, as_json: bool, verbose: bool, **options: Any) -> None:
    """Write a bundle as sources for a device, with a build, a test and a table of memory."""

    def work(console: Console) -> None:
        with needs("firmware"):
            from edge.firmware import project
        request = project.Request(bundle, **options)
        with console.waiting("generating and compiling"):
            made, table = project.write(request, console)
        if as_json:
            print_json(console, made)
            return
        console.print(table)
        console.print(f"firmware: {options['out']}")

    run(work, verbose)
