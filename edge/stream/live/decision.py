# SPDX-License-Identifier: BSD-3-Clause
"""Turn logits into decisions, with smoothing, a threshold with hysteresis, and abstention."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.errors import UsageError

UNDECIDED = "undecided"
"""Why there is no class where nothing is wrong with the signal."""


@dataclass(frozen=True)
class Rule:
    """When a class is decided for.

    Attributes
    ----------
    smooth
        Decisions whose probabilities are averaged.
    threshold
        Averaged probability from which a class is decided for.
    release
        Averaged probability below which it is given up; between the two it stays.
    """

    smooth: int = 4
    threshold: float = 0.5
    release: float = 0.4

    def refuse(self) -> None:
        """Raise unless the values make sense together.

        Raises
        ------
        UsageError
            When the class would be given up before it is decided for.
        """
        if not 0 <= self.release <= self.threshold <= 1:
            raise UsageError(
                f"Invalid hysteresis: 0 <= --release <= --threshold <= 1 is needed, but got "
                f"--release {self.release:g} and --threshold {self.threshold:g} instead."
            )


@dataclass(frozen=True, eq=False)
class Decision:
    """What was made of one window.

    Attributes
    ----------
    choice
        Index of the class, None where there is none.
    abstain
        Why there is none; empty where there is one.
    probabilities, smoothed
        (n_outputs,) of this window, and averaged; None where there are no logits to trust.
    """

    choice: int | None
    abstain: str
    probabilities: NDArray[np.float64] | None = None
    smoothed: NDArray[np.float64] | None = None


class Decider:
    """A rule with its memory."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.recent: deque[NDArray[np.float64]] = deque(maxlen=rule.smooth)
        self.choice: int | None = None

    def abstain(self, why: str) -> Decision:
        """Decide nothing, and forget what was before."""
        self.recent.clear()
        self.choice = None
        return Decision(None, why)

    def push(self, logits: NDArray[np.float32]) -> Decision:
        """Decide on a window that can be trusted."""
        probabilities = softmax(logits)
        self.recent.append(probabilities)
        smoothed = np.mean(self.recent, axis=0)
        best = int(smoothed.argmax())
        if smoothed[best] >= self.rule.threshold:
            self.choice = best
        elif self.choice is not None and smoothed[self.choice] < self.rule.release:
            self.choice = None
        why = UNDECIDED if self.choice is None else ""
        return Decision(self.choice, why, probabilities, smoothed)


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return probabilities (n_outputs,) of logits."""
    powers = np.exp(logits.astype(np.float64) - logits.max())
    return np.asarray(powers / powers.sum())
