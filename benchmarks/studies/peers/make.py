# SPDX-License-Identifier: BSD-3-Clause
"""Make one stock export in a process of its own, which is timed from outside.

python -m benchmarks.studies.peers.make TARGET PRECISION CHECKPOINT WINDOWS OUT
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np


def main(arguments: list[str]) -> None:
    """Entry point of the process."""
    target, precision, checkpoint, windows, out = arguments
    from benchmarks.measure import entrants, stock
    from edge.checkpoint import files

    if target in entrants.MODULES:  # what is made is its first call
        entrants.open_session(target, Path(checkpoint))
        return
    module = files.load(checkpoint).module
    Path(out).write_bytes(stock.EXPORTS[target, precision](module, np.load(windows)))


if __name__ == "__main__":
    main(sys.argv[1:])
