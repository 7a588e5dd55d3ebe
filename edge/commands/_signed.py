# SPDX-License-Identifier: BSD-3-Clause
"""Options of commands that sign bundles, or run signed ones."""

from __future__ import annotations

import os

import click


def _allow(context: click.Context, _: click.Parameter, value: bool) -> None:
    """Remember the choice for this command; see :data:`edge.bundle.trust.ALLOW_OLDER`."""
    if value:
        from edge.bundle import trust

        token = trust.ALLOW_OLDER.set(True)
        context.call_on_close(lambda: trust.ALLOW_OLDER.reset(token))


allow_older = click.option(
    "--allow-older",
    is_flag=True,
    expose_value=False,
    callback=_allow,
    help="Take a signed bundle that is older than one seen before.",
)
"""For commands that run what is in a bundle."""


def passphrase_of(asked: bool, confirm: bool = False) -> bytes | None:
    """A key's passphrase: of ``EDGE_KEY_PASSPHRASE``, else typed where it is asked for."""
    if word := os.environ.get("EDGE_KEY_PASSPHRASE"):
        return word.encode()
    if not asked:
        return None
    typed: str = click.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm, err=True)
    return typed.encode()
