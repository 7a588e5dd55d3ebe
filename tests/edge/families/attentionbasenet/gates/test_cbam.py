# SPDX-License-Identifier: BSD-3-Clause
"""cbam: a gate per channel, then a gate per token."""

from __future__ import annotations

import pytest

from tests.edge.families.attentionbasenet.gates.gates import (
    attention,
    held_in_network,
    held_to_braindecode,
    limits,
)


@pytest.mark.parametrize("size", [1, 3, 9])
@pytest.mark.parametrize("rate", [1, 4, 8])
def test_deploy_form_is_braindecodes(size: int, rate: int) -> None:
    """Any kernel over tokens, any reduction."""
    held_to_braindecode("cbam", attention("CBAM", 8, rate, size))
    held_in_network("cbam", {"kernel_size": size, "reduction_rate": rate})


@pytest.mark.parametrize(
    ("rate", "refused"), [(1, False), (4, False), (16, False), (17, True), (0, True)]
)
def test_limits(rate: int, refused: bool) -> None:
    """At least one channel must be left."""
    assert bool(limits("cbam", reduction_rate=rate)) == refused


@pytest.mark.parametrize(("size", "refused"), [(9, False), (1, False), (8, True), (0, True)])
def test_kernel_limits(size: int, refused: bool) -> None:
    """Only odd, positive kernels."""
    assert bool(limits("cbam", kernel_size=size)) == refused
