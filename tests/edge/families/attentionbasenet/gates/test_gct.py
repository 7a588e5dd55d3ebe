# SPDX-License-Identifier: BSD-3-Clause
"""gct: norms over time, normalized over channels."""

from __future__ import annotations

from tests.edge.families.attentionbasenet.gates.gates import (
    attention,
    held_in_network,
    held_to_braindecode,
    limits,
)


def test_deploy_form_is_braindecodes() -> None:
    """With gates away from their initial constants."""
    held_to_braindecode("gct", attention("GCT", 8))
    held_in_network("gct")


def test_limits() -> None:
    """It has no arguments."""
    assert not limits("gct", reduction_rate=99)
