# SPDX-License-Identifier: BSD-3-Clause
"""Turn an activation into a table of 256 entries: int8 in, int8 out, one entry for each input.

The table is built as TFLite builds it, in float32: dequantize, apply, divide by the output scale,
round, add the zero point, saturate. The function itself is computed in float64 and rounded once to
float32, so that a table does not depend on the CPU's math library.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import erf
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from quantize.graph.arithmetic import INT8_MAX, INT8_MIN, round_half_away
from quantize.graph.tensors import Quant

Float64 = NDArray[np.float64]


def _elu(x: Float64) -> Float64:
    return np.where(x < 0, np.expm1(np.minimum(x, 0)), x)


def _sigmoid(x: Float64) -> Float64:
    return 1 / (1 + np.exp(-x))


def _gelu(x: Float64) -> Float64:
    return np.asarray(0.5 * x * (1 + np.vectorize(erf)(x / np.sqrt(2.0))))


FUNCTIONS: Mapping[str, Callable[[Float64], Float64]] = MappingProxyType(
    {
        "elu": _elu,
        "gelu": _gelu,
        "sigmoid": _sigmoid,
        "tanh": np.tanh,
        "exp": np.exp,
        "log": np.log,
        "sqrt": np.sqrt,
    }
)


def apply(function: str, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Apply an activation of :data:`FUNCTIONS` to float32 values, rounded once."""
    with np.errstate(over="ignore"):
        return FUNCTIONS[function](x.astype(np.float64)).astype(np.float32)


def table(function: str, source: Quant, target: Quant) -> NDArray[np.int8]:
    """Return the 256 outputs of ``function`` for the inputs -128 ... 127, in that order."""
    steps = np.arange(INT8_MIN, INT8_MAX + 1, dtype=np.float32) - np.float32(source.zero_point)
    real = apply(function, np.float32(source.scale) * steps)
    inverse_scale = np.float32(1) / np.float32(target.scale)
    quantized = round_half_away(real * inverse_scale) + target.zero_point
    return np.clip(quantized, INT8_MIN, INT8_MAX).astype(np.int8)
