# SPDX-License-Identifier: BSD-3-Clause
"""ge: gather and excite in its four forms."""

from __future__ import annotations

import pytest

from tests.edge.families.attentionbasenet.gates.gates import (
    attention,
    held_in_network,
    held_to_braindecode,
    limits,
)


@pytest.mark.parametrize("extra_params", [False, True])
@pytest.mark.parametrize("use_mlp", [False, True])
def test_deploy_form_is_braindecodes(extra_params: bool, use_mlp: bool) -> None:
    """A mean or a learned sum with its batch norm, with and without an MLP."""
    named = {"extra_params": extra_params, "use_mlp": use_mlp}
    held_to_braindecode("ge", attention("GatherExcite", 8, 31, reduction_rate=3, **named))
    held_in_network("ge", {**named, "reduction_rate": 3})


@pytest.mark.parametrize(
    ("rate", "refused"), [(1, False), (4, False), (16, False), (17, True), (0, True)]
)
def test_limits(rate: int, refused: bool) -> None:
    """At least one channel must be left."""
    assert bool(limits("ge", reduction_rate=rate, use_mlp=True)) == refused


def test_other_limits() -> None:
    """The rate counts where there is an MLP, the filter where the sum is learned."""
    assert not limits("ge", reduction_rate=99, temp_filter_length=14)
    assert limits("ge", extra_params=True, temp_filter_length=14) == (
        "temp_filter_length must be odd for ge with these arguments, got 14. Try 15.",
    )
