# SPDX-License-Identifier: BSD-3-Clause
"""Provide ``edge verify``, which checks that a bundle still computes what it did."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge.commands._signed import allow_older
from edge.terminal import options
from edge.terminal.options import PATH, common, needs, print_json

if TYPE_CHECKING:
    from edge.terminal.console import Console


@click.command("verify", epilog="Example: edge verify edge-eca-int8")
@click.argument("bundle", type=PATH)
@click.option("--pub", type=PATH, help="Public key that must have signed the bundle.")
@allow_older
@common
def command(bundle: Path, pub: Path | None, as_json: bool, verbose: bool) -> None:
    """Check a bundle's hashes, and run every artifact on its golden vectors."""

    def work(console: Console) -> None:
        with needs():
            from edge.bundle import run, trust
        if pub is not None:
            signed = trust.require(bundle, pub)
            console.note(
                f"note: {signed.model} version {signed.version}, signed by {signed.fingerprint}."
            )
        with console.waiting("running every artifact"):
            checks = run.verify(bundle, console.note)
        if as_json:
            print_json(console, {"checks": [dataclasses.asdict(check) for check in checks]})
        else:
            from edge.terminal import tables

            console.print(tables.verify_table(checks))
        run.refuse(checks)

    options.run(work, verbose)
