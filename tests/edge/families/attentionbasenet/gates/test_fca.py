# SPDX-License-Identifier: BSD-3-Clause
"""fca: a discrete cosine transform as a depthwise convolution."""

from __future__ import annotations

import pytest

from tests.edge.families.attentionbasenet.gates.gates import (
    attention,
    held_in_network,
    held_to_braindecode,
    limits,
)


@pytest.mark.parametrize("index", [0, 1, 5, 30])
def test_deploy_form_is_braindecodes(index: int) -> None:
    """Any frequency."""
    held_to_braindecode("fca", attention("FCA", 8, 31, 4, index))
    held_in_network("fca", {"freq_idx": index})


@pytest.mark.parametrize(
    ("rate", "refused"), [(1, False), (4, False), (16, False), (17, True), (0, True)]
)
def test_limits(rate: int, refused: bool) -> None:
    """At least one channel must be left."""
    assert bool(limits("fca", reduction_rate=rate)) == refused


def test_other_limits() -> None:
    """braindecode counts tokens for odd filters only; there is no negative frequency."""
    assert limits("fca", temp_filter_length=14) == (
        "temp_filter_length must be odd for fca with these arguments, got 14. Try 15.",
    )
    assert limits("fca", freq_idx=-1) == ("freq_idx must not be negative for fca, got -1. Try 0.",)
