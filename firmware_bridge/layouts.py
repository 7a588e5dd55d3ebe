"""Weights and factors in the layouts that the kernels of ``c/`` document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.scaling import Scaling

Array = NDArray[Any]


def plain_scaling(scaling: Scaling) -> Array:
    """(n_outputs, 3) int32: bias, multiplier, shift."""
    columns = np.broadcast_arrays(scaling.bias, scaling.multiplier, scaling.shift)
    return np.stack(columns, axis=1).astype(np.int32)


def conv_scaling(scaling: Scaling) -> Mapping[str, Array]:
    """Factors of a convolution for every port."""
    return {"plain": plain_scaling(scaling)}


def dense_weight(weight: Array) -> Mapping[str, Array]:
    """Weights (n_outputs, k) of ``edge_dense``."""
    return {"plain": weight}


def depthwise_weight(weight: Array) -> Mapping[str, Array]:
    """Weights (length, n_chans) of ``edge_depthwise``."""
    return {"plain": weight}


def padded(count: int, to: int) -> int:
    """The next multiple of ``to``."""
    return -(-count // to) * to
