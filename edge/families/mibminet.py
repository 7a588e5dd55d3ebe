# SPDX-License-Identifier: BSD-3-Clause
"""Provide MI-BMInet (Wang et al. 2022, arXiv:2203.14592), which braindecode has not.

It was made for a microcontroller: the electrodes are mixed first, so that its temporal filters are
few. As there, 22 electrodes, 1125 samples and 4 classes make 3,076 parameters.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn

from edge.families.base import Family
from edge.lower import pools
from edge.lower.activations import deploy_activation
from edge.lower.chain import HEAD, Chain, finished
from edge.lower.fold import fold_batch_norm, head_as_conv
from edge.spec import ModelSpec


class MIBMInet(nn.Module):
    """The network: (batch, n_chans, n_times) -> logits (batch, n_outputs).

    Parameters
    ----------
    n_filters
        Mixtures of the electrodes, and channels of everything behind them.
    filter_length, separable_length
        Samples of the filters before and behind the first pool.
    pool_length, second_pool_length
        Samples that the pools average, without overlap.
    """

    def __init__(
        self,
        n_chans: int,
        n_times: int,
        n_outputs: int,
        *,
        n_filters: int = 16,
        filter_length: int = 64,
        pool_length: int = 8,
        separable_length: int = 16,
        second_pool_length: int = 8,
        activation: type[nn.Module] = nn.ReLU,
        drop_prob: float = 0.2,
        chs_info: Any = None,
    ) -> None:
        super().__init__()
        self._config = {
            "n_chans": n_chans,
            "n_times": n_times,
            "n_outputs": n_outputs,
            "n_filters": n_filters,
            "filter_length": filter_length,
            "pool_length": pool_length,
            "separable_length": separable_length,
            "second_pool_length": second_pool_length,
            "activation": f"{activation.__module__}.{activation.__qualname__}",
            "drop_prob": drop_prob,
            "chs_info": chs_info,
        }
        self.spatial = nn.Conv2d(n_chans, n_filters, 1, bias=False)
        self.bn_spatial = nn.BatchNorm2d(n_filters)
        self.temporal = _depthwise(n_filters, filter_length)
        self.bn_temporal = nn.BatchNorm2d(n_filters)
        self.activation = activation()
        self.pool = nn.AvgPool2d((1, pool_length))
        self.drop = nn.Dropout(drop_prob)
        self.separable_depth = _depthwise(n_filters, separable_length)
        self.separable_point = nn.Conv2d(n_filters, n_filters, 1, bias=False)
        self.bn_separable = nn.BatchNorm2d(n_filters)
        self.second_activation = activation()
        self.second_pool = nn.AvgPool2d((1, second_pool_length))
        self.second_drop = nn.Dropout(drop_prob)
        self.classifier = nn.Linear(n_filters * self._n_tokens(n_times), n_outputs)

    def _n_tokens(self, n_times: int) -> int:
        n = n_times
        for filtered, pooled in (
            (self.temporal, self.pool),
            (self.separable_depth, self.second_pool),
        ):
            length = filtered.kernel_size[1]
            n = (n + 2 * (length // 2) - length + 1) // pools.pair(pooled.kernel_size)[1]
        if n < 1:
            raise ValueError(f"the pools leave nothing of {n_times} samples")
        return n

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that build the network again, as JSON has them."""
        return dict(self._config)

    def forward(self, x: Tensor) -> Tensor:
        """Compute logits of windows."""
        x = self.bn_temporal(self.temporal(self.bn_spatial(self.spatial(x[:, :, None]))))
        x = self.drop(self.pool(self.activation(x)))
        x = self.bn_separable(self.separable_point(self.separable_depth(x)))
        x = self.second_drop(self.second_pool(self.second_activation(x)))
        logits: Tensor = self.classifier(torch.flatten(x, 1))
        return logits


def _depthwise(n: int, length: int) -> nn.Conv2d:
    """A filter over time for each channel, zeros on either side."""
    return nn.Conv2d(n, n, (1, length), padding=(0, length // 2), groups=n, bias=False)


def lower(model: MIBMInet, _: ModelSpec) -> Chain:
    """Fold the batch norms; the network is in the cheapest order already.

    The first norm's offset stays with the mix: beyond the window the filter reads zeros, and not
    the offset.
    """
    parts = OrderedDict[str, nn.Module](
        mix=fold_batch_norm(model.spatial, model.bn_spatial),
        temporal=fold_batch_norm(model.temporal, model.bn_temporal),
        temporal_act=deploy_activation(model.activation),
        stem_pool=pools.pool(model.pool),
        depthwise=copy.deepcopy(model.separable_depth),
        pointwise=fold_batch_norm(model.separable_point, model.bn_separable),
        pointwise_act=deploy_activation(model.second_activation),
        block_pool=pools.pool(model.second_pool),
    )
    parts[HEAD] = head_as_conv(model.classifier, model.separable_point.out_channels)
    return finished(Chain(parts), model.spatial.weight)


FAMILY = Family(
    path="edge.families.mibminet.MIBMInet",
    marks=("n_filters", "separable_length"),
    heads=("classifier",),
    lower=lower,
)
