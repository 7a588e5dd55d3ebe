# SPDX-License-Identifier: BSD-3-Clause
"""Print the versions that are installed of everything that eeg-edge[dev] needs.

``make constraints`` writes them to ``constraints.txt`` after the suite has passed with them.
Packages that somebody installed by hand and that nothing needs are left out.
"""

from __future__ import annotations

import tomllib
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

PROJECT = "eeg-edge"
LEFT_OUT = frozenset({PROJECT, "pip"})
"""Ours, and pip, which platformio asks for and which is not exchanged while it runs."""
HEADER = """\
# SPDX-License-Identifier: BSD-3-Clause
# The versions that the suite has passed with; setup.sh installs these. Written by
# `make constraints`, from what is installed. pyproject.toml says which others may work.
"""


def wanted(requirements: list[str], extras: frozenset[str]) -> list[Requirement]:
    """The requirements that hold on this machine with any of the extras, or without."""
    parsed = map(Requirement, requirements)
    environments = [{"extra": extra} for extra in ("", *extras)]
    return [
        one
        for one in parsed
        if one.marker is None or any(one.marker.evaluate(each) for each in environments)
    ]


def closure(root: Path) -> dict[str, str]:
    """Every distribution that the project needs with the extra ``dev``: name to version."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"]
    every = project["dependencies"] + [text for texts in optional.values() for text in texts]
    waiting = wanted(every, frozenset())
    versions: dict[str, str] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        requirement = waiting.pop()
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if name in LEFT_OUT or (name, extras) in seen:
            continue
        seen.add((name, extras))
        found = distribution(name)
        # A local version ("2.13.0+cpu") names a build; the constraint admits every build.
        versions[name] = Version(found.version).public
        waiting += wanted(found.requires or [], extras)
    return versions


if __name__ == "__main__":
    print(HEADER, end="")
    for name, version in sorted(closure(Path(__file__).resolve().parents[1]).items()):
        print(f"{name}=={version}")
