# SPDX-License-Identifier: BSD-3-Clause
"""A source that plays a script, a clock that is turned by hand, a decoder that is easy to check."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.signal import filters
from edge.stream.frames import Block, Disconnected, EndOfSignal, Header
from firmware_bridge.signal.contract import Scaling, SignalContract

SFREQ = 100.0
CONTRACT = SignalContract(
    channels=("C3", "C4"),
    reference="as recorded",
    unit="uV",
    sfreq=SFREQ,
    filter=filters.design(4.0, 30.0, 2, SFREQ),
    scaling=Scaling("per_channel", (0.5, -0.5), (10.0, 20.0)),
    n_times=50,
    hop=7,
    classes=("left", "right"),
)
HEADER = Header("script", ("C4", "EOG", "C3"), "V", SFREQ, ((-1e-3, 1e-3),) * 3)


def signal(n: int, seed: int = 0) -> NDArray[np.float64]:
    """(n, 3) noise of 20 µV in volts, on offsets."""
    rng = np.random.default_rng(seed)
    return np.asarray([1e-4, -2e-4, 3e-4] + 2e-5 * rng.standard_normal((n, 3)))


def weights() -> NDArray[np.float32]:
    """Of the decoder: two templates over a window (2, n_chans, n_times)."""
    return np.random.default_rng(1).standard_normal((2, 2, 50)).astype(np.float32)


def runnable(windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits (n, 2): how much a window is like each template; one window at a time."""
    both = weights()
    return np.array([[(w * template).sum() for template in both] for w in windows], np.float32)


@dataclass
class Clock:
    """Seconds that pass only when somebody waits."""

    now_s: float = 0.0

    def __call__(self) -> float:
        """Now."""
        return self.now_s

    def sleep(self, seconds: float) -> None:
        """Time passes."""
        self.now_s += seconds

    def wait(self, seconds: float) -> bool:
        """As an event that nobody sets."""
        self.now_s += seconds
        return False

    def is_set(self) -> bool:
        """Never."""
        return False


@dataclass
class Script:
    """What happens, one step at each read: a block, a pause in seconds, or an exception."""

    steps: list[Any]
    clock: Clock
    header: Header = HEADER
    closed: int = 0
    made: list[float] = field(default_factory=list)

    def connect(self) -> Script:
        """The same script goes on; a step may forbid it."""
        self.made.append(self.clock.now_s)
        if self.steps and self.steps[0] == "refuse":
            self.steps.pop(0)
            raise Disconnected
        return self

    def read(self, timeout_s: float) -> Block | None:
        """The next step."""
        if not self.steps:
            raise EndOfSignal
        step = self.steps.pop(0)
        if isinstance(step, Header):
            self.header = step
            raise Disconnected
        if isinstance(step, type) and issubclass(step, Exception):
            raise step
        if isinstance(step, float):
            self.clock.sleep(timeout_s)
            if step > timeout_s:
                self.steps.insert(0, step - timeout_s)
            return None
        assert isinstance(step, Block)
        return dataclasses.replace(step, taken_s=self.clock.now_s, period_s=1 / SFREQ)

    def close(self) -> None:
        """Counted."""
        self.closed += 1


def blocks(
    samples: NDArray[np.float64], numbers: Sequence[int] | NDArray[np.int64], length: int = 9
) -> list[Block]:
    """Frames in blocks."""
    every = np.asarray(numbers)
    return [
        Block(samples[i : i + length], every[i : i + length], 0.0)
        for i in range(0, len(every), length)
    ]
