# SPDX-License-Identifier: BSD-3-Clause
"""Lowering is exact, whatever braindecode builds."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from edge import registry
from edge.errors import IncompatibleError
from edge.families.attentionbasenet.lowering import lower, stem_of
from edge.lower.chain import Chain
from edge.spec import ModelSpec
from tests.networks import SMALL, randomized, windows

ACTIVATIONS = ("ELU", "ReLU", "GELU", "SiLU", "Tanh", "LeakyReLU", "Sigmoid")
ODD = ("fca", "ge")
"""Modes whose gates count tokens, which braindecode gets right for odd filters only."""
TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-9}


SINGLE = {"n_temporal_filters": 1, "temp_filter_length_inp": 1, "spatial_expansion": 1}
BROADCAST = ModelSpec(
    "fca", 1, 20, 2, SINGLE | {"pool_length_inp": 21, "pool_stride_inp": 1, "ch_dim": 2}
    | {"temp_filter_length": 5, "pool_length": 1, "pool_stride": 1, "reduction_rate": 1},
)  # fmt: skip
"""The second filter is shortened from 5 to 4: two tokens, and a cosine of one for both."""


def activation_path(name: str) -> str:
    """How braindecode's config.json names an activation."""
    cls = getattr(torch.nn, name)
    return f"{cls.__module__}.{cls.__qualname__}"


@st.composite
def specs(draw: st.DrawFn) -> ModelSpec:
    """Shapes that braindecode builds: odd and even kernels, overlapping pools or not, any width."""
    integers = lambda low, high: draw(st.integers(low, high))  # noqa: E731
    mode = draw(st.sampled_from(registry.names(registry.MODES)))
    ch_dim = integers(2, 16)
    return ModelSpec(
        mode=mode,
        n_chans=integers(1, 64),
        n_times=integers(20, 700),
        n_outputs=integers(2, 5),
        arguments={
            "n_temporal_filters": integers(1, 12),
            "temp_filter_length_inp": integers(1, 40),
            "spatial_expansion": integers(1, 3),
            "pool_length_inp": integers(1, 60),
            "pool_stride_inp": integers(1, 20),
            "ch_dim": ch_dim,
            "temp_filter_length": 2 * integers(0, 7) + 1 if mode in ODD else integers(1, 16),
            "pool_length": integers(1, 8),
            "pool_stride": integers(1, 8),
            "kernel_size": 2 * integers(0, 5) + 1,
            "reduction_rate": integers(1, ch_dim),
            "n_codewords": integers(1, 6),
            "freq_idx": integers(0, 5),
            "use_mlp": draw(st.booleans()),
            "extra_params": draw(st.booleans()),
            "activation": activation_path(draw(st.sampled_from(ACTIVATIONS))),
        },
    )


def relative_error(module: Any, net: Chain, x: torch.Tensor) -> float:
    """``max|difference| / max|reference|`` of the two networks' logits."""
    with torch.no_grad():
        ref, out = module(x), net(x[:, :, None])
    return float((ref - out).abs().max() / ref.abs().max())


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(specs(), st.sampled_from([torch.float32, torch.float64]), st.integers(0, 2**16))
@example(ModelSpec("eca", 22, 1000, 4), torch.float32, 0)
@example(ModelSpec("eca", 22, 1000, 4, {"temp_filter_length_inp": 24}), torch.float64, 0)
@example(ModelSpec("eca", 8, 120, 4), torch.float32, 0)  # braindecode shortens every kernel
@example(BROADCAST, torch.float64, 0)
def test_lowered_equals_braindecode(spec: ModelSpec, dtype: torch.dtype, seed: int) -> None:
    """Every parameter and statistic random: 1e-4 relative in float32, 1e-9 in float64."""
    try:
        module = randomized(spec, seed, dtype)
    except IncompatibleError as error:  # what braindecode cannot run, edge.checkpoint.model refuses
        assume("braindecode builds" not in str(error))
        raise
    x = torch.from_numpy(windows(spec, 2, seed)).to(dtype)
    with torch.no_grad():
        assume(bool(module(x).abs().max() > 1e-6))
    error = relative_error(module, lower(module, spec), x)
    if error >= TOLERANCE[dtype] and dtype == torch.float32:
        assert error < 10 * own_error(module, x), "cat divides by differences that may vanish"
    else:
        assert error < TOLERANCE[dtype]


