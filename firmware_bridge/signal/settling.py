# SPDX-License-Identifier: BSD-3-Clause
"""Say how long a filter answers to what it began with."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from firmware_bridge.signal.contract import Filter

LONGEST = 2**18
"""Samples after which nobody waits: a quarter of an hour, and a filter that never settles."""


def samples(settings: Filter, share: float = 0.01) -> int:
    """Return the samples until a filter's answer to a unit step stays below ``share``."""
    if not settings.sos:
        return 0
    slowest = max(abs(root) for section in settings.sos for root in np.roots(section[3:]))
    length = math.ceil(math.log(share / 100) / math.log(slowest)) if slowest else 1
    length = min(length, LONGEST)
    above = [i for i, value in enumerate(_step(settings.sos, length)) if abs(value) > share]
    return above[-1] + 1 if above else 0


def _step(sos: tuple[tuple[float, ...], ...], length: int) -> Iterator[float]:
    """The answer to a unit step, sample by sample."""
    states = [[0.0, 0.0] for _ in sos]
    for _ in range(length):
        x = 1.0
        for (b0, b1, b2, _, a1, a2), state in zip(sos, states, strict=True):
            y = b0 * x + state[0]
            state[0] = b1 * x - a1 * y + state[1]
            state[1] = b2 * x - a2 * y
            x = y
        yield x
