# SPDX-License-Identifier: BSD-3-Clause
"""Rewrite the linear layers at the beginning of a network in the cheapest exact form.

Networks for EEG begin with a bank of temporal filters and a combination of electrodes, with batch
norms between and behind them. All of that is linear, so it is one kernel (channels x length) for
each output, and the order of its two sums is free (``docs/architecture.md``)::

    y[s, t] = bias[s] + sum_f spatial[s, f, :] @ sum_l gain[s, f] * temporal[f, l] * x[:, t + l]

What the forms cost for each sample:

=========  ================================================  ====================================
``mix``    mix electrodes, then filter each mixture; where   n_outputs * (n_chans + length)
           every output reads one temporal filter
``joint``  one kernel an output over electrodes and time     n_outputs * n_chans * length
``bank``   every filter on every electrode, then mix         n_filters * n_chans *
                                                             (length + n_outputs)
=========  ================================================  ====================================

The bank is what networks are trained in. Its tensors hold every filter of every electrode, and no
published network is cheaper in it than in the joint form; it is priced and never built.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from edge.lower.fold import affine, assign, bias_of, double

MIX, JOINT, BANK = "mix", "joint", "bank"


@dataclass(frozen=True, eq=False)
class LinearStem:
    """The linear layers at the beginning of a network, in float64.

    Attributes
    ----------
    temporal
        (n_filters, length), one filter over time for all electrodes.
    spatial
        (n_outputs, n_filters, n_chans); zero where an output does not read a filter.
    gain
        (n_outputs, n_filters), the factors of the batch norms.
    bias
        (n_outputs,).
    padding
        Zeros on either side of the window.
    """

    temporal: Tensor
    spatial: Tensor
    gain: Tensor
    bias: Tensor
    padding: int

    @property
    def filters(self) -> Tensor | None:
        """The one filter that each output reads, (n_outputs,); None where some read several."""
        reads = (self.spatial != 0).any(2)
        return reads.int().argmax(1) if bool((reads.sum(1) <= 1).all()) else None

    def macs(self) -> Mapping[str, int]:
        """Return what each form costs, in multiply-accumulates a sample."""
        n_outputs, n_filters, n_chans = self.spatial.shape
        length = self.temporal.shape[1]
        mix = {} if self.filters is None else {MIX: n_outputs * (n_chans + length)}
        return mix | {
            JOINT: n_outputs * n_chans * length,
            BANK: n_filters * n_chans * (length + n_outputs),
        }

    def parts(self, like: Tensor) -> OrderedDict[str, nn.Module]:
        """Return the layers to build, by name: ``mix`` and ``temporal``, or ``joint``.

        The mix is taken wherever there is one: only for a single electrode, or a filter of one
        sample, does the joint form cost less, and then both cost next to nothing.
        """
        filters = self.filters
        return self._joint(like) if filters is None else self._mixed(filters, like)

    def _mixed(self, filters: Tensor, like: Tensor) -> OrderedDict[str, nn.Module]:
        n_outputs, _, n_chans = self.spatial.shape
        length, every = self.temporal.shape[1], torch.arange(n_outputs)
        mix = nn.Conv2d(n_chans, n_outputs, 1, bias=False)
        assign(mix.weight, self.spatial[every, filters][:, :, None, None], like)
        temporal = nn.Conv2d(
            n_outputs, n_outputs, (1, length), padding=(0, self.padding), groups=n_outputs
        )
        kernel = self.temporal[filters] * self.gain[every, filters][:, None]
        assign(temporal.weight, kernel[:, None, None], like)
        assign(temporal.bias, self.bias, like)
        return OrderedDict(mix=mix, temporal=temporal)

    def _joint(self, like: Tensor) -> OrderedDict[str, nn.Module]:
        n_outputs, _, n_chans = self.spatial.shape
        length = self.temporal.shape[1]
        joint = nn.Conv2d(n_chans, n_outputs, (1, length), padding=(0, self.padding))
        kernel = torch.einsum("sf,sfc,fl->scl", self.gain, self.spatial, self.temporal)
        assign(joint.weight, kernel[:, :, None], like)
        assign(joint.bias, self.bias, like)
        return OrderedDict(joint=joint)


def linear_stem(
    temporal: Tensor,
    spatial: Tensor,
    padding: int,
    *,
    between: Any = None,
    behind: Any = None,
    temporal_bias: Tensor | None = None,
    spatial_bias: Tensor | None = None,
) -> LinearStem:
    """Describe a temporal convolution, a spatial one, and the batch norms around the latter.

    Parameters
    ----------
    temporal
        (n_filters, length) weights.
    spatial
        (n_outputs, n_filters, n_chans) weights, or (n_outputs, n_chans) where outputs read one
        filter each, neighbours the same.
    padding
        Zeros on either side of the window, of the temporal convolution.
    between, behind
        Batch norms over filters and over outputs; None where there are none.
    temporal_bias, spatial_bias
        (n_filters,) and (n_outputs,); None for zeros.
    """
    w_t, w_s = double(temporal), double(spatial)
    w_s = w_s if w_s.ndim == 3 else _spread(w_s, len(w_t))
    (a1, b1), (a2, b2) = affine(between, len(w_t)), affine(behind, len(w_s))
    b1 = b1 + a1 * bias_of(temporal_bias, len(w_t))
    bias = (a2[:, None] * b1 * w_s.sum(2)).sum(1) + a2 * bias_of(spatial_bias, len(w_s)) + b2
    return LinearStem(w_t, w_s, a1 * a2[:, None], bias, padding)


def _spread(spatial: Tensor, n_filters: int) -> Tensor:
    """Write (n_outputs, n_chans) as (n_outputs, n_filters, n_chans), a filter for each output."""
    n_outputs, n_chans = spatial.shape
    full = torch.zeros(n_outputs, n_filters, n_chans, dtype=spatial.dtype)
    every = torch.arange(n_outputs)
    full[every, every // (n_outputs // n_filters)] = spatial
    return full
