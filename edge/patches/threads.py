# SPDX-License-Identifier: BSD-3-Clause
"""Run PyTorch and NumPy on one thread where their operations are too small for two.

Calibration and comparison run a network of two million multiplications window by window. Threads
gain nothing there, and where another program has the second core every operation waits for the
scheduler twice: 400 calibration windows then took 400 s instead of 3. Sums that are not split among
threads also make a bundle's bytes independent of the number of cores: OpenBLAS, which multiplies
NumPy's matrices, rounds otherwise on two threads, and the simulated windows are such products.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits


@contextmanager
def single_thread() -> Iterator[None]:
    """Use one thread inside the block, and as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)
