# SPDX-License-Identifier: BSD-3-Clause
"""cat: scores of channels and of tokens."""

from __future__ import annotations

import pytest
import torch

from edge import registry
from tests.edge.families.attentionbasenet.gates.gates import (
    attention,
    held_in_network,
    held_to_braindecode,
    limits,
)


@pytest.mark.parametrize("rate", [1, 4, 8])
@pytest.mark.parametrize("bias", [False, True])
def test_deploy_form_is_braindecodes(rate: int, bias: bool) -> None:
    """Any reduction, with and without biases; every score weighs in."""
    held_to_braindecode("cat", attention("CAT", 8, rate, 9, bias=bias))
    held_in_network("cat", {"reduction_rate": rate})


def test_vanishing_probabilities() -> None:
    """Where braindecode's ``p * log p`` is NaN, because p is 0, the limit is taken."""
    gate = registry.load(registry.MODES, "cat", "--mode").deploy(attention("CAT", 8, 4, 9), 8, 31)
    x = torch.randn(2, 8, 1, 31, dtype=torch.float64)
    x[:, :4, :, 7] = -1000
    with torch.no_grad():
        assert bool(torch.isfinite(gate(x)).all())


@pytest.mark.parametrize(
    ("rate", "refused"), [(1, False), (4, False), (16, False), (17, True), (0, True)]
)
def test_limits(rate: int, refused: bool) -> None:
    """At least one channel must be left."""
    assert bool(limits("cat", reduction_rate=rate)) == refused


def test_one_channel() -> None:
    """There is nothing to compare its entropy with."""
    assert limits("cat", ch_dim=1, reduction_rate=1) == (
        "ch_dim must be at least 2 for cat: entropies are compared. Try 16.",
    )
