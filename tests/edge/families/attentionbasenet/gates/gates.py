# SPDX-License-Identifier: BSD-3-Clause
"""Holds a mode's deploy form to braindecode's module, alone and in a whole network."""

from __future__ import annotations

from typing import Any

import torch

from edge import registry
from edge.families.base import lower
from edge.spec import ModelSpec
from tests.networks import SMALL, randomized, windows


def attention(name: str, *arguments: Any, **named: Any) -> Any:
    """One of braindecode's attention modules in float64, every parameter and statistic random."""
    from braindecode.modules import attention as modules

    torch.manual_seed(3)
    module = getattr(modules, name)(*arguments, **named).double()
    for parameter in module.parameters():
        if parameter.requires_grad:
            parameter.data = torch.randn_like(parameter)
    for layer in module.modules():
        if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
            layer.running_mean = torch.randn_like(layer.running_mean)
            layer.running_var = torch.rand_like(layer.running_var) + 0.5
    return module.eval()


def held_to_braindecode(mode: str, theirs: Any, n_channels: int = 8, n_tokens: int = 31) -> None:
    """The gate alone: the same values in float64, for loud and for quiet tokens."""
    ours = registry.load(registry.MODES, mode, "--mode").deploy(theirs, n_channels, n_tokens)
    torch.manual_seed(4)
    for loudness in (0.1, 1.0, 10.0):
        x = loudness * torch.randn(5, n_channels, 1, n_tokens, dtype=torch.float64)
        with torch.no_grad():
            expected = theirs(x)
            torch.testing.assert_close(ours.double()(x), expected, rtol=1e-9, atol=1e-9)
        assert bool((expected - x).abs().max() > 1e-3), "the gate does something"


def held_in_network(mode: str, arguments: dict[str, Any] | None = None) -> None:
    """A whole network with these arguments: 1e-9 relative in float64."""
    spec = ModelSpec(mode, 3, 300, 3, {**SMALL, **(arguments or {})})
    module = randomized(spec, 5, torch.float64)
    x = torch.from_numpy(windows(spec, 4)).double()
    with torch.no_grad():
        expected, got = module(x), lower(module, spec)(x[:, :, None])
    assert float((expected - got).abs().max() / expected.abs().max()) < 1e-9


def limits(mode: str, **arguments: Any) -> tuple[str, ...]:
    """What the mode has against these arguments."""
    found: tuple[str, ...] = registry.load(registry.MODES, mode, "--mode").limits(
        ModelSpec(mode, 4, 400, 2, arguments)
    )
    return found
