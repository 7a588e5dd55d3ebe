# SPDX-License-Identifier: BSD-3-Clause
"""Names are files: a mode, a target, a source, … is found by listing the folder of its kind.

Adding ``se.py`` to the folder of modes adds the mode ``se``; there is no list to keep. A dash in a
name is an underscore in the name of its file. A name may also be a folder, whose file called like
the kind is loaded then (``edge/targets/tflite/target.py``). Files whose name starts with an
underscore are helpers. Listing does not import, so that ``edge --help`` stays light.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from importlib import metadata
from types import ModuleType
from typing import Any

from edge.errors import MissingToolError, UsageError, invalid_value


@dataclass(frozen=True)
class Kind:
    """A kind of thing that is found by name.

    Attributes
    ----------
    noun
        What one of them is called in messages, e.g. ``"target"``.
    package
        The package whose modules they are.
    besides
        Modules of that package that are none of them.
    """

    noun: str
    package: str
    besides: frozenset[str] = frozenset()


COMMANDS = Kind("command", "edge.commands")
MODES = Kind("mode", "edge.families.attentionbasenet.gates")
TARGETS = Kind("target", "edge.targets", frozenset({"base", "runtime", "runtimes"}))
RUNTIMES = Kind("runtime", "edge.targets.runtimes")
SOURCES = Kind("source", "edge.stream.sources")
FORMATS = Kind("format", "edge.data.formats")
ENGINES = Kind("engine", "edge.firmware.engines")


def _modules(kind: Kind) -> dict[str, str]:
    """The module behind every name of a kind."""
    path = importlib.import_module(kind.package).__path__
    return {
        module.name.replace("_", "-"): f"{kind.package}.{module.name}"
        + (f".{kind.noun}" if module.ispkg else "")
        for module in pkgutil.iter_modules(path)
        if not module.name.startswith("_") and module.name not in kind.besides
    }


def names(kind: Kind) -> tuple[str, ...]:
    """All names of a kind, sorted."""
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
    """Import the module behind a name; see :func:`refuse_unknown`."""
    refuse_unknown(kind, name, parameter)
    return importlib.import_module(_modules(kind)[name])


def entry_point(group: str, name: str) -> Any:
    """Load what an installed package offers under a name.

    Raises
    ------
    MissingToolError
        When no installed package offers it.
    """
    for point in metadata.entry_points(group=group, name=name):
        return point.load()
    raise MissingToolError(
        f"No installed package offers {name!r} to {group}. Type: pip install eeg-edge"
    )
