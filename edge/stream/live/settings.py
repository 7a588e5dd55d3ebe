# SPDX-License-Identifier: BSD-3-Clause
"""Describe how a stream is decoded; needs nothing but numpy, because firmware follows it too."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge.stream.live.decision import Rule
from edge.stream.live.guard import Tolerance
from edge.stream.live.link import Patience

BETWEEN_S = 1.0
"""Signal between two reports of repeated frames, or of frames that are no numbers."""


@dataclass(frozen=True)
class Settings:
    """How a stream is decoded.

    Attributes
    ----------
    max_gap_s
        Lost signal that is interpolated at most.
    flat_s
        Standing still that makes a channel flat.
    limit_s
        Signal after which to end; None for never.
    """

    rule: Rule = field(default_factory=Rule)
    patience: Patience = field(default_factory=Patience)
    max_gap_s: float = 0.02
    flat_s: float = 0.25
    limit_s: float | None = None

    def tolerance(self, sfreq: float) -> Tolerance:
        """Return the tolerance in samples; one lost sample is always bridged."""
        return Tolerance(
            max_gap=max(1, round(self.max_gap_s * sfreq)),
            flat=max(3, round(self.flat_s * sfreq)),
            between=max(1, round(BETWEEN_S * sfreq)),
        )
