# SPDX-License-Identifier: BSD-3-Clause
"""Every mode on every target, float and int8, held to the one graph: logits and features."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from edge import parity, registry
from edge.families import base as lower
from edge.spec import ModelSpec, Precision
from edge.targets import base as target
from edge.targets import c
from edge.targets.base import Sources
from firmware_bridge.plan.source import symbol
from quantize.graph import outputs, reference
from quantize.graph.qgraph import Conv, QGraph
from quantize.pt2e import ptq
from quantize.pt2e.extract import extract
from quantize.recipe import Recipe
from tests.networks import SMALL, randomized, windows
from tests.sources import of_network

GIVEN = ("features",)

VARIANTS = {  # as far as braindecode goes with 8 channels and 57 tokens
    "ge extra_params": ("ge", {"extra_params": True}),
    "ge both": ("ge", {"extra_params": True, "use_mlp": True, "reduction_rate": 8}),
    "srm use_mlp": ("srm", {"use_mlp": True, "reduction_rate": 16}),
    "fca freq_idx": ("fca", {"freq_idx": 57, "reduction_rate": 1}),
    "gsop wide": ("gsop", {"reduction_rate": 1}),
    "encnet many": ("encnet", {"n_codewords": 17}),
    "cbam kernel": ("cbam", {"kernel_size": 121, "reduction_rate": 8}),
    **{mode: (mode, {}) for mode in registry.names(registry.MODES)},
}


@functools.cache
def sources(variant: str) -> tuple[Sources, NDArray[np.float32]]:
    """Both graphs of a random network, and windows that it was not calibrated on."""
    mode, arguments = VARIANTS[variant]
    spec = ModelSpec(mode, 4, 300, 3, {**SMALL, **arguments})
    net = lower.lower(randomized(spec, 1), spec)
    qdq = ptq.quantize(net, windows(spec, 60), Recipe())
    floats = extract(ptq.trace(net, spec.n_chans, spec.n_times))
    graphs = [outputs.give(graph, GIVEN) for graph in (floats, extract(qdq))]
    return of_network(net, *graphs, qdq), windows(spec, 20, 7)


def features(graph: QGraph, logits: reference.Logits) -> NDArray[np.float32]:
    """The reference's, (n, n_values)."""
    return outputs.real(graph, "features", logits.others["features"])


def holds_int8_weights(data: target.Content, graph: QGraph) -> bool:
    """Whether what mixes a float gate's descriptors lies in an artifact as int8."""
    mixed = [node for node in graph.float_nodes() if isinstance(node, Conv) and not node.depthwise]
    for node in mixed:
        weight = graph.constants[f"{node.output}.weight"]
        if weight.dtype != np.int8 or graph[node.output].shape[2] > 1:
            continue
        if isinstance(data, bytes):
            found = weight.tobytes() in data
        else:
            name = symbol(c.NAME, node.output, "weight")
            array = f"static const int8_t {name}[".encode()
            found = any(array in text for text in data.values())
        if not found:
            return False
    return True


@pytest.mark.parametrize("name", target.default_names(int8=False))
@pytest.mark.parametrize("variant", VARIANTS)
def test_float(variant: str, name: str) -> None:
    """The float graph's values within 1e-4, on every runtime of the target."""
    made, x = sources(variant)
    chosen = target.load(name)
    data = chosen.write(made, Precision.FLOAT)
    logits = reference.run(made.lowered.graph, x)
    expected = {"logits": logits.real, "features": features(made.lowered.graph, logits)}
    for output, wanted in expected.items():
        with torch.no_grad():
            form = lower.lowered_values(made.lowered.net)[output]
            network = form(torch.from_numpy(x)[:, :, None]).numpy()
        np.testing.assert_allclose(wanted, network, rtol=0, atol=1e-4 * np.abs(network).max())
    for load in chosen.RUNTIMES.values():
        got = load(data, GIVEN)
        for output, values in got.values(x).items():
            atol = 1e-4 * np.abs(expected[output]).max()
            np.testing.assert_allclose(values, expected[output], rtol=0, atol=atol)


@pytest.mark.parametrize("name", registry.names(registry.TARGETS))
@pytest.mark.parametrize("variant", VARIANTS)
def test_int8(variant: str, name: str) -> None:
    """No cell is blocked, and int8 adds less noise than quantization itself twice over."""
    made, x = sources(variant)
    chosen = target.load(name)
    graph = made.graph(Precision.INT8)
    assert target.judge(graph, chosen.ABILITIES).verdict != "BLOCKED"
    data = chosen.write(made, Precision.INT8)
    assert holds_int8_weights(data, graph)
    logits = reference.run(graph, x)
    floats = reference.run(made.lowered.graph, x)
    pairs = {
        "logits": (logits.real, floats.real),
        "features": (features(graph, logits), features(made.lowered.graph, floats)),
    }
    for load in chosen.RUNTIMES.values():
        got = load(data, GIVEN).values(x)
        for output, (integers, unrounded) in pairs.items():
            noise = np.square(integers - unrounded).sum()
            assert np.square(got[output] - integers).sum() < 2 * noise
            terms = target.terms(chosen, graph, output)
            if terms.allowed is not None:
                steps = parity.steps_apart(integers, got[output], terms.step)
                assert steps.max() <= terms.allowed
