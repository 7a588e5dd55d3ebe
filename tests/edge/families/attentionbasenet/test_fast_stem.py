# SPDX-License-Identifier: BSD-3-Clause
"""Training with the fast stem is braindecode's training."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch

from edge.checkpoint import build
from edge.checkpoint.forward import predict
from edge.families.attentionbasenet.fast_stem import FastStem, behind_stem, training_form
from edge.spec import ModelSpec
from edge.training import fit
from edge.training.fit import TrainingSettings
from tests.networks import SMALL, windows

NO_DROPOUT = {"drop_prob_inp": 0.0, "drop_prob_attn": 0.0}


def step(module: Any, logits: torch.Tensor) -> torch.Tensor:
    """A loss with gradients in every parameter."""
    loss = logits.square().sum()
    loss.backward()
    return loss.detach()


@pytest.mark.parametrize("length", [9, 8, 1])
@pytest.mark.parametrize("expansion", [1, 3])
def test_fast_stem_is_exact(length: int, expansion: int) -> None:
    """Loss, every gradient and every running statistic agree in float64."""
    arguments = {**SMALL, **NO_DROPOUT}
    arguments |= {"temp_filter_length_inp": length, "spatial_expansion": expansion}
    spec = ModelSpec("eca", 5, 200, 3, arguments)
    theirs = build.build(spec, seed=1).module.double().train()
    ours = copy.deepcopy(theirs)
    x = torch.from_numpy(windows(spec, 12)).double()
    index = torch.tensor([2, 3, 5, 7, 11])

    expected = step(theirs, theirs(x[index]))
    stem = FastStem(ours.input_block, x)
    got = step(ours, behind_stem(ours, stem(x[index], index)))

    torch.testing.assert_close(got, expected, rtol=1e-10, atol=0)
    for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-8, atol=1e-10, msg=name)
    for (name, a), b in zip(ours.named_buffers(), theirs.buffers(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12, msg=name)


def trained(seed: int) -> tuple[Any, list[float]]:
    """A small network on two classes that differ in one channel's power."""
    spec = ModelSpec("none", 3, 200, 2, SMALL)
    x = windows(spec, 64)
    y = np.arange(64) % 2
    x[y == 1, 0] *= 3
    module = build.build(spec, seed).module
    losses: list[float] = []
    settings = TrainingSettings(epochs=12, seed=seed, batch_size=9)
    fit.fit(module, x, y, settings, lambda progress: losses.append(progress.loss), training_form)
    return module, losses


def test_training_learns_and_reports() -> None:
    """The loss falls, every epoch is reported, and the module is left in evaluation mode."""
    module, losses = trained(0)
    assert len(losses) == 12
    assert losses[-1] < 0.7 * losses[0]
    assert not module.training


def test_training_is_seeded() -> None:
    """The same seed gives the same weights; another gives others."""
    first, again, other = (trained(seed)[0].final_layer[1].weight for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_class_weights() -> None:
    """Balanced, a class's windows weigh in sum as much as another's; without, nothing weighs."""
    labels = torch.tensor([0] * 6 + [1] * 2 + [2])
    weights = fit._class_weights(labels, TrainingSettings(class_weights="balanced"))
    assert weights is not None
    torch.testing.assert_close(weights * torch.bincount(labels), torch.tensor([3.0, 3.0, 3.0]))
    assert fit._class_weights(labels, TrainingSettings()) is None


def test_balanced_training_sees_the_rare_class() -> None:
    """Nine windows in ten are of one class; with weights the other is recognized more often."""
    spec = ModelSpec("none", 3, 200, 2, SMALL)
    y = (np.arange(80) % 10 == 0).astype(np.int64)
    x = windows(spec, 80)
    x[y == 1, 0] *= 1.6
    found = {}
    for weights in ("none", "balanced"):
        module = build.build(spec, 0).module
        fit.fit(module, x, y, TrainingSettings(epochs=8, class_weights=weights), form=training_form)
        found[weights] = int(predict(module, x[y == 1]).argmax(1).sum())
    assert found["balanced"] > found["none"]


def test_a_last_batch_of_one_joins_the_one_before() -> None:
    """Batch norm cannot train on a single window."""
    sizes = [len(batch) for batch in fit._batches(33, 16)]
    assert sizes == [16, 17]


def test_threads_are_given_back() -> None:
    """Prediction takes one thread and leaves the caller's number as it was."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    seen = []

    class Counting(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(torch.get_num_threads())
            return x[:, 0]

    try:
        predict(Counting(), np.zeros((2, 1, 4), np.float32))
        assert (seen, torch.get_num_threads()) == ([1, 1], 3)
    finally:
        torch.set_num_threads(before)
