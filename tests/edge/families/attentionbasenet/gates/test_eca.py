# SPDX-License-Identifier: BSD-3-Clause
"""eca: the convolution over channels is a banded matrix."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from edge.families.attentionbasenet.gates import eca
from edge.spec import ModelSpec


@pytest.mark.parametrize("size", [1, 3, 9, 15])
@pytest.mark.parametrize("n_channels", [1, 4, 16])
def test_banded_matrix(size: int, n_channels: int) -> None:
    """It is torch's zero-padded correlation, also where the kernel is wider than the channels."""
    kernel, x = torch.randn(size), torch.randn(5, n_channels)
    expected = functional.conv1d(x[:, None], kernel[None, None], padding=size // 2)[:, 0]
    torch.testing.assert_close(x @ eca.banded(kernel, n_channels).T, expected)


@pytest.mark.parametrize(("size", "refused"), [(9, False), (1, False), (8, True), (0, True)])
def test_limits(size: int, refused: bool) -> None:
    """Only odd, positive kernels."""
    assert bool(eca.limits(ModelSpec("eca", 4, 400, 2, {"kernel_size": size}))) == refused


def test_deploy_form_is_braindecodes() -> None:
    """The gate alone, in float64, against braindecode's module."""
    from braindecode.modules.attention import ECA

    theirs = ECA(16, 9).double()
    ours = eca.deploy(theirs, 16, 62)
    x = torch.randn(3, 16, 1, 62, dtype=torch.float64)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-12, atol=1e-12)
