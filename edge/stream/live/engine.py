# SPDX-License-Identifier: BSD-3-Clause
"""Choose the decoder of a stream: an exact streaming engine, or whole windows by a runtime."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge.bundle import run as runner
from edge.bundle import types as bundle_types
from edge.bundle.apart import Apart
from edge.bundle.read import Bundle
from edge.errors import MissingToolError
from edge.stream import streamer as streaming
from edge.stream.streamer import Decision
from edge.targets.base import Runnable
from firmware_bridge.signal.contract import SignalContract

FASTEST = "c"
"""The streaming engine that is taken where it can be had."""


class Streamer(Protocol):
    """A decoder with its state: :class:`edge.stream.streamer.Streamer`, or :class:`Windowed`."""

    def push(self, samples: NDArray[np.float32]) -> list[Decision]:
        """Take the next samples (n, n_chans), filtered and not scaled."""

    def reset(self) -> None:
        """Forget every sample."""


class Windowed:
    """A decoder that computes every window whole, by anything that runs windows."""

    def __init__(self, contract: SignalContract, runnable: Runnable) -> None:
        self.contract, self.runnable = contract, runnable
        self.reset()

    def reset(self) -> None:
        """Forget every sample."""
        self.kept = np.zeros((0, 0), np.float32)
        self.first = self.seen = 0  # of the window that is next, and of the sample that is next

    def push(self, samples: NDArray[np.float32]) -> list[Decision]:
        """Take the next samples (n, n_chans), filtered and not scaled."""
        held = np.concatenate([self.kept.reshape(-1, samples.shape[1]), samples])
        self.seen += len(samples)
        offset = self.seen - len(held)  # number of the first one held
        n_times, hop = self.contract.n_times, self.contract.hop
        firsts = range(self.first, self.seen - n_times + 1, hop)
        windows = [held[first - offset : first - offset + n_times].T for first in firsts]
        self.first += hop * len(firsts)
        self.kept = held[max(0, self.first - offset) :]
        if not windows:
            return []
        logits = self.runnable(self.contract.scale(np.stack(windows)))
        ends = (first + n_times - 1 for first in firsts)
        return [Decision(end, row, None) for end, row in zip(ends, logits, strict=True)]


def streamer(
    opened: Bundle,
    contract: SignalContract,
    engine: str | None,
    target: str | None,
    note: Callable[[str], None],
) -> tuple[str, Streamer]:
    """Return the decoder of a bundle that takes samples, and its name.

    Parameters
    ----------
    engine
        Of :data:`edge.stream.streamer.ENGINES`; the fastest that can be had here without.
    target
        A runnable of the bundle that computes whole windows instead.
    note
        Is told why the fastest cannot be had.
    """
    if target is not None:
        return f"windowed {target}", Windowed(contract, _windowed(opened, target, note))
    integer = opened.manifest.recipe is not None
    slower = bundle_types.REFERENCE if integer else bundle_types.FLOAT
    if engine is None and integer and FASTEST in streaming.ENGINES:
        try:
            return FASTEST, streaming.open_stream(opened, FASTEST, contract.hop)
        except (MissingToolError, OSError) as error:  # no compiler, or no room for what it makes
            note(f"note: streaming in Python: {error}")
    chosen = engine or slower
    return chosen, streaming.open_stream(opened, chosen, contract.hop)


def _windowed(opened: Bundle, target: str, note: Callable[[str], None]) -> Runnable:
    """A runnable of the bundle; where it runs in a process of its own, what that costs is said."""
    artifacts = [one for one in opened.manifest.artifacts if one.target == target]
    apart = Apart(opened, artifacts, note, endless=True)
    runnable = runner.open_runnable(opened, target, apart=apart)
    if (added := apart.overhead_us()) is not None:
        note(f"note: the pipe to that process adds {added / 1000:.2f} ms to a decision.")
    return runnable
