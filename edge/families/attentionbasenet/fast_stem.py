# SPDX-License-Identifier: BSD-3-Clause
"""Train with plain PyTorch and braindecode's modules, but with an equal, faster stem.

braindecode's stem convolves every electrode in time before it mixes them. In training as in
deployment the mix may come first, at a twelfth of the work, because everything in between is
linear. Only BN1 needs the statistics of signals that are then never computed; they follow from the
input alone (:class:`FastStem`). So losses, gradients and running statistics are braindecode's up to
rounding.
"""

from __future__ import annotations

from typing import Any

import torch
from scipy.fft import next_fast_len
from torch import Tensor
from torch.nn import functional

from edge.families.base import TrainingForm


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


def training_form(module: Any, windows: Tensor) -> TrainingForm:
    """Return braindecode's forward pass in training with the fast stem in its place."""
    stem = FastStem(module.input_block, windows)
    return lambda x, index: behind_stem(module, stem(x, index))


def behind_stem(module: Any, x: Tensor) -> Tensor:
    """Run the rest of braindecode's forward pass."""
    return torch.as_tensor(
        module.final_layer(module.channel_attention_block(module.channel_expansion(x)))
    )
