# SPDX-License-Identifier: BSD-3-Clause
"""Take some of many windows where all of them would take too long."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def evenly(windows: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Return at most ``count`` of (n, n_chans, n_times) windows, spread evenly over all."""
    index = np.unique(np.linspace(0, len(windows) - 1, count).astype(int))
    return np.asarray(windows[index])
