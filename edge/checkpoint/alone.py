# SPDX-License-Identifier: BSD-3-Clause
"""Refuse data without a checkpoint, which a command does before it imports anything heavy."""

from __future__ import annotations

from typing import NoReturn

from edge.errors import UsageError


def refuse(data: str, mode: str) -> NoReturn:
    """Say that an export does not train, and what does.

    Raises
    ------
    UsageError
        Always.
    """
    raise UsageError(
        f"'edge export' does not train, and --data {data!r} comes without a "
        f"--checkpoint. Type: edge train --mode {mode} --data {data} --out model && "
        f"edge export --mode {mode} --checkpoint model"
    )
