# SPDX-License-Identifier: BSD-3-Clause
"""Random networks for tests: every parameter and statistic away from its initial value."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edge.checkpoint import build
from edge.spec import ModelSpec

SMALL = {
    "n_temporal_filters": 6,
    "ch_dim": 8,
    "temp_filter_length_inp": 9,
    "pool_length_inp": 20,
    "pool_stride_inp": 5,
    "temp_filter_length": 5,
    "pool_length": 4,
    "pool_stride": 4,
}
"""Arguments of a network that quantizes in a second."""


def randomized(spec: ModelSpec, seed: int, dtype: torch.dtype = torch.float32) -> Any:
    """braindecode's module with random weights, affine parameters and running statistics."""
    module = build.build(spec, seed).module.to(dtype)
    generator = torch.Generator().manual_seed(seed)

    def uniform(like: torch.Tensor, low: float, high: float) -> torch.Tensor:
        return low + (high - low) * torch.rand(like.shape, generator=generator, dtype=dtype)

    for layer in module.modules():
        if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
            layer.running_mean.copy_(uniform(layer.running_mean, -0.5, 0.5))
            layer.running_var.copy_(uniform(layer.running_var, 0.5, 2.0))
            if layer.affine:
                layer.weight.data = uniform(layer.weight, 0.5, 1.5)
                layer.bias.data = uniform(layer.bias, -0.5, 0.5)
    for name, parameter in module.named_parameters():
        if parameter.ndim > 1:
            fan_in = parameter[0].numel()
            noise = torch.randn(parameter.shape, generator=generator, dtype=dtype)
            parameter.data = noise * (2.0 / fan_in) ** 0.5
        elif "bn" not in name:
            parameter.data = uniform(parameter, -1, 1)
    return module.eval()


def windows(spec: ModelSpec, count: int, seed: int = 0) -> NDArray[np.float32]:
    """Unit noise with a common part, (count, n_chans, n_times) float32."""
    rng = np.random.default_rng(seed)
    common = rng.standard_normal((count, 1, spec.n_times))
    own = rng.standard_normal((count, spec.n_chans, spec.n_times))
    return np.asarray(0.5 * common + own, np.float32)
