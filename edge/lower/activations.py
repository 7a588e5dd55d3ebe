# SPDX-License-Identifier: BSD-3-Clause
"""The activations that can be exported, by the names that braindecode's configurations use.

braindecode writes an activation into ``config.json`` as an import path. Importing whatever a file
names would run that module's code, so a name is looked up here and nowhere else.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from edge.errors import IncompatibleError, invalid_value

CLASSES: Mapping[str, type[nn.Module]] = MappingProxyType(
    {
        kind.__name__: kind
        for kind in (nn.ELU, nn.GELU, nn.LeakyReLU, nn.ReLU, nn.SiLU, nn.Sigmoid, nn.Tanh)
    }
)
"""By the name of the class."""

PREFIXES = ("torch.nn.modules.activation.", "torch.nn.")
"""What may stand before the name of a class: braindecode's spelling, and what people type."""


def find(
    name: object, argument: str = "activation", default: type[Any] = nn.ELU
) -> type[nn.Module]:
    """Return the class that a configuration names.

    >>> find("torch.nn.modules.activation.ELU")
    <class 'torch.nn.modules.activation.ELU'>

    Parameters
    ----------
    name
        What the configuration says.
    argument, default
        The constructor argument and its default, which may be named too.

    Raises
    ------
    IncompatibleError
        For any other name, with those that can be exported.
    """
    text = name if isinstance(name, str) else type(name).__name__
    if text in (default.__name__, f"{default.__module__}.{default.__qualname__}"):
        return default
    for prefix in ("", *PREFIXES):
        if text.startswith(prefix) and (kind := CLASSES.get(text.removeprefix(prefix))):
            return kind
    raise IncompatibleError(
        invalid_value(argument, text[:80], tuple(dict.fromkeys((default.__name__, *CLASSES))))
    )


class Silu(nn.Module):
    """The function ``x * sigmoid(x)``, in the two operations that integer runtimes have."""

    def __init__(self) -> None:
        super().__init__()
        self.sigmoid = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Map any shape to the same shape."""
        return torch.mul(x, self.sigmoid(x))


def deploy_activation(source: nn.Module) -> nn.Module:
    """Return a fresh activation that equals ``source``."""
    return Silu() if isinstance(source, nn.SiLU) else copy.deepcopy(source)
