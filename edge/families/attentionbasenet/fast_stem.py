# SPDX-License-Identifier: BSD-3-Clause
"""Train with plain PyTorch and braindecode's modules, but with an equal, faster stem.

braindecode's stem convolves every electrode in time before it mixes them. In training as in
deployment the mix may come first, at a twelfth of the work, because everything in between is
linear. Only BN1 needs the statistics of signals that are then never computed; they follow from the
input alone (:class:`FastStem`). So losses, gradients and running statistics are braindecode's up to
rounding.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import next_fast_len
from torch import Tensor
from torch.nn import functional

from edge.errors import IncompatibleError
from edge.patches.threads import single_thread


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


class FastStem:
    """braindecode's input block in training mode, with the spatial mix first.

    With x zero-padded by ``length // 2``, BN1 sees ``y = sum_l w[f, l] x[t + l]`` of filter f over
    every electrode and sample, so ``mean(y) = w @ m`` and ``mean(y**2) = w @ G @ w`` with the means
    ``m`` (length,) and second moments ``G`` (length, length) of shifted inputs. Those are computed
    once per window and averaged over a batch.
    """

    def __init__(self, block: Any, windows: Tensor) -> None:
        self.block = block
        self.length = block.temporal_conv.kernel_size[1]
        self.pad = self.length // 2
        self.n_out = windows.shape[2] + 2 * self.pad - self.length + 1
        self.means, self.moments = self._moments(windows)

    def _moments(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        means, moments = [], []
        for window in windows:
            shifted = functional.pad(window, (self.pad, self.pad)).unfold(1, self.length, 1)
            flat = shifted.reshape(-1, self.length)
            means.append(flat.mean(0))
            moments.append(flat.T @ flat / len(flat))
        return torch.stack(means), torch.stack(moments)

    def __call__(self, x: Tensor, index: Tensor) -> Tensor:
        """Training-mode output of the input block for windows ``x = windows[index]``."""
        block = self.block
        w_t = block.temporal_conv.weight[:, 0, 0]
        w_s = block.spatial_conv.weight[:, 0, :, 0]
        expansion = len(w_s) // len(w_t)
        scale, offset = self._batch_norm(w_t, index, x.shape[1])
        mixed = torch.einsum("oc,bct->bot", w_s, x)
        kernel = (w_t * scale[:, None]).repeat_interleave(expansion, 0)
        filtered = self._correlate(mixed, kernel)
        y = filtered + (offset.repeat_interleave(expansion) * w_s.sum(1))[None, :, None]
        y = block.nonlinearity(block.bn(y[:, :, None]))
        return torch.as_tensor(block.dropout(block.pool(y)))

    def _batch_norm(self, w_t: Tensor, index: Tensor, n_chans: int) -> tuple[Tensor, Tensor]:
        """BN1 as ``scale * y + offset`` with this batch's statistics; updates the running ones."""
        bn = self.block.intermediate_bn
        mean = w_t @ self.means[index].mean(0)
        square = ((w_t @ self.moments[index].mean(0)) * w_t).sum(1)
        variance = (square - mean**2).clamp_min(0)
        count = len(index) * n_chans * self.n_out
        with torch.no_grad():
            bn.running_mean.lerp_(mean, bn.momentum)
            bn.running_var.lerp_(variance * count / (count - 1), bn.momentum)
            bn.num_batches_tracked += 1
        scale = bn.weight / torch.sqrt(variance + bn.eps)
        return scale, bn.bias - scale * mean

    def _correlate(self, x: Tensor, kernel: Tensor) -> Tensor:
        """Zero-padded correlation of each channel with its kernel, by FFT."""
        size = next_fast_len(x.shape[2] + self.length - 1, real=True)
        spectrum = torch.fft.rfft(x, n=size) * torch.fft.rfft(kernel.flip(1), n=size)
        start = self.length - 1 - self.pad
        correlated: Tensor = torch.fft.irfft(spectrum, n=size)
        return correlated[..., start : start + self.n_out]


def fit(
    module: Any,
    windows: NDArray[np.float32],
    labels: NDArray[np.int64],
    settings: TrainingSettings,
    report: Callable[[Progress], None] = lambda _: None,
) -> None:
    """Train a braindecode ``AttentionBaseNet`` in place and leave it in evaluation mode.

    Parameters
    ----------
    windows
        (n, n_chans, n_times) float32, scaled as the contract says.
    labels
        (n,) class indices.
    report
        Called after every epoch.

    Raises
    ------
    IncompatibleError
        When the loss is not finite any more.
    """
    seed_everything(settings.seed)
    x, y = torch.from_numpy(windows), torch.from_numpy(labels)
    module.train()
    stem = FastStem(module.input_block, x)
    optimizer = torch.optim.AdamW(
        module.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    weights = _class_weights(y, settings)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _cosine(settings))
    for epoch in range(settings.epochs):
        losses, hits = [], 0
        for index in _batches(len(x), settings.batch_size):
            logits = behind_stem(module, stem(x[index], index))
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


def behind_stem(module: Any, x: Tensor) -> Tensor:
    """Run the rest of braindecode's forward pass."""
    return torch.as_tensor(
        module.final_layer(module.channel_attention_block(module.channel_expansion(x)))
    )


@single_thread()
def predict(
    module: Callable[[Tensor], Tensor], windows: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Compute logits (n, n_outputs) one window at a time, so that bits never depend on n.

    Of another form than the module itself, what that gives (n, n_values).
    """
    with torch.no_grad():
        logits = [module(window[None]) for window in torch.from_numpy(windows)]
    found: NDArray[np.float32] = torch.cat(logits).numpy()
    return found


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
