# SPDX-License-Identifier: BSD-3-Clause
"""gsop: the linear map of a covariance as one matrix over pairs."""

from __future__ import annotations

import pytest

from tests.edge.families.attentionbasenet.gates.gates import (
    attention,
    held_in_network,
    held_to_braindecode,
    limits,
)


@pytest.mark.parametrize("rate", [1, 3, 8])
@pytest.mark.parametrize("bias", [False, True])
def test_deploy_form_is_braindecodes(rate: int, bias: bool) -> None:
    """Any number of mixed channels, one alone included."""
    held_to_braindecode("gsop", attention("GSoP", 8, rate, bias=bias))
    held_in_network("gsop", {"reduction_rate": rate})


@pytest.mark.parametrize(
    ("rate", "refused"), [(1, False), (4, False), (16, False), (17, True), (0, True)]
)
def test_limits(rate: int, refused: bool) -> None:
    """At least one channel must be left."""
    assert bool(limits("gsop", reduction_rate=rate)) == refused
