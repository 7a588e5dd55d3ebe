# SPDX-License-Identifier: BSD-3-Clause
"""Lower the mode ``none``: no attention; the block is its two convolutions and the pool."""

from __future__ import annotations

from torch import nn

from edge.spec import ModelSpec

HAZARDS = "None: there is no gate to quantize."


def limits(spec: ModelSpec) -> tuple[str, ...]:
    """Return no reason why arguments cannot work, since this mode has none."""
    return ()


def deploy(block: nn.Module | None, n_channels: int, n_tokens: int) -> nn.Module:
    """Return the gate's deploy form, which does nothing."""
    return nn.Identity()
