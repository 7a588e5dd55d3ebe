# SPDX-License-Identifier: BSD-3-Clause
"""Find what other people's installed packages add, by entry points of :mod:`importlib.metadata`.

A package offers a module under a name in a group, in its ``pyproject.toml``::

    [project.entry-points."edge.targets"]
    mynpu = "mypackage.mynpu"

A package that cannot be loaded is named with what to do about it, and harms only the name that it
offers.
"""

from __future__ import annotations

import functools
from importlib import metadata
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Any

from quantize.errors import MissingToolError


@functools.cache
def offered(group: str) -> dict[str, EntryPoint]:
    """Return the entry points of a group by name; two packages with one name are ordered."""
    points = sorted(metadata.entry_points(group=group), key=lambda one: (one.name, package(one)))
    return {point.name: point for point in reversed(points)}


def package(point: EntryPoint) -> str:
    """Return the name of the distribution that an entry point belongs to."""
    return "an unknown package" if point.dist is None else str(point.dist.metadata["Name"])


def load(group: str, name: str, noun: str) -> Any:
    """Import what a package offers under a name; ``noun`` is what it is called in messages.

    Raises
    ------
    MissingToolError
        When no package offers the name, or the one that does cannot be imported: it is named, with
        its error.
    """
    point = offered(group).get(name)
    if point is None:
        raise MissingToolError(
            f"No installed package offers the {noun} {name!r} (entry-point group {group!r}). "
            f"Install the one that does."
        )
    try:
        return point.load()
    except Exception as error:  # whatever somebody else's package stumbles over
        dist, why = package(point), str(error).strip().splitlines() or [""]
        raise MissingToolError(
            f"The {noun} {name!r} of the package {dist!r} cannot be loaded: "
            f"{type(error).__name__}: {why[0]}. "
            f"Type: pip install --upgrade {dist}, or pip uninstall {dist}"
        ) from error


def load_module(group: str, name: str, noun: str) -> ModuleType:
    """Import what a package offers, as :func:`load`, and refuse anything but a module.

    Raises
    ------
    MissingToolError
        Also when it is something else.
    """
    loaded = load(group, name, noun)
    if not isinstance(loaded, ModuleType):
        point = offered(group)[name]
        raise MissingToolError(
            f"The {noun} {name!r} of the package {package(point)!r} is a {type(loaded).__name__}, "
            f"expected a module: its entry point is {point.value!r}, with nothing after a colon."
        )
    return loaded
