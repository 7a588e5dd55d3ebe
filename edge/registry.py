"""A name is a file: modes and targets are found by listing their folder.

Adding ``edge/modes/se.py`` adds the mode ``se``; there is no list to keep. A dash in a name is an
underscore in its file's. Files whose name starts with an underscore are helpers. Listing does not
import, so ``edge --help`` stays light.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from edge.errors import UsageError, invalid_value


def names(package: str) -> tuple[str, ...]:
    """Names that a package offers, sorted; ``package`` is e.g. ``"edge.modes"``."""
    path = importlib.import_module(package).__path__
    found = (module.name for module in pkgutil.iter_modules(path))
    return tuple(sorted(name.replace("_", "-") for name in found if not name.startswith("_")))


def refuse_unknown(package: str, name: str, parameter: str) -> None:
    """Raise unless there is a file of that name.

    Raises
    ------
    UsageError
        With the names there are; ``parameter`` (e.g. ``"--mode"``) is what the user typed it at.
    """
    allowed = names(package)
    if name not in allowed:
        raise UsageError(invalid_value(parameter, name, allowed))


def load(package: str, name: str, parameter: str) -> ModuleType:
    """Import the file behind a name; see :func:`refuse_unknown`."""
    refuse_unknown(package, name, parameter)
    return importlib.import_module(f"{package}.{name.replace('-', '_')}")
