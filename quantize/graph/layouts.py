# SPDX-License-Identifier: BSD-3-Clause
"""The shapes that a window takes on its way to a runtime, and the ways from one to another.

Our own windows are ``(n, n_chans, n_times)``: a channel's samples side by side. PyTorch, ExecuTorch
and ONNX take them as images of height one, ``(n, n_chans, 1, n_times)``; the integer graph and
TFLite with the channels last, ``(n, 1, n_times, n_chans)``; the C engine takes one window as an ADC
delivers it, ``(n_times, n_chans)``, all channels of the first sample first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def to_nchw(windows: Any) -> Any:
    """Insert the height: ``(n, n_chans, n_times)`` becomes ``(n, n_chans, 1, n_times)``.

    An array of numpy or a tensor of PyTorch; nothing is copied.
    """
    return windows[:, :, None]


def to_nhwc(windows: NDArray[Any]) -> NDArray[Any]:
    """Put the channels last: ``(n, n_chans, n_times)`` becomes ``(n, 1, n_times, n_chans)``.

    The result is contiguous.
    """
    return with_height(np.ascontiguousarray(np.swapaxes(windows, 1, 2)))


def with_height(samples: NDArray[Any]) -> NDArray[Any]:
    """Insert the height: ``(n, n_times, n_chans)`` becomes ``(n, 1, n_times, n_chans)``.

    Nothing is copied.
    """
    return samples[:, None]


def to_samples(window: NDArray[Any]) -> NDArray[Any]:
    """Turn one window into frames: ``(n_chans, n_times)`` becomes ``(n_times, n_chans)``.

    The result is contiguous.
    """
    return np.ascontiguousarray(window.T)
