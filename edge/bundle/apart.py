# SPDX-License-Identifier: BSD-3-Clause
"""Where models of a bundle are loaded: in this process if we trust who signed them, else apart."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from edge.bundle import child, trust
from edge.bundle.content import Note
from edge.bundle.read import Bundle
from edge.bundle.trust import Standing
from edge.spec import Artifact
from edge.targets import base, c
from edge.targets.base import Content, Session


def unheard(_: str) -> None:
    """A :data:`Note` that nobody hears."""


class Apart:
    """Loads a bundle's artifacts; says once what is known of who made them.

    Parameters
    ----------
    artifacts
        Those that will be loaded.
    endless
        Whether CPU time is not limited, for a stream.
    """

    def __init__(
        self,
        opened: Bundle,
        artifacts: Iterable[Artifact],
        note: Note = unheard,
        *,
        endless: bool = False,
    ) -> None:
        self.opened, self.note, self.endless = opened, note, endless
        self.targets = tuple(dict.fromkeys(a.target for a in artifacts if a.target != c.TARGET))
        self._child: child.Child | None = None

    @cached_property
    def standing(self) -> Standing:
        """Who made the bundle."""
        standing = trust.judge(self.opened.folder)
        if standing != Standing.TRUSTED and self.targets:
            self.note(f"note: the bundle is {standing}: its models run in a process of their own.")
        return standing

    def load(
        self, artifact: Artifact, runtime: str, content: Content, threads: int = 1
    ) -> Session | child.Session:
        """Load an artifact's content, see :func:`edge.bundle.content.loadable`.

        What is generated here, the C, is loaded in this process in any case.

        Raises
        ------
        MissingToolError
            When the runtime is not installed.
        IncompatibleError
            When a model that runs apart cannot be loaded or crashes its process, or the bundle's
            signature is wrong.
        """
        others = tuple(self.opened.manifest.others)
        if artifact.target == c.TARGET or self.standing == Standing.TRUSTED:
            return base.load(artifact.target).RUNTIMES[runtime](content, others, threads)
        return self.process.load(artifact.target, runtime, content, others, threads)

    def overhead_us(self) -> float | None:
        """What the pipe adds to a decision, measured; None where models run in this process."""
        if self._child is None:
            return None
        model = self.opened.manifest.model
        return self._child.overhead_us((model.n_chans, model.n_times))

    @property
    def process(self) -> child.Child:
        """The process that models run in."""
        if self._child is None:
            cpu_s = None if self.endless else child.CPU_S
            self._child = child.Child(self.targets, cpu_s, told=self._told)
        return self._child

    def _told(self, absent: Iterable[str]) -> None:
        for word in absent:
            self.note(f"note: the process that models run in has {word}.")
