# SPDX-License-Identifier: BSD-3-Clause
"""What every family is held to: exact lowering, int8 near float, every target near the graph."""

from __future__ import annotations

import functools
import json
from typing import Any

import numpy as np
import torch
from hypothesis import assume

from edge import parity
from edge.families import base as families
from edge.spec import ModelSpec, Precision
from edge.targets import base as target
from edge.targets.base import Lowered, Sources
from quantize import pipeline
from quantize.graph import reference
from quantize.graph.qgraph import LOGITS
from quantize.recipe import Recipe
from tests.networks import randomized, windows

TARGETS = ("c", "executorch", "onnx", "tflite")


def lowered_equals(spec: ModelSpec, seed: int) -> None:
    """Every parameter and statistic random: 1e-9 relative in float64."""
    module = randomized(spec, seed, torch.float64)
    x = torch.from_numpy(windows(spec, 2, seed)).double()
    with torch.no_grad():
        expected, got = module(x), families.lower(module, spec)(x[:, :, None])
    assume(bool(expected.abs().max() > 1e-6))
    assert float((expected - got).abs().max() / expected.abs().max()) < 1e-9


def quantized(spec: ModelSpec) -> Sources:
    """A random network in float and in int8."""
    return _quantized(spec.mode, json.dumps(vars(spec), sort_keys=True))


@functools.cache
def _quantized(_: str, fields: str) -> Sources:
    spec = ModelSpec(**json.loads(fields))
    net = families.lower(randomized(spec, 1), spec)
    made = pipeline.quantize(net, windows(spec, 100), Recipe())
    return Sources(Lowered(made.float_graph, net), made)


def median_sqnr_db(spec: ModelSpec) -> float:
    """int8 against float on windows that calibration has not seen."""
    sources, x = quantized(spec), windows(spec, 40, 7)
    with torch.no_grad():
        expected = sources.lowered.net(torch.from_numpy(x)[:, :, None]).numpy()
    error = (reference.run(sources.graph(Precision.INT8), x).real - expected) ** 2
    return float(np.median(10 * np.log10((expected**2).sum(1) / error.sum(1))))


def runs_on(spec: ModelSpec, name: str) -> None:
    """int8 exact where the target is, else with less noise than quantization's; float to 1e-4."""
    sources, x = quantized(spec), windows(spec, 30, 8)
    chosen: Any = target.load(name)
    floats = reference.run(sources.graph(Precision.FLOAT), x).real
    for precision in chosen.PRECISIONS:
        graph = sources.graph(precision)
        expected = reference.run(graph, x).real
        noise = np.square(expected - floats).sum()
        content = chosen.write(sources, precision)
        for load in chosen.RUNTIMES.values():
            got = load(content, ())(x)
            if precision == Precision.FLOAT:
                np.testing.assert_allclose(got, expected, atol=1e-4 * np.abs(expected).max())
            else:
                terms = target.terms(chosen, graph, LOGITS)
                assert np.square(got - expected).sum() <= noise
                if terms.allowed is not None:
                    assert parity.steps_apart(expected, got, terms.step).max() <= terms.allowed
