# SPDX-License-Identifier: BSD-3-Clause
"""srm: mean and standard deviation by weights of their own."""

from __future__ import annotations

import pytest

from tests.edge.families.attentionbasenet.gates.gates import (
    attention,
    held_in_network,
    held_to_braindecode,
    limits,
)


@pytest.mark.parametrize("use_mlp", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_deploy_form_is_braindecodes(use_mlp: bool, bias: bool) -> None:
    """Per channel or through an MLP, with and without biases."""
    held_to_braindecode("srm", attention("SRM", 8, use_mlp, 4, bias))
    held_in_network("srm", {"use_mlp": use_mlp})


@pytest.mark.parametrize(("rate", "refused"), [(1, False), (32, False), (33, True), (0, True)])
def test_limits(rate: int, refused: bool) -> None:
    """The MLP sees two values a channel; without it there is no rate."""
    assert bool(limits("srm", reduction_rate=rate, use_mlp=True)) == refused
    assert not limits("srm", reduction_rate=rate)
