# SPDX-License-Identifier: BSD-3-Clause
"""Turn a float network and calibration windows into PyTorch's Q/DQ graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.fx import GraphModule
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from quantize.graph.layouts import to_nchw
from quantize.pt2e.quantizer import EdgeQuantizer
from quantize.recipe import Recipe


def trace(net: nn.Module, n_chans: int, n_times: int) -> GraphModule:
    """Trace the network as a graph of ATen operations for one window, (1, n_chans, 1, n_times)."""
    example = (torch.zeros(1, n_chans, 1, n_times),)
    exported = torch.export.export(net, example, strict=False)
    graph: Any = exported.module(check_guards=False)
    assert isinstance(graph, GraphModule)
    return graph


def observe(net: nn.Module, windows: NDArray[np.float32], recipe: Recipe) -> GraphModule:
    """Return the network with observers that have seen the calibration windows.

    Parameters
    ----------
    net
        Lowered network in float32, (batch, n_chans, 1, n_times) -> (batch, n_outputs).
    windows
        (n_windows, n_chans, n_times) float32, scaled; from the training part only.
    """
    graph = prepare_pt2e(trace(net, *windows.shape[1:]), EdgeQuantizer(recipe))
    with torch.no_grad():
        for window in torch.from_numpy(windows):
            graph(to_nchw(window[None]))
    assert isinstance(graph, GraphModule)
    return graph


def convert(observed: GraphModule) -> GraphModule:
    """Return the Q/DQ graph: float operations between quantize and dequantize nodes."""
    converted = convert_pt2e(observed)
    assert isinstance(converted, GraphModule)
    return converted


def quantize(net: nn.Module, windows: NDArray[np.float32], recipe: Recipe) -> GraphModule:
    """Do :func:`observe`, then :func:`convert`."""
    return convert(observe(net, windows, recipe))
