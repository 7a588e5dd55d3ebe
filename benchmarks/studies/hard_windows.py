# SPDX-License-Identifier: BSD-3-Clause
"""Make windows that no brain gives and a device does: rails, dead electrodes, impulses, squares.

Each kind is a function from a random generator and a range to one window (n_chans, n_times) as the
network sees it, scaled. The range is what the input's 8 bits can hold; a converter's rails lie far
beyond it, by up to :data:`RAIL` times.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Rng = np.random.Generator

RAIL = 1e4
"""A converter's rails in ranges of the input: 187.5 mV where EEG has 10 uV and a range is 4 SD."""


@dataclass(frozen=True)
class Room:
    """What a window must fit: its shape, and the lowest and highest value that 8 bits can hold."""

    n_chans: int
    n_times: int
    low: float
    high: float

    def rails(self, rng: Rng) -> tuple[float, float]:
        """Return both rails: the range itself, or up to :data:`RAIL` times that."""
        beyond = 10.0 ** rng.uniform(0, np.log10(RAIL))
        return self.low * beyond, self.high * beyond

    def noise(self, rng: Rng) -> NDArray[np.float64]:
        """Return white noise of unit variance, as scaled EEG has."""
        return rng.standard_normal((self.n_chans, self.n_times))


def saturated(rng: Rng, room: Room) -> NDArray[np.float64]:
    """Channels that sit at either rail, or that noise drives from one to the other."""
    low, high = room.rails(rng)
    if rng.random() < 0.5:
        side = rng.random((room.n_chans, 1)) < rng.random()
        return np.broadcast_to(np.where(side, low, high), (room.n_chans, room.n_times))
    return np.where(room.noise(rng) > rng.normal(), high, low)


def constant(rng: Rng, room: Room) -> NDArray[np.float64]:
    """Every channel one value, or all channels the same; zero among them."""
    n = room.n_chans if rng.random() < 0.8 else 1
    level = rng.uniform(room.low, room.high, (n, 1)) * (rng.random() < 0.9)
    return np.broadcast_to(level, (room.n_chans, room.n_times))


def impulses(rng: Rng, room: Room) -> NDArray[np.float64]:
    """Single samples at a rail on a flat or noisy line, on one channel or on all."""
    window = room.noise(rng) * (rng.random() < 0.5)
    rails = room.rails(rng)
    for _ in range(rng.integers(1, 9)):
        rows = slice(None) if rng.random() < 0.5 else rng.integers(room.n_chans)
        window[rows, rng.integers(room.n_times)] = rails[rng.integers(2)]
    return window


def lead_off(rng: Rng, room: Room) -> NDArray[np.float64]:
    """Noise; from some sample on electrodes drift to a rail, fall to zero or carry the mains."""
    window = room.noise(rng)
    rails = room.rails(rng)
    for row in rng.choice(room.n_chans, rng.integers(1, room.n_chans + 1), replace=False):
        start = int(rng.integers(room.n_times))
        time = np.arange(room.n_times - start)
        window[row, start:] = (
            rails[rng.integers(2)] * (1 - np.exp(-time / rng.uniform(1, 200))),
            np.zeros(len(time)),
            rails[1] * np.sin(2 * np.pi * 0.2 * time + rng.uniform(0, 6)),
        )[rng.integers(3)]
    return window


def square(rng: Rng, room: Room) -> NDArray[np.float64]:
    """Square waves at half the sampling rate, or at a whole part of that, of any phase."""
    low, high = room.rails(rng)
    half_period = 1 if rng.random() < 0.7 else int(rng.integers(2, 9))
    phase = rng.integers(0, 2 * half_period, (room.n_chans, 1)) * (rng.random() < 0.5)
    is_high = (np.arange(room.n_times) + phase) // half_period % 2 == 0
    size = float(rng.choice([1.0, rng.uniform(1e-4, 1)]))
    window: NDArray[np.float64] = np.where(is_high, high, low) * size
    return window


KINDS: Mapping[str, Callable[[Rng, Room], NDArray[np.float64]]] = MappingProxyType(
    {
        "saturated": saturated,
        "constant": constant,
        "impulses": impulses,
        "lead-off": lead_off,
        "square": square,
    }
)


def window(kind: str, room: Room, number: int) -> Float:
    """Return window ``number`` of a kind, the same whenever it is asked for."""
    rng = np.random.default_rng([list(KINDS).index(kind), number])
    return np.asarray(KINDS[kind](rng, room), np.float32)
