# SPDX-License-Identifier: BSD-3-Clause
"""Train with plain PyTorch: Adam with weight decay, a cosine schedule and cross entropy.

braindecode's ``EEGClassifier`` (skorch) is not used: its forward pass is given windows alone, and a
family's faster form of it needs to know which windows they are, since it has computed what does not
change of all of them beforehand; that is worth 13 times.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from edge.errors import IncompatibleError
from edge.families.base import TrainingForm


@dataclass(frozen=True)
class TrainingSettings:
    """How a model is trained: Adam with weight decay, cosine schedule, cross entropy.

    With ``class_weights`` "balanced" a class's windows weigh ``n / (n_classes * n_of_class)``, so
    that all classes weigh the same; with "none" every window weighs one.
    """

    epochs: int = 60
    batch_size: int = 16
    learning_rate: float = 1e-3
    weight_decay: float = 1e-3
    warm_up_epochs: int = 3
    seed: int = 0
    class_weights: Literal["none", "balanced"] = "none"


@dataclass(frozen=True)
class Progress:
    """What is reported after an epoch."""

    epoch: int
    epochs: int
    loss: float
    train_accuracy: float


def fit(
    module: Any,
    windows: NDArray[np.float32],
    labels: NDArray[np.int64],
    settings: TrainingSettings,
    report: Callable[[Progress], None] = lambda _: None,
    form: Callable[[Any, Tensor], TrainingForm] | None = None,
) -> None:
    """Train a module in place and leave it in evaluation mode.

    Parameters
    ----------
    windows
        (n, n_chans, n_times) float32, scaled as the contract says.
    labels
        (n,) class indices.
    report
        Called after every epoch.
    form
        Makes a faster forward pass of the module and its windows, see
        :class:`edge.families.base.Family`; None for the module's own.

    Raises
    ------
    IncompatibleError
        When the loss is not finite any more.
    """
    seed_everything(settings.seed)
    x, y = torch.from_numpy(windows), torch.from_numpy(labels)
    module.train()
    forward = _plain(module) if form is None else form(module, x)
    optimizer = torch.optim.AdamW(
        module.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    weights = _class_weights(y, settings)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _cosine(settings))
    for epoch in range(settings.epochs):
        losses, hits = [], 0
        for index in _batches(len(x), settings.batch_size):
            logits = forward(x[index], index)
            loss = functional.cross_entropy(logits, y[index], weight=weights)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses.append(float(loss.detach()))
            hits += int((logits.argmax(1) == y[index]).sum())
        schedule.step()
        if not np.isfinite(losses).all():
            raise IncompatibleError(
                f"Training diverged in epoch {epoch + 1}: the loss is not a number any more. "
                f"Type a smaller --learning-rate than {settings.learning_rate:g}."
            )
        report(Progress(epoch + 1, settings.epochs, float(np.mean(losses)), hits / len(x)))
    module.eval()


def _plain(module: Any) -> TrainingForm:
    return lambda x, _: torch.as_tensor(module(x))


def seed_everything(seed: int) -> None:
    """Seed Python's, numpy's and torch's global generators."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  (libraries that still use the global generator)
    torch.manual_seed(seed)


def _batches(n: int, size: int) -> Iterator[Tensor]:
    """A shuffled epoch; a last batch of one, which batch norm cannot take, joins the one before."""
    parts = list(torch.split(torch.randperm(n), size))
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    yield from parts


def _class_weights(labels: Tensor, settings: TrainingSettings) -> Tensor | None:
    """Weight of each class in the loss (n_classes,); None where all windows weigh one."""
    if settings.class_weights == "none":
        return None
    counts = torch.bincount(labels)
    return len(labels) / (len(counts) * counts.to(torch.float32))


def _cosine(settings: TrainingSettings) -> Callable[[int], float]:
    def factor(epoch: int) -> float:
        if epoch < settings.warm_up_epochs:
            return (epoch + 1) / (settings.warm_up_epochs + 1)
        rest = max(settings.epochs - settings.warm_up_epochs, 1)
        progress = (epoch - settings.warm_up_epochs) / rest
        return float(0.5 * (1 + np.cos(np.pi * progress)))

    return factor
