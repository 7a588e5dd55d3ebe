# SPDX-License-Identifier: BSD-3-Clause
"""The contract's chain on a continuous signal: whole or in pieces, the same bits."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from edge.data import sim
from edge.signal import chain, filters
from firmware_bridge.signal import settling
from firmware_bridge.signal.contract import Filter, Scaling, SignalContract

CONTRACT = sim.DEFAULT.contract()
MOVING = dataclasses.replace(
    CONTRACT, scaling=Scaling("moving", factor_new=1e-3, eps=1e-4), filter=Filter("none")
)


def noise(n_chans: int = 3, n_samples: int = 1500) -> np.ndarray:
    """White noise of 20 µV on electrode offsets."""
    rng = np.random.default_rng(0)
    offsets = rng.uniform(-5000, 5000, (n_chans, 1))
    return offsets + 20 * rng.standard_normal((n_chans, n_samples))


@pytest.mark.parametrize(
    "contract", [CONTRACT, MOVING, dataclasses.replace(MOVING, filter=CONTRACT.filter)]
)
def test_pieces_give_the_same_bits(contract: SignalContract) -> None:
    """Cut anywhere, also into single samples and none at all."""
    x = noise()
    whole = chain.apply(contract, x)
    running = chain.Chain(contract)
    cuts = [0, 1, 2, 2, 17, 400, 401, 1500]
    pieces = [running.push(x[:, a:b]) for a, b in itertools.pairwise(cuts)]
    np.testing.assert_array_equal(np.concatenate(pieces, axis=1), whole)
    assert whole.dtype == np.float32
    running.reset()
    np.testing.assert_array_equal(running.push(x), whole)


def test_moving_standardization_is_braindecode_s() -> None:
    """Equal to ``exponential_moving_standardize`` without its initial block."""
    from braindecode.preprocessing import exponential_moving_standardize

    x = noise()
    expected = exponential_moving_standardize(x, factor_new=1e-3, eps=1e-4)
    np.testing.assert_allclose(chain.apply(MOVING, x), expected, rtol=2e-6, atol=1e-6)


def test_settling() -> None:
    """After that many samples less than 1 % of a step is left, and not before."""
    settings = filters.design(4, 40, 4, 250.0, notch_hz=50)
    n = settling.samples(settings)
    step = filters.apply(settings, np.concatenate([[0], np.ones(3000)])[None])[0, 1:]
    assert abs(step[n - 1]) > 0.01 >= np.abs(step[n:]).max()
    assert settling.samples(Filter("none")) == 0


def test_group_delay() -> None:
    """A tone in the middle of the band comes out that much later."""
    settings = filters.design(4, 40, 4, 1000.0)
    median, longest = filters.group_delay(settings, 1000.0)
    assert 0 < median < longest
    t = np.arange(8000) / 1000
    envelope = np.exp(-((t - 4) ** 2) / 0.5)
    packet = envelope * np.sin(2 * np.pi * 22 * t)
    out = filters.apply(settings, packet[None])[0]
    power = (out**2 / (out**2).sum() * t).sum() - (packet**2 / (packet**2).sum() * t).sum()
    assert power == pytest.approx(median, abs=5e-3)
    assert filters.group_delay(Filter("none"), 1000.0) == (0.0, 0.0)
