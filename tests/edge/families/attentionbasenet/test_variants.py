# SPDX-License-Identifier: BSD-3-Clause
"""Arguments of every mode, drawn from all that braindecode accepts, on every target but one.

ExecuTorch, which takes seconds to lower a network, has the extremes in test_modes_on_targets.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge import parity, registry
from edge.checkpoint import build
from edge.errors import IncompatibleError
from edge.families import base as lower
from edge.spec import ModelSpec, Precision
from edge.targets import base as target
from edge.targets.base import Lowered, Sources
from quantize import pipeline
from quantize.graph import reference
from quantize.pt2e import ptq
from quantize.pt2e.extract import extract
from quantize.recipe import Recipe
from tests.networks import SMALL, randomized, windows

TARGETS = [name for name in registry.names(registry.TARGETS) if name != "executorch"]
N_TIMES = 200


@st.composite
def specs(draw: st.DrawFn) -> ModelSpec:
    """A small network of any mode with arguments of its own."""
    mode = draw(st.sampled_from(registry.names(registry.MODES)))
    ch_dim = draw(st.integers(2, 9))
    arguments: dict[str, Any] = {
        "ch_dim": ch_dim,
        "reduction_rate": draw(st.integers(1, ch_dim)),
        "kernel_size": 2 * draw(st.integers(0, 25)) + 1,
        "n_codewords": draw(st.integers(1, 9)),
        "freq_idx": draw(st.integers(0, 50)),
        "use_mlp": draw(st.booleans()),
        "extra_params": draw(st.booleans()),
    }
    return ModelSpec(mode, 3, N_TIMES, 2, {**SMALL, **arguments})


@settings(max_examples=3, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(specs())
def test_any_arguments(spec: ModelSpec) -> None:
    """Lowered exactly, quantized, written, loaded and run; C to the integer."""
    module = randomized(spec, 1)
    net, x = lower.lower(module, spec), windows(spec, 10, 7)
    floats = extract(ptq.trace(net, spec.n_chans, spec.n_times))
    made = pipeline.quantize(net, windows(spec, 60), Recipe())
    sources = Sources(Lowered(floats, net), made)
    with torch.no_grad():
        wanted = module(torch.from_numpy(x)).numpy()
    integers = reference.run(made.graph, x)
    noise = max(np.square(integers.real - reference.run(floats, x).real).sum(), 1e-9)
    for name in TARGETS:
        chosen = target.load(name)
        for precision in chosen.PRECISIONS:
            content = chosen.write(sources, precision)
            for load in chosen.RUNTIMES.values():
                got = load(content)(x)
                if precision == Precision.FLOAT:
                    apart = np.abs(got - wanted).max()
                    assert apart < 1e-4 * np.abs(wanted).max(), (name, spec)
                    continue
                assert np.square(got - integers.real).sum() < 2 * noise, (name, spec)
                terms = target.terms(chosen, made.graph, "logits")
                if terms.allowed is not None:
                    steps = parity.steps_apart(integers.real, got, terms.step)
                    assert steps.max() <= terms.allowed, (name, spec)


REFUSED = {
    "se": ({"reduction_rate": 9}, "reduction_rate must be between 1 and 8 for se"),
    "gsop": ({"reduction_rate": 0}, "reduction_rate must be between 1 and 8 for gsop"),
    "fca": ({"freq_idx": -1}, "freq_idx must not be negative for fca, got -1. Try 0."),
    "encnet": ({"n_codewords": 0}, "n_codewords must be positive for encnet, got 0. Try 4."),
    "eca": ({"kernel_size": 0}, "kernel_size must be odd and positive for eca, got 0. Try 1."),
    "ge": ({"use_mlp": True, "reduction_rate": 9}, "reduction_rate must be between 1 and 8 for ge"),
    "srm": ({"use_mlp": True, "reduction_rate": 17}, "reduction_rate must be between 1 and 16"),
    "cbam": ({"kernel_size": 4}, "kernel_size must be odd and positive for cbam, got 4. Try 5."),
    "cat": ({"ch_dim": 1}, "reduction_rate must be between 1 and 1 for cat"),
    "catlite": (
        {"ch_dim": 1, "reduction_rate": 1},
        "ch_dim must be at least 2 for catlite: entropies are compared. Try 16.",
    ),
}
KINDS = {
    "reduction_rate": (2.5, "reduction_rate must be a whole number, got 2.5. Try 4."),
    "kernel_size": ("wide", "kernel_size must be a whole number, got 'wide'. Try 9."),
    "freq_idx": (True, "freq_idx must be a whole number, got True. Try 0."),
    "use_mlp": ("yes", "use_mlp must be true or false, got 'yes'. Try false."),
    "drop_prob_attn": ("half", "drop_prob_attn must be a number, got 'half'. Try 0.5."),
}
WITHOUT_ARGUMENTS = {"none", "gct"}


@pytest.mark.parametrize("mode", REFUSED)
def test_refused(mode: str) -> None:
    """Our words and the limit, before braindecode raises or divides by nothing."""
    arguments, begins = REFUSED[mode]
    with pytest.raises(IncompatibleError) as error:
        build.build(ModelSpec(mode, 3, N_TIMES, 2, {**SMALL, **arguments}))
    assert str(error.value).startswith(begins)


@pytest.mark.parametrize("name", KINDS)
def test_refused_kinds(name: str) -> None:
    """A value of another kind, which braindecode takes or stumbles over somewhere inside."""
    value, message = KINDS[name]
    with pytest.raises(IncompatibleError) as error:
        build.build(ModelSpec("se", 3, N_TIMES, 2, {**SMALL, name: value}))
    assert str(error.value) == message


def test_every_mode_is_refused_something() -> None:
    """All but those that have no arguments."""
    assert set(REFUSED) | WITHOUT_ARGUMENTS == set(registry.names(registry.MODES))
