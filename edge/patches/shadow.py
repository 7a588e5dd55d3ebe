# SPDX-License-Identifier: BSD-3-Clause
"""Notice when Python finds something else under the names of our four packages.

``quantize`` and ``benchmarks`` are names that other people use too: a script of that name beside
the user's own, or a package installed later, comes first on the path and ours is not found.
"""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

PACKAGES = ("edge", "quantize", "firmware_bridge", "benchmarks")

HERE = Path(__file__).resolve().parents[2]
"""The folder that holds our packages."""


def foreign() -> dict[str, str]:
    """Return our names that Python finds elsewhere, and the paths that it finds."""
    found = ((name, _origin(name)) for name in PACKAGES)
    return {name: path for name, path in found if path is not None and not _is_ours(name, path)}


def refuse() -> None:
    """Raise if one of our packages is not the one that Python finds.

    Raises
    ------
    IncompatibleError
        Naming the file that comes first.
    """
    from edge.errors import IncompatibleError

    for name, path in foreign().items():
        raise IncompatibleError(
            f"Python finds {path!r} where our package {name!r} should be: {advice(path)}."
        )


def take_ours() -> None:
    """Import our own packages in the place of foreign ones, so that ``edge doctor`` can run."""
    for name in foreign():
        folder = HERE / name
        spec = spec_from_file_location(
            name, folder / "__init__.py", submodule_search_locations=[str(folder)]
        )
        if spec is None or spec.loader is None:
            raise ImportError(f"{folder} is not a package")
        sys.modules[name] = module = module_from_spec(spec)
        spec.loader.exec_module(module)


def advice(path: str) -> str:
    """Say in one sentence what to do about it."""
    return f"rename {path}, or start 'edge' where it does not come first on Python's path"


def _is_ours(name: str, path: str) -> bool:
    return Path(path).resolve().is_relative_to(HERE / name)


def _origin(name: str) -> str | None:
    """Where Python finds a package or module; None where it finds none."""
    spec = PathFinder.find_spec(name)  # not what has been imported already
    if spec is None:
        return None
    if spec.origin is not None:
        return spec.origin
    return next(iter(spec.submodule_search_locations or ()), None)
