# SPDX-License-Identifier: BSD-3-Clause
"""Find networks, targets, runtimes, sources, engines and commands by name: a name is a file.

Adding ``se.py`` to the folder of modes adds the mode ``se``; there is no list to keep. A dash in a
name is an underscore in the name of its file. A name may also be a folder; then the file in it that
is called like the kind is loaded (``edge/targets/tflite/target.py``). Files whose name starts with
an underscore are helpers. Listing does not import anything, so that ``edge --help`` stays light.

Other packages add names by entry points (:mod:`quantize.plugins`) in the group of the kind. Where a
name exists twice, ours wins.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType, ModuleType

from edge.errors import MissingToolError, UsageError, invalid_value
from quantize import plugins


@dataclass(frozen=True)
class Kind:
    """A kind of thing that is found by name, such as targets.

    Attributes
    ----------
    noun
        What one of them is called in messages, e.g. ``"target"``.
    package
        The package whose modules they are.
    group
        The entry-point group in which other packages offer more of them.
    besides
        Modules of ``package`` that are none of them.
    """

    noun: str
    package: str
    group: str
    besides: frozenset[str] = frozenset()


COMMANDS = Kind("command", "edge.commands", "edge.commands")
MODES = Kind("mode", "edge.families.attentionbasenet.gates", "edge.modes")
FAMILIES = Kind("family", "edge.families", "edge.families", frozenset({"base"}))
TARGETS = Kind("target", "edge.targets", "edge.targets", frozenset({"base", "runtime", "runtimes"}))
RUNTIMES = Kind("runtime", "edge.targets.runtimes", "edge.runtimes")
SOURCES = Kind("source", "edge.stream.sources", "edge.sources")
FORMATS = Kind("format", "edge.data.formats", "edge.formats")
ENGINES = Kind("engine", "edge.firmware.engines", "edge.engines")
PACKAGES = Kind("package", "edge.firmware.packages", "edge.packages", frozenset({"base"}))

KINDS = (COMMANDS, MODES, FAMILIES, TARGETS, RUNTIMES, SOURCES, FORMATS, ENGINES, PACKAGES)
"""Kinds of this package; :mod:`benchmarks.devices` has another one."""

VARIANTS: Mapping[str, Kind] = MappingProxyType({MODES.package.split(".")[2]: MODES})
"""The families that have variants, and what these are."""

DEFAULT_NETWORK = "eca"
"""The network that is meant where nothing says which."""


@functools.cache
def _modules(kind: Kind) -> dict[str, str]:
    """Our own modules by the name that each stands for."""
    path = importlib.import_module(kind.package).__path__
    return {
        module.name.replace("_", "-"): f"{kind.package}.{module.name}"
        + (f".{kind.noun}" if module.ispkg else "")
        for module in pkgutil.iter_modules(path)
        if not module.name.startswith("_") and module.name not in kind.besides
    }


def names(kind: Kind) -> tuple[str, ...]:
    """Return all names of a kind, sorted, including those of other packages."""
    return tuple(sorted({*_modules(kind), *plugins.offered(kind.group)}))


def own_names(kind: Kind) -> tuple[str, ...]:
    """Return the names of a kind that are ours, sorted."""
    return tuple(sorted(_modules(kind)))


def refuse_unknown(kind: Kind, name: str, parameter: str) -> None:
    """Raise unless a name exists.

    Raises
    ------
    UsageError
        With the names that exist; ``parameter`` (e.g. ``"--mode"``) is where the user typed it.
    """
    allowed = names(kind)
    if name not in allowed:
        raise UsageError(invalid_value(parameter, name, allowed))


def load(kind: Kind, name: str, parameter: str) -> ModuleType:
    """Import the module behind a name.

    Raises
    ------
    UsageError
        When there is no such name, see :func:`refuse_unknown`.
    MissingToolError
        When it is another package's, which cannot be imported.
    """
    refuse_unknown(kind, name, parameter)
    if name in _modules(kind):
        return importlib.import_module(_modules(kind)[name])
    return plugins.load_module(kind.group, name, kind.noun)


def every(kind: Kind) -> dict[str, ModuleType]:
    """Import all modules of a kind and return them by name.

    What another package offers and cannot be loaded is left out, and said once on stderr.
    """
    loaded = {}
    for name in names(kind):
        try:
            loaded[name] = load(kind, name, kind.noun)
        except MissingToolError as error:
            _say_once(str(error))
    return loaded


@functools.cache
def _say_once(message: str) -> None:
    print(f"note: {message}", file=sys.stderr)


def networks() -> tuple[str, ...]:
    """Return the names of all networks: a family's variants, or the family where it has none."""
    variants = {name for kind in VARIANTS.values() for name in names(kind)}
    return tuple(sorted(variants | set(names(FAMILIES)) - VARIANTS.keys()))


def canonical(name: str) -> str:
    """Return the name of a network without the family before a variant (``FAMILY:VARIANT``)."""
    family, separator, variant = name.partition(":")
    return variant if separator and family in VARIANTS else name


def family_of(name: str) -> tuple[str, str]:
    """Return the family of a network and its variant, ``""`` where the family has none."""
    for family, kind in VARIANTS.items():
        if name in names(kind):
            return family, name
    return name, ""


def full_name(name: str) -> str:
    """Return ``FAMILY:VARIANT``, or the family where it has no variants."""
    return ":".join(part for part in family_of(name) if part)


def refuse_unknown_network(name: str, parameter: str) -> None:
    """Raise unless there is a network of this name, see :func:`refuse_unknown`."""
    if name not in (allowed := networks()):
        raise UsageError(invalid_value(parameter, name, allowed))
