# SPDX-License-Identifier: BSD-3-Clause
"""Define the values that flow through a graph: a tensor, and how its integers stand for reals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

FINER = 64
"""How many steps of 16 bits make one of 8. Eight bits of that just hold the calibration windows, so
that two are left as head room."""


@dataclass(frozen=True)
class Quant:
    """How integers stand for reals: ``real = scale * (stored - zero_point)``, scale in float32.

    Attributes
    ----------
    scale
        The real difference of two neighbouring integers.
    zero_point
        The integer that stands for zero; it is 0 with 16 bits, as in TFLite.
    bits
        Size of what is stored.
    """

    scale: float
    zero_point: int
    bits: Literal[8, 16] = 8

    @property
    def scale32(self) -> float:
        """The scale as every runtime holds it, rounded to float32."""
        return float(np.float32(self.scale))

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of what is stored."""
        return np.dtype(f"int{self.bits}")

    @property
    def limits(self) -> tuple[int, int]:
        """The smallest and the largest value that can be stored."""
        return -(2 ** (self.bits - 1)), 2 ** (self.bits - 1) - 1

    @property
    def step(self) -> float:
        """The step that differences are counted in: one of 8 bits, whatever is stored.

        Runtimes that are not exact differ by steps of int8 tensors on the way.
        """
        return self.scale if self.bits == 8 else FINER * self.scale


@dataclass(frozen=True)
class Tensor:
    """One value that flows through the graph: its name, shape and, for integers, quantization."""

    name: str
    shape: tuple[int, ...]
    quant: Quant | None


def quantize(x: Array, quant: Quant) -> Array:
    """Round floats to integers, ties to even, saturating: ``round(x / scale) + zero_point``.

    The division is done in float32, as on a device.
    """
    steps = np.rint(np.asarray(x, np.float32) / np.float32(quant.scale))
    stored: Array = np.clip(steps + quant.zero_point, *quant.limits).astype(quant.dtype)
    return stored


def dequantize(stored: Array, quant: Quant) -> NDArray[np.float32]:
    """Return integers as float32: ``scale * (stored - zero_point)``."""
    steps = stored.astype(np.float32) - np.float32(quant.zero_point)
    return np.float32(quant.scale) * steps
