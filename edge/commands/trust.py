# SPDX-License-Identifier: BSD-3-Clause
"""``edge trust``: whose bundles run in edge's own process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge.terminal import options
from edge.terminal.options import PATH, common, needs, print_json

if TYPE_CHECKING:
    from edge.terminal.console import Console


@click.group("trust", epilog="Example: edge trust add lab.pub")
def command() -> None:
    """Keep the public keys of those whose bundles you trust."""


@command.command("add", epilog="Example: edge trust add lab.pub")
@click.argument("key", type=PATH)
@common
def add(key: Path, as_json: bool, verbose: bool) -> None:
    """Trust who has the private half of a public key."""

    def work(console: Console) -> None:
        with needs("sign"):
            from edge.bundle import trust
        fingerprint = trust.add(key)
        if as_json:
            print_json(console, {"fingerprint": fingerprint})
        else:
            console.print(f"trusted: {fingerprint}")

    options.run(work, verbose)


@command.command("remove", epilog="Example: edge trust remove 3f2a91c0")
@click.argument("fingerprint")
@common
def remove(fingerprint: str, as_json: bool, verbose: bool) -> None:
    """Trust a key no longer, by the beginning of its fingerprint."""

    def work(console: Console) -> None:
        with needs("sign"):
            from edge.bundle import trust
        removed = trust.remove(fingerprint)
        if as_json:
            print_json(console, {"fingerprint": removed})
        else:
            console.print(f"no longer trusted: {removed}")

    options.run(work, verbose)


@command.command("list", epilog="Example: edge trust list")
@common
def list_keys(as_json: bool, verbose: bool) -> None:
    """Show the keys that are trusted, and the highest version seen of each model."""

    def work(console: Console) -> None:
        with needs("sign"):
            from edge.bundle import trust
        found = trust.trusted()
        if as_json:
            print_json(console, {"keys": {key.fingerprint: dict(key.seen) for key in found}})
            return
        for key in found:
            models = ", ".join(f"{name} {version}" for name, version in sorted(key.seen.items()))
            console.print(f"{key.fingerprint}  {models or 'nothing seen yet'}")
        if not found:
            console.print("no key is trusted; type 'edge trust add KEY.pub'")

    options.run(work, verbose)
