# SPDX-License-Identifier: BSD-3-Clause
"""se: squeeze and excitation."""

from __future__ import annotations

import pytest

from tests.edge.families.attentionbasenet.gates.gates import (
    attention,
    held_in_network,
    held_to_braindecode,
    limits,
)


@pytest.mark.parametrize("rate", [1, 3, 8])
def test_deploy_form_is_braindecodes(rate: int) -> None:
    """Any reduction, with and without biases."""
    held_to_braindecode("se", attention("SqueezeAndExcitation", 8, rate))
    held_to_braindecode("se", attention("SqueezeAndExcitation", 8, rate, bias=True))
    held_in_network("se", {"reduction_rate": rate})


@pytest.mark.parametrize(
    ("rate", "refused"), [(1, False), (4, False), (16, False), (17, True), (0, True)]
)
def test_limits(rate: int, refused: bool) -> None:
    """At least one channel must be left."""
    assert bool(limits("se", reduction_rate=rate)) == refused
