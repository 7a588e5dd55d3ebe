# SPDX-License-Identifier: BSD-3-Clause
"""Quantiles of a stream of values, in memory that does not grow with it.

Values are counted in buckets whose edges grow by a constant factor (the DDSketch of Masson, Rim and
Lee, VLDB 2019, with a fixed range), so that a quantile is off by at most 1 % of its value.
"""

from __future__ import annotations

import math

import numpy as np

ACCURACY = 0.01
"""Greatest relative error of a quantile between :data:`LEAST` and :data:`MOST`."""
LEAST, MOST = 1e-3, 1e9
"""Values below count as 0, values above as this; in milliseconds a microsecond and eleven days."""

_GROWTH = (1 + ACCURACY) / (1 - ACCURACY)
_N_BUCKETS = math.ceil(math.log(MOST / LEAST) / math.log(_GROWTH)) + 1


class Quantiles:
    """Counts values that are not negative; 12 KB however many they are."""

    def __init__(self) -> None:
        self.counts = np.zeros(_N_BUCKETS + 1, np.int64)  # the first one is for 0

    def add(self, value: float) -> None:
        """Count a value."""
        if value <= LEAST:
            bucket = 0
        else:
            exponent = math.log(min(value, MOST) / LEAST) / math.log(_GROWTH)
            bucket = 1 + min(_N_BUCKETS - 1, math.floor(exponent))
        self.counts[bucket] += 1

    def quantile(self, share: float) -> float:
        """Value that a share of all is not above; 0 where there are none.

        Parameters
        ----------
        share
            From 0 to 1.
        """
        total = int(self.counts.sum())
        if total == 0:
            return 0.0
        rank = max(1, math.ceil(share * total))
        bucket = int(np.searchsorted(np.cumsum(self.counts), rank))
        if bucket == 0:
            return 0.0
        low = LEAST * _GROWTH ** (bucket - 1)
        return low * 2 * _GROWTH / (1 + _GROWTH)  # equally far from both ends, relatively