def own_error(module: Any, x: torch.Tensor) -> float:
    """What braindecode's own forward pass loses by computing in float32, relative."""
    with torch.no_grad():
        exact = copy.deepcopy(module).double()(x.double())
        return float((module(x) - exact).abs().max() / exact.abs().max())


def test_forgetting_the_sum_of_spatial_weights_would_show() -> None:
    """The bias holds ``a2 * b1 * sum(w_s)``; without it the test above would fail by far."""
    spec = ModelSpec("none", 22, 400, 4)
    module = randomized(spec, 0)
    net = lower(module, spec)
    block = module.input_block
    with torch.no_grad():
        before, after = block.intermediate_bn, block.bn
        b1 = before.bias - before.weight / torch.sqrt(before.running_var + before.eps) * (
            before.running_mean
        )
        a2 = after.weight / torch.sqrt(after.running_var + after.eps)
        forgotten = a2 * b1 * block.spatial_conv.weight.sum((1, 2, 3))
        net.temporal.bias -= forgotten
    x = torch.from_numpy(windows(spec, 2))
    assert relative_error(module, net, x) > 10 * TOLERANCE[torch.float32]


def test_stem_is_cheaper() -> None:
    """22 x 1000: the largest tensor shrinks from 880,000 to 40,000 elements."""
    module = randomized(ModelSpec("eca", 22, 1000, 4), 0)
    stem = stem_of(module.input_block).parts(module.input_block.bn.weight)
    x = torch.zeros(1, 22, 1, 1000)
    assert stem["mix"](x).numel() == stem["temporal"](stem["mix"](x)).numel() == 40_000
    assert module.input_block.temporal_conv(torch.zeros(1, 1, 22, 1000)).numel() == 880_000


def test_twelve_times_fewer_multiplications() -> None:
    """22 x 1000, default arguments: 23.0 million multiply-accumulates become 2.0 million."""
    spec = ModelSpec("none", 22, 1000, 4)
    module = randomized(spec, 0)
    net = lower(module, spec)
    theirs = multiplications(module, torch.zeros(1, 22, 1000))
    ours = multiplications(net, torch.zeros(1, 22, 1, 1000))
    assert (round(theirs / 1e6, 1), round(ours / 1e6, 1)) == (23.0, 2.0)


def multiplications(net: Any, x: torch.Tensor) -> int:
    """Multiply-accumulates of every convolution and linear layer, counted as they run."""
    total = 0

    def count(layer: Any, _: Any, output: torch.Tensor) -> None:
        nonlocal total
        total += output.numel() * layer.weight[0].numel()

    for layer in net.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            layer.register_forward_hook(count)
    with torch.no_grad():
        net(x)
    return total


def test_the_model_is_not_changed() -> None:
    """Lowering reads; the braindecode module computes the same afterwards."""
    spec = ModelSpec("eca", 4, 300, 3, SMALL)
    module = randomized(spec, 1)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    lower(module, spec)
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())


def test_overlapping_pools_are_split_into_blocks() -> None:
    """A pool of 75 every 15 averages blocks of 15, then five of them."""
    net = lower(randomized(ModelSpec("none", 3, 500, 2), 0), ModelSpec("none", 3, 500, 2))
    assert [tuple(pool.kernel_size) for pool in net.stem_pool] == [(1, 15), (1, 5)]
    assert [tuple(pool.stride) for pool in net.stem_pool] == [(1, 15), (1, 1)]


def test_lowering_matches_for_many_windows() -> None:
    """A batch gives what its windows give one by one."""
    spec = ModelSpec("eca", 4, 300, 3, SMALL)
    net = lower(randomized(spec, 2), spec)
    x = torch.from_numpy(windows(spec, 5))[:, :, None]
    with torch.no_grad():
        np.testing.assert_allclose(
            net(x), torch.cat([net(w[None]) for w in x]), rtol=1e-4, atol=1e-5
        )
