# SPDX-License-Identifier: BSD-3-Clause
"""What of a bundle is loaded and run: its own files, but for C, which is generated anew.

The C in a bundle is for people and for firmware projects. What this machine compiles and loads is
generated from the bundle's graph, which was checked; the bundle's text can do no more than be
found different.
"""

from __future__ import annotations

from collections.abc import Callable

from edge.bundle.folder import read_content
from edge.bundle.read import Bundle
from edge.errors import IncompatibleError
from edge.spec import Artifact
from edge.targets import c
from edge.targets.base import Content

Note = Callable[[str], None]
"""Is told what a user should know."""

FOREIGN = "note: the bundle's C is of another version of edge and was not compared with ours."


def loadable(opened: Bundle, artifact: Artifact, note: Note) -> Content:
    """What a loader is given for an artifact.

    Raises
    ------
    IncompatibleError
        When the bundle's C was written by this code and is not what this code writes.
    """
    if artifact.target != c.TARGET:
        return read_content(opened.folder / artifact.file)
    graph, channels = opened.graph(), opened.contract().channels
    generated = c.generated(graph, channels or ())
    if opened.manifest.generator != c.generator():
        note(FOREIGN)
        return generated
    _compare(opened, artifact, generated)
    return generated


def _compare(opened: Bundle, artifact: Artifact, generated: Content) -> None:
    stored = read_content(opened.folder / artifact.file)
    assert not isinstance(generated, bytes)  # sources by name
    if isinstance(stored, bytes):
        raise IncompatibleError(f"{str(opened.folder / artifact.file)!r} is not a folder of C.")
    for name in sorted({*stored, *generated}):
        if stored.get(name) != generated.get(name):
            raise IncompatibleError(
                f"{str(opened.folder / artifact.file / name)!r} is not what the bundle's graph "
                f"gives, though this version of edge wrote it: it was changed. Export again."
            )
