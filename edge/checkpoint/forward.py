# SPDX-License-Identifier: BSD-3-Clause
"""Run a module on windows, so that its bits never depend on how many there are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edge.patches.threads import single_thread


@single_thread()
def predict(
    module: Callable[[Tensor], Tensor], windows: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Compute logits (n, n_outputs) one window at a time, so that bits never depend on n.

    Of another form than the module itself, what that gives (n, n_values).
    """
    with torch.no_grad():
        logits = [module(window[None]) for window in torch.from_numpy(windows)]
    found: NDArray[np.float32] = torch.cat(logits).numpy()
    return found
