# SPDX-License-Identifier: BSD-3-Clause
"""Find the spike or the offset in the data that leaves int8 no steps for the EEG itself.

Eight bits have 256 steps for everything between the smallest and the largest value. One artifact a
thousand times as large as the rest, or an electrode's offset that was never taken out, takes them
all. The error then shows in the logits; its cause is in a window and a channel, which are named
here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.checkpoint.find import Resolved
from edge.data.dataset import Dataset
from firmware_bridge.signal.contract import UNKNOWN, SignalContract

MIN_SPIKE = 25.0
"""A peak is a spike from this many times the median window's peak in its channel."""
MIN_OFFSET = 10.0
"""A mean is an offset from this many times the median window's deviation in its channel."""


@dataclass(frozen=True)
class Cause:
    """What of the data takes int8's steps.

    Attributes
    ----------
    factor
        How many times as large as what is usual in its channel.
    words
        What and where, as the beginning of a sentence.
    remedy
        What to do about it, as a sentence.
    """

    factor: float
    words: str
    remedy: str


def explain(resolved: Resolved, complaint: str) -> str:
    """Put the cause before a complaint that int8 does not follow float; alone where none is found.

    Parameters
    ----------
    complaint
        A sentence, with its full stop.
    """
    causes = list(find(resolved))
    if not causes:
        return complaint
    worst = max(causes, key=lambda cause: cause.factor)
    return f"int8 cannot follow this data: {worst.words}. {worst.remedy} ({complaint.rstrip('.')}.)"


def find(resolved: Resolved) -> Iterator[Cause]:
    """The worst spike and the worst offset of the training and of the held-out part."""
    before: dict[str, int] = {}
    for part, name in ((resolved.split.train, "training"), (resolved.split.test, "held-out")):
        yield from _spikes(part, resolved.contract, name, before)
        yield from _offsets(part, resolved.contract, name)
        for group in part.groups.tolist():
            before[group] = before.get(group, 0) + 1


def _spikes(
    part: Dataset, contract: SignalContract, name: str, before: dict[str, int]
) -> Iterator[Cause]:
    """The largest peak of a part, where it is far beyond those of other windows."""
    middle = np.median(part.windows, axis=2, keepdims=True)
    apart = np.abs(part.windows - middle)
    peaks = apart.max(2)  # (n, n_chans)
    usual = np.median(peaks, axis=0)
    factors = peaks / np.where(usual > 0, usual, np.inf)
    window, channel = np.unravel_index(int(factors.argmax()), factors.shape)
    factor = float(factors[window, channel])
    if factor < MIN_SPIKE:
        return
    sample = int(apart[window, channel].argmax())
    group = str(part.groups[window])
    number = int((part.groups[:window] == group).sum()) + before.get(group, 0)
    value = _quantity(float(part.windows[window, channel, sample]), contract)
    yield Cause(
        factor,
        f"window {number} of group {group!r} ({name} part) has a spike of {value} on "
        f"{_channel(contract, int(channel))} at sample {sample}, {factor:,.0f} times the usual "
        f"peak there",
        "Leave that window out, or every one with such an artifact.",
    )


def _offsets(part: Dataset, contract: SignalContract, name: str) -> Iterator[Cause]:
    """The channel of a part that lies farthest from zero, measured in its own deviation."""
    windows = contract.scale(part.windows)
    means = np.median(windows.mean(2, dtype=np.float64), axis=0)  # (n_chans,)
    deviations = np.median(windows.std(2, dtype=np.float64), axis=0)
    factors = np.abs(means) / np.where(deviations > 0, deviations, np.inf)
    channel = int(factors.argmax())
    factor = float(factors[channel])
    if factor < MIN_OFFSET:
        return
    value = _quantity(_typical(part.windows[:, channel]), contract)
    yield Cause(
        factor,
        f"{_channel(contract, channel)} lies at {value} in the {name} part, {factor:,.0f} times "
        f"its deviation within a window",
        "Take the offset out before the network: [filter] low_hz in the contract, or windows less "
        "their mean, in training too.",
    )


def _typical(windows: NDArray[np.float32]) -> float:
    return float(np.median(windows.mean(1, dtype=np.float64)))


def _quantity(value: float, contract: SignalContract) -> str:
    unit = "" if contract.unit == UNKNOWN else f" {contract.unit}"
    return f"{value:,.6g}{unit}"


def _channel(contract: SignalContract, index: int) -> str:
    if contract.channels is None:
        return f"channel {index} (counted from 0)"
    return f"channel {contract.channels[index]}"
