# SPDX-License-Identifier: BSD-3-Clause
"""Share what convolutions and pools have in common: a window of samples that slides over time."""

from __future__ import annotations

from collections.abc import Iterator

from quantize.graph.operations.base import refuse
from quantize.graph.tensors import Array

MAX_STRIDE = 2**15


def positions(name: str, n_times: int, length: int, stride: int) -> int:
    """Return how often a window of ``length`` fits into ``n_times`` samples.

    Raises
    ------
    IncompatibleError
        When it does not fit at all, or the stride is out of range; ``name`` is the node's.
    """
    if not 1 <= length <= n_times:
        refuse(name, f"its length is {length} and it reads {n_times} samples")
    if not 1 <= stride <= MAX_STRIDE:
        refuse(name, f"its stride is {stride}; 1 ... {MAX_STRIDE} are allowed")
    return (n_times - length) // stride + 1


def taps(x: Array, length: int, stride: int) -> Iterator[Array]:
    """Yield the first sample of every window, then the second of every window, and so on.

    Parameters
    ----------
    x
        (n, 1, n_times, n_channels); every yielded array is (n, 1, n_positions, n_channels).
    """
    last = (x.shape[2] - length) // stride * stride + 1
    return (x[:, :, k : k + last : stride] for k in range(length))
