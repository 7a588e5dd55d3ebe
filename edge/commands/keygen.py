# SPDX-License-Identifier: BSD-3-Clause
"""``edge keygen``: a key pair that bundles are signed with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge.commands._signed import passphrase_of
from edge.terminal import options
from edge.terminal.options import PATH, common, needs, print_json

if TYPE_CHECKING:
    from edge.terminal.console import Console


@click.command("keygen", epilog="Example: edge keygen --out lab")
@click.option(
    "--out",
    type=PATH,
    default=Path("edge-key"),
    show_default=True,
    help="OUT.key is private and OUT.pub public; neither is overwritten.",
)
@click.option("--passphrase", is_flag=True, help="Ask for one, or take EDGE_KEY_PASSPHRASE.")
@common
def command(out: Path, passphrase: bool, as_json: bool, verbose: bool) -> None:
    """Make a key pair to sign bundles with: ECDSA on P-256, as PEM."""

    def work(console: Console) -> None:
        with needs("sign"):
            from edge.bundle import keys
        private, public = out.with_name(f"{out.name}.key"), out.with_name(f"{out.name}.pub")
        word = passphrase_of(passphrase, confirm=True)
        fingerprint = keys.generate(private, public, word)
        if as_json:
            made = {"private": str(private), "public": str(public), "fingerprint": fingerprint}
            print_json(console, made)
        else:
            console.print(f"private key, keep it: {private}")
            console.print(f"public key, give it to who shall trust you: {public}")
            console.print(f"fingerprint: {fingerprint}")

    options.run(work, verbose)
