# SPDX-License-Identifier: BSD-3-Clause
"""``edge sign``: sign every file of a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge.commands._signed import passphrase_of
from edge.terminal import options
from edge.terminal.options import PATH, common, needs, print_json

if TYPE_CHECKING:
    from edge.terminal.console import Console


@click.command("sign", epilog="Example: edge sign edge-eca-int8 --key lab.key --version 1")
@click.argument("bundle", type=PATH)
@click.option("--key", type=PATH, required=True, help="Private key of edge keygen.")
@click.option("--name", help="What the model is called; the bundle's folder without it.")
@click.option(
    "--version",
    type=click.IntRange(1),
    help="One more than the highest seen here without it; older ones are refused later.",
)
@click.option("--passphrase", is_flag=True, help="Ask for the key's, or take EDGE_KEY_PASSPHRASE.")
@common
def command(bundle: Path, as_json: bool, verbose: bool, **asked: Any) -> None:
    """Sign a bundle's files in OpenSSF's format: model.sig beside them."""

    def work(console: Console) -> None:
        with needs("sign"):
            from edge.bundle import keys, read, signature, trust
        opened = read.read(bundle)
        private = keys.read_private(asked["key"], passphrase_of(asked["passphrase"]))
        fingerprint = keys.fingerprint(private.public_key())
        model = asked["name"] or opened.folder.resolve().name
        number = asked["version"] or trust.highest(fingerprint, model) + 1
        made = signature.sign(opened.folder, private, model, number)
        trust.note_version(fingerprint, model, number)
        if as_json:
            signed = {"model": model, "version": number, "files": len(made.files)}
            print_json(console, {**signed, "fingerprint": fingerprint})
        else:
            console.print(f"{model} version {number}: {len(made.files)} files signed")
            console.print(f"key: {fingerprint}")

    options.run(work, verbose)
