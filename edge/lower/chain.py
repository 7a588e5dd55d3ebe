# SPDX-License-Identifier: BSD-3-Clause
"""The form that every lowered network has: parts that run one after the other."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

HEAD = "head"
"""The last part: the convolution over all remaining tokens that gives the logits."""


class Chain(nn.Module):
    """A lowered network: (batch, n_chans, 1, n_times) -> logits (batch, n_outputs).

    The names of its parts are the names of tensors in every artifact and report.

    Parameters
    ----------
    parts
        Parts by name in the order in which they run; the last is :data:`HEAD`.
    gates
        Parts that multiply what flows past them: they may be asked to stay in float, and their
        biases are not corrected.
    """

    def __init__(self, parts: Mapping[str, nn.Module], gates: tuple[str, ...] = ()) -> None:
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)
        self.gates = gates

    def forward(self, x: Tensor) -> Tensor:
        """Compute logits of windows (batch, n_chans, 1, n_times)."""
        for part in self.children():
            x = part(x)
        return torch.flatten(x, 1)


def finished(net: Chain, like: Tensor) -> Chain:
    """Return the network in evaluation mode, without gradients, in the precision of ``like``."""
    return net.to(like.dtype).eval().requires_grad_(False)
