# SPDX-License-Identifier: BSD-3-Clause
"""none: no attention; the block is its two convolutions and the pool."""

from __future__ import annotations

from torch import nn

from edge.spec import ModelSpec

HAZARDS = "None: there is no gate to quantize."


def limits(spec: ModelSpec) -> tuple[str, ...]:
    """Reasons why the arguments cannot work; this mode has no arguments."""
    return ()


def deploy(block: nn.Module | None, n_channels: int, n_tokens: int) -> nn.Module:
    """The gate's deploy form: nothing."""
    return nn.Identity()
