# SPDX-License-Identifier: BSD-3-Clause
"""Rescale channels between two linear layers so that they share one int8 range well.

The spatial mix has one scale for all its channels, and their ranges differ. Because only the
depthwise temporal filter reads them, a channel may be divided by its range in the mix and
multiplied by it in the filter: the network stays exactly the same, up to rounding, and per-channel
weights take up the factor without loss (Nagel et al. 2019, arXiv:1906.04721, section 4.1).
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from quantize.graph.qgraph import Conv, QGraph

RANGE_PERCENTILE = 99.9


def mixed_pair(graph: QGraph) -> tuple[str, str] | None:
    """Return the mix at a network's beginning and the filter that alone reads it, by name.

    Parameters
    ----------
    graph
        The network in float.

    Returns
    -------
    tuple or None
        None where the network does not begin with a convolution over one sample that a depthwise
        convolution alone reads.
    """
    first = graph.nodes[0]
    readers = [node for node in graph.nodes if first.output in node.inputs]
    if not isinstance(first, Conv) or len(readers) != 1 or not isinstance(readers[0], Conv):
        return None
    length = graph.constants[f"{first.output}.weight"].shape[2]
    if length > 1 or first.depthwise or first.relu or not _by_channel(graph, readers[0]):
        return None
    return first.output, readers[0].output


def _by_channel(graph: QGraph, conv: Conv) -> bool:
    """Whether a convolution filters every channel by itself; of one channel, every one does."""
    return conv.depthwise or graph[conv.input].shape[-1] == graph[conv.output].shape[-1] == 1


def equalize(net: nn.Module, windows: NDArray[np.float32], pair: tuple[str, str]) -> nn.Module:
    """Return a copy of a lowered network whose mixed channels have equal ranges.

    Parameters
    ----------
    net
        The network.
    windows
        (n, n_chans, n_times) float32, scaled; from the training part only.
    pair
        Names of its mix and of the filter behind it, see :func:`mixed_pair`.
    """
    balanced = copy.deepcopy(net)
    mix, temporal = (balanced.get_submodule(name) for name in pair)
    assert isinstance(mix, nn.Conv2d)
    assert isinstance(temporal, nn.Conv2d)
    weight = mix.weight.detach()[:, :, 0, 0].double().numpy()
    bias = np.zeros(len(weight)) if mix.bias is None else mix.bias.detach().double().numpy()
    ranges = np.array([_range(*row, windows) for row in zip(weight, bias, strict=True)])
    ranges[ranges == 0] = 1  # a channel that is always zero needs no scale
    factor = torch.from_numpy(ranges).to(mix.weight.dtype)[:, None, None, None]
    mix.weight.data /= factor
    if mix.bias is not None:
        mix.bias.data /= factor[:, 0, 0, 0]
    temporal.weight.data *= factor
    return balanced


def _range(row: NDArray[np.float64], bias: float, windows: NDArray[np.float32]) -> float:
    """Largest magnitude of one mixed channel, a few outliers aside."""
    mixed = np.abs(np.einsum("c,nct->nt", row.astype(np.float32), windows) + np.float32(bias))
    return float(np.percentile(mixed, RANGE_PERCENTILE))
