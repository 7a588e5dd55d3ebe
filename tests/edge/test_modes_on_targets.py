"""Every mode on every target, float and int8, held to the one graph."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from edge import registry, target
from edge.lower import lower
from edge.spec import ModelSpec, Precision
from edge.target import Sources
from quantize import ptq, reference
from quantize.extract import extract
from quantize.recipe import Recipe
from tests.networks import SMALL, randomized, windows

VARIANTS = {
    "ge extra_params": ("ge", {"extra_params": True}),
    "ge use_mlp": ("ge", {"use_mlp": True}),
    "srm use_mlp": ("srm", {"use_mlp": True}),
    "fca freq_idx": ("fca", {"freq_idx": 3}),
    "gsop wide": ("gsop", {"reduction_rate": 1}),
    "encnet many": ("encnet", {"n_codewords": 7}),
    "cbam kernel": ("cbam", {"kernel_size": 3}),
    **{mode: (mode, {}) for mode in registry.names("edge.modes")},
}


@functools.cache
def sources(variant: str) -> tuple[Sources, NDArray[np.float32]]:
    """Both graphs of a random network, and windows that it was not calibrated on."""
    mode, arguments = VARIANTS[variant]
    spec = ModelSpec(mode, 4, 300, 3, {**SMALL, **arguments})
    net = lower(randomized(spec, 1), spec)
    qdq = ptq.quantize(net, windows(spec, 60), Recipe())
    floats = extract(ptq.trace(net, spec.n_chans, spec.n_times))
    return Sources(floats, extract(qdq), net, qdq), windows(spec, 20, 7)


@pytest.mark.parametrize("name", target.default_names(int8=False))
@pytest.mark.parametrize("variant", VARIANTS)
def test_float(variant: str, name: str) -> None:
    """The float graph's logits within 1e-4, on every runtime of the target."""
    made, x = sources(variant)
    chosen = target.load(name)
    data = chosen.write(made, Precision.FLOAT)
    expected = reference.run(made.float_graph, x).real
    assert made.net is not None
    with torch.no_grad():
        network = made.net(torch.from_numpy(x)[:, :, None]).numpy()
    np.testing.assert_allclose(expected, network, rtol=0, atol=1e-4 * np.abs(network).max())
    for load in chosen.RUNTIMES.values():
        got = load(data)(x)
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("name", registry.names("edge.targets"))
@pytest.mark.parametrize("variant", VARIANTS)
def test_int8(variant: str, name: str) -> None:
    """No cell is blocked, and int8 adds less noise than quantization itself twice over."""
    made, x = sources(variant)
    chosen = target.load(name)
    graph = made.graph(Precision.INT8)
    assert target.judge(graph, chosen.ABILITIES).verdict != "BLOCKED"
    data = chosen.write(made, Precision.INT8)
    logits = reference.run(graph, x)
    integers = logits.unrounded if chosen.OPEN_HEAD else logits.real
    noise = np.square(integers - reference.run(made.float_graph, x).real).sum()
    for load in chosen.RUNTIMES.values():
        got = load(data)(x)
        assert np.square(got - integers).sum() < 2 * noise
        allowed = target.allowed_steps(chosen, graph)
        if allowed is not None:
            steps = np.rint((got - integers) / graph.quant(graph.output).scale)
            assert np.abs(steps).max() <= allowed
