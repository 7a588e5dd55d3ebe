# SPDX-License-Identifier: BSD-3-Clause
"""Hand the rules of ``edge stream`` to the C that follows them."""

from __future__ import annotations

from edge.stream.live.guard import RAIL_SAMPLES
from edge.stream.live.settings import Settings
from firmware_bridge.signal import settling
from firmware_bridge.signal.contract import SignalContract
from firmware_bridge.stream.session import Rules


def rules_of(contract: SignalContract, settings: Settings | None = None) -> Rules:
    """Return a contract's rules in samples; those that ``edge stream`` has by itself without."""
    settings = settings or Settings()
    assert contract.sfreq is not None  # a signal chain was made of it
    tolerance = settings.tolerance(contract.sfreq)
    return Rules(
        settings.rule.smooth,
        settings.rule.threshold,
        settings.rule.release,
        tolerance.max_gap,
        tolerance.flat,
        RAIL_SAMPLES,
        settling.samples(contract.filter),
    )
