# SPDX-License-Identifier: BSD-3-Clause
"""Apply a signal contract to a continuous signal, whole or sample by sample, to the same bits.

Training, calibration and export cut their windows out of what :func:`apply` returns; a live signal
goes through :class:`Chain`; `edge run` is given windows of it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from edge.signal import filters
from firmware_bridge.signal.contract import SignalContract

PER_VOLT: Mapping[str, float] = {"uV": 1e6, "mV": 1e3, "V": 1.0}


def rereferenced(
    samples: NDArray[np.float64], reference: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Subtract ``reference`` (n,) from samples (n_chans, n), or their average if None.

    Channels are added one after the other: ``mean`` has another order for a single sample.
    """
    if reference is None:
        reference = np.asarray(sum(samples) / len(samples))
    return np.asarray(samples - reference)


class Chain:
    """A contract's filter and moving standardization, with their state."""

    def __init__(self, contract: SignalContract) -> None:
        self.contract = contract
        self.reset()

    def reset(self) -> None:
        """Forget the signal; what comes next has nothing to do with what was."""
        self.filter = filters.Running(self.contract.filter)
        self.moving = _moving(self.contract)

    def push(self, samples: NDArray[np.float64]) -> NDArray[np.float32]:
        """Process the next samples (n_chans, n) in the contract's unit and reference.

        Returns
        -------
        NDArray
            (n_chans, n), what windows consist of: filtered, and standardized where that moves.
        """
        if not samples.shape[1]:
            return samples.astype(np.float32)
        filtered = self.filter.push(samples)
        if self.moving is not None:
            filtered = self.moving.push(filtered)
        return filtered.astype(np.float32)


def apply(contract: SignalContract, samples: NDArray[np.float64]) -> NDArray[np.float32]:
    """Process a whole recording (n_chans, n_samples)."""
    return Chain(contract).push(samples)


def _moving(contract: SignalContract) -> MovingStandardization | None:
    scaling = contract.scaling
    if scaling.kind != "moving":
        return None
    assert scaling.factor_new is not None
    assert scaling.eps is not None
    return MovingStandardization(scaling.factor_new, scaling.eps)


class MovingStandardization:
    """The function ``(x - mean) / max(eps, std)`` with both averaged over the past.

    The averages are weighted means, weights ``(1 - factor_new) ** age`` over what has been seen
    (pandas' ``ewm(alpha=factor_new)`` with ``adjust``), as in braindecode's
    ``exponential_moving_standardize``: sums that decay, over the sum of the weights.
    """

    def __init__(self, factor_new: float, eps: float) -> None:
        self.keep = 1 - factor_new
        self.eps = eps
        self.states = [np.zeros((1, 1))] * 3

    def push(self, samples: NDArray[np.float64]) -> NDArray[np.float64]:
        """Standardize the next samples (n_chans, n)."""
        weight = self._decaying_sum(0, np.ones((1, samples.shape[1])))
        centred = samples - self._decaying_sum(1, samples) / weight
        variance = self._decaying_sum(2, centred**2) / weight
        return np.asarray(centred / np.maximum(self.eps, np.sqrt(variance)))

    def _decaying_sum(self, which: int, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """``s[t] = x[t] + keep * s[t - 1]``."""
        state = np.repeat(self.states[which], len(x) // len(self.states[which]), axis=0)
        total, self.states[which] = signal.lfilter([1.0], [1.0, -self.keep], x, axis=1, zi=state)
        return np.asarray(total)
