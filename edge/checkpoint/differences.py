# SPDX-License-Identifier: BSD-3-Clause
"""Name what sets a module apart from the network that its configuration describes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from torch import nn
from torch.nn.modules import module as torch_module
from torch.nn.utils import parametrize

from edge.errors import IncompatibleError
from edge.families import base as families

HOOKS = {"_forward_pre_hooks": "forward pre-hook", "_forward_hooks": "forward hook"}
SILENT = (nn.Dropout, nn.Identity)
"""Layers that do nothing once training is over."""


def refuse_own_code(chain: tuple[Any, ...]) -> None:
    """Raise if code that no bundle has runs in a model's forward pass.

    Parameters
    ----------
    chain
        What was given, what it wraps, and so on; the network last.

    Raises
    ------
    IncompatibleError
        Naming the first piece of code.
    """
    codes = [*_global_hooks(), *(code for one in chain for code in _own_code(one))]
    if codes:
        more = f" (and {len(codes) - 1} more)" if len(codes) > 1 else ""
        raise IncompatibleError(
            f"The model has {codes[0]}{more}, which would not be exported. Export the model "
            f"without it, and do with the windows beforehand what it does."
        )


def _global_hooks() -> Iterator[str]:
    for name, words in HOOKS.items():
        for hook in getattr(torch_module, f"_global{name}").values():
            yield f"a {words} for every module, {_called(hook)}"


def _own_code(given: Any) -> Iterator[str]:
    if not isinstance(given, nn.Module):
        return
    family = families.serving(given)
    if family is None:  # a wrapper; what it wraps comes next in the chain
        yield from _hooks(given, "")
        return
    kind = type(given)
    if kind.forward not in (family.served.forward, family.built.forward):
        yield f"a forward of its own, {kind.__module__}.{kind.__qualname__}.forward"
    if kind.__call__ is not nn.Module.__call__:
        yield f"a __call__ of its own, {kind.__module__}.{kind.__qualname__}.__call__"
    for name, module in given.named_modules():
        where = f" on {name}" if name else ""
        yield from _hooks(module, where)
        if "forward" in vars(module):
            yield f"a forward put on the instance{where}"


def _hooks(module: nn.Module, where: str) -> Iterator[str]:
    for attribute, words in HOOKS.items():
        for hook in getattr(module, attribute).values():
            yield f"a {words}{where}, {_called(hook)}"


def _called(hook: Any) -> str:
    """The name of a function, or of the class of what is called."""
    return str(getattr(hook, "__qualname__", type(hook).__qualname__))


def refuse_other_parts(given: nn.Module, described: nn.Module) -> None:
    """Raise if a module has other layers than its configuration describes.

    Parameters
    ----------
    given
        The network; a weight that is computed from others counts as a weight.
    described
        The network that was built from its configuration.

    Raises
    ------
    IncompatibleError
        Naming the first layer that differs, as it is and as it was described.
    """
    theirs, ours = (
        {name: part for name, part in one.named_modules() if ".parametrizations" not in name}
        for one in (given, described)
    )
    problems = [
        f"{name} is {_words(theirs.get(name))}, expected {_words(ours.get(name))}"
        for name in {**ours, **theirs}
        if name and not _alike(theirs.get(name), ours.get(name))
    ]
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        family = families.serving(described)
        assert family is not None
        raise IncompatibleError(
            f"The model is not the {family.title} that its get_config() describes: "
            f"{problems[0]}{more}. Build it by {family.title}'s own arguments, e.g. "
            f"activation=torch.nn.ReLU, load its weights into that and export it."
        )


def _alike(one: nn.Module | None, other: nn.Module | None) -> bool:
    if type(one) in SILENT and type(other) in SILENT:
        return True
    return _class(one) is _class(other) and _settings(one) == _settings(other)


def _class(module: nn.Module | None) -> type:
    """The class of a module, without what PyTorch derives from it for parametrizations."""
    computed = module is not None and parametrize.is_parametrized(module)
    return type(module).__mro__[1 if computed else 0]


def _settings(module: nn.Module | None) -> str:
    """A layer's settings as PyTorch prints them, without batch norm's momentum of training."""
    return "" if module is None else re.sub(r"momentum=[^,]*, ", "", module.extra_repr())


def _words(module: nn.Module | None) -> str:
    if module is None:
        return "absent"
    return f"{_class(module).__name__}({_settings(module)})"
