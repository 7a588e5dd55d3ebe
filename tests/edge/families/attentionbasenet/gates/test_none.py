# SPDX-License-Identifier: BSD-3-Clause
"""none: nothing between the block and its pool."""

from __future__ import annotations

import torch

from edge.families.attentionbasenet.gates import none
from edge.spec import ModelSpec


def test_deploy_form_is_nothing() -> None:
    """What comes in goes out."""
    x = torch.randn(2, 16, 1, 62)
    assert none.deploy(None, 16, 62)(x) is x


def test_no_limits() -> None:
    """No argument concerns it."""
    assert none.limits(ModelSpec("none", 4, 400, 2, {"kernel_size": 8})) == ()
