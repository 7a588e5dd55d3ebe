# SPDX-License-Identifier: BSD-3-Clause
"""encnet: distances to codewords from two mixings, residuals as one product."""

from __future__ import annotations

import pytest

from tests.edge.families.attentionbasenet.gates.gates import (
    attention,
    held_in_network,
    held_to_braindecode,
    limits,
)


@pytest.mark.parametrize("n_codewords", [1, 2, 4, 9])
def test_deploy_form_is_braindecodes(n_codewords: int) -> None:
    """Any number of codewords."""
    held_to_braindecode("encnet", attention("EncNet", 8, n_codewords))
    held_in_network("encnet", {"n_codewords": n_codewords})


@pytest.mark.parametrize(("n", "refused"), [(1, False), (4, False), (0, True)])
def test_limits(n: int, refused: bool) -> None:
    """At least one codeword."""
    assert bool(limits("encnet", n_codewords=n)) == refused
