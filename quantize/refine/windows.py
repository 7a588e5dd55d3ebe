# SPDX-License-Identifier: BSD-3-Clause
"""Some of many windows, where all of them would take too long."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def evenly(windows: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """At most ``count`` of (n, n_chans, n_times) windows, evenly over all of them."""
    index = np.unique(np.linspace(0, len(windows) - 1, count).astype(int))
    return np.asarray(windows[index])
