# SPDX-License-Identifier: BSD-3-Clause
"""Define what a network family is, and find the family of a name, a module or a configuration.

A family is one file in ``edge/families``, or a folder with a ``family.py``, whose ``FAMILY`` is a
:class:`Family`. Other packages add families by entry points in the group ``edge.families``. A
family may have variants, which are files of their own (:data:`edge.registry.VARIANTS`); all other
families have one network, called as the file is.
"""

from __future__ import annotations

import importlib
import inspect
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from edge import registry
from edge.errors import listing
from edge.lower.chain import HEAD, Chain
from edge.spec import ModelSpec
from quantize.graph.qgraph import LOGITS

TrainingForm = Callable[[Tensor, Tensor], Tensor]
"""A module's forward pass in training: windows (batch, n_chans, n_times) and their indices in the
training set (batch,), to logits (batch, n_outputs)."""


NO_VARIANT = "none"
"""A variant of this name is what a class calls None."""


def _no_limits(_: ModelSpec) -> tuple[str, ...]:
    return ()


def _no_lengths(_: Any) -> Mapping[str, int]:
    return {}


@dataclass(frozen=True)
class Family:
    """A class of networks, and how one of them is lowered.

    Attributes
    ----------
    path
        The class that it serves, e.g. ``braindecode.models.EEGNet``.
    marks
        Constructor arguments that no other family's class has all of; a configuration, which does
        not name its class, is known by them.
    heads
        Names that the last linear layer may have; its input are the features.
    lower
        Returns the deploy network of a module; the module is not changed.
    variant
        The constructor argument that names the variant; empty where a family has one network.
    extended
        Returns the class that is built in the place of ``path``, a subclass with more methods.
    limits
        Says why arguments cannot work; empty if they can.
    lengths
        The lengths of filters and pools as they were built, by argument, where the class changes
        them for short windows.
    training_form
        Makes of a module and all training windows (n, n_chans, n_times) an equal forward pass that
        is faster in training; None where the module's own is taken.
    reals
        Arguments that may be any number although their default is a whole one.
    """

    path: str
    marks: tuple[str, ...]
    heads: tuple[str, ...]
    lower: Callable[[Any, ModelSpec], Chain]
    variant: str = ""
    extended: Callable[[], type[Any]] | None = None
    limits: Callable[[ModelSpec], tuple[str, ...]] = _no_limits
    lengths: Callable[[Any], Mapping[str, int]] = _no_lengths
    training_form: Callable[[Any, Tensor], TrainingForm] | None = None
    reals: tuple[str, ...] = ()

    def variant_arguments(self, name: str) -> Mapping[str, str | None]:
        """Return the constructor argument that makes a variant; the one called none is None."""
        return {self.variant: None if name == NO_VARIANT else name} if self.variant else {}

    def variant_in(self, config: Mapping[str, Any]) -> str:
        """Return the variant that a configuration is of, "" where the family has none."""
        return (config.get(self.variant) or NO_VARIANT) if self.variant else ""

    @property
    def title(self) -> str:
        """The name of the class."""
        return self.path.rpartition(".")[2]

    @property
    def served(self) -> Any:
        """The class that the family serves."""
        return import_class(self.path)

    @property
    def built(self) -> Any:
        """The class that is built."""
        return self.served if self.extended is None else self.extended()

    @property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        """The arguments of the class's constructor that have a name."""
        every = inspect.signature(self.served).parameters
        return {n: p for n, p in every.items() if p.kind is not inspect.Parameter.VAR_KEYWORD}

    def head_name(self, module: Any) -> str:
        """Return the name of a module's last linear layer."""
        layers = dict(module.named_modules())
        return next(name for name in self.heads if name in layers)

    def head(self, module: Any) -> Any:
        """Return a module's last linear layer."""
        return module.get_submodule(self.head_name(module))

    def values(self, module: Any) -> Mapping[str, Callable[[Tensor], Tensor]]:
        """Return :func:`values` of a module of this family."""
        return values(self.head_name(module), module)


@cache
def import_class(path: str) -> Any:
    """Import a class by its path."""
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


def import_module(path: str) -> Any:
    """Import a module, and keep to ourselves what braindecode warns of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(path)


def every() -> Mapping[str, Family]:
    """Return all families by name."""
    return {name: module.FAMILY for name, module in registry.every(registry.FAMILIES).items()}


def of(spec: ModelSpec) -> Family:
    """Return the family of a network.

    Raises
    ------
    UsageError
        For a name that does not exist.
    """
    registry.refuse_unknown_network(spec.mode, "--mode")
    name, _ = registry.family_of(spec.mode)
    family = registry.load(registry.FAMILIES, name, "--mode").FAMILY
    assert isinstance(family, Family)
    return family


def serving(module: Any) -> Family | None:
    """Return the family of a module's class or of one that it derives from; None without one."""
    kinds = {family.served: family for family in every().values()}
    return next((kinds[kind] for kind in type(module).__mro__ if kind in kinds), None)


def described(config: Mapping[str, Any]) -> tuple[str, Family] | None:
    """Return the family that a configuration's arguments belong to, with its name."""
    for name, family in every().items():
        if all(mark in config for mark in family.marks):
            return name, family
    return None


def default() -> tuple[str, Family]:
    """Return the family of the network that is meant where nothing says which, with its name."""
    name, _ = registry.family_of(registry.DEFAULT_NETWORK)
    return name, every()[name]


def refuse_dense_predictions(spec: ModelSpec) -> tuple[str, ...]:
    """Say why a head cannot work that decides for several parts of a window."""
    length = spec.arguments.get("final_conv_length", "auto")
    if length == "auto":
        return ()
    why = "otherwise logits are given for parts of a window, and no decision"
    return (f"final_conv_length must be auto, got {length!r}: {why}.",)


def titles() -> str:
    """Return the classes that there are families for, as one phrase."""
    return listing(sorted(family.title for family in every().values()))


def lower(module: Any, spec: ModelSpec) -> Chain:
    """Rewrite a module as an equal network for deployment; the module is not changed."""
    return of(spec).lower(module, spec)


def features(head: str, module: nn.Module, x: Tensor) -> Tensor:
    """Return what the layer called ``head`` reads, flattened, (batch, n_values)."""
    read: list[Tensor] = []
    hook = module.get_submodule(head).register_forward_pre_hook(
        lambda _, inputs: read.append(torch.flatten(inputs[0], 1))
    )
    try:
        module(x)
    finally:
        hook.remove()
    return read[0]


def values(head: str, module: Any) -> Mapping[str, Callable[[Tensor], Tensor]]:
    """Return what :data:`quantize.graph.outputs.VALUES` are in a module, as functions of windows.

    Parameters
    ----------
    head
        Name of its last linear layer.
    """
    return MappingProxyType({LOGITS: module, "features": partial(features, head, module)})


def lowered_values(net: nn.Module) -> Mapping[str, Callable[[Tensor], Tensor]]:
    """Return :func:`values` of a lowered network."""
    return values(HEAD, net)
