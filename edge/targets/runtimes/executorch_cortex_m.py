# SPDX-License-Identifier: BSD-3-Clause
"""Provide the runtime ``executorch-cortex-m``: ExecuTorch's Cortex-M backend (CMSIS-NN).

No ``--targets`` name belongs to it. The program of :mod:`edge.targets.executorch.cortex_m`, with
float32 in and out, is lowered to a ``.pte`` with its memory planned, scratch buffers of CMSIS-NN
for a Cortex-M55 included. What runs here, and is compared, are the operators' implementations in
Python.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge.spec import Precision
from edge.targets.base import Session, Sources, all_in_int8
from edge.targets.executorch import cortex_m
from edge.targets.executorch import target as executorch
from edge.targets.runtime import Built
from quantize.graph.layouts import to_nchw
from quantize.graph.qgraph import QGraph

TARGET = IN_EXPORT = ""
RUNS_WITH = ("torch", "executorch")
EXACT = False

ABILITIES = all_in_int8("ExecuTorch computes it with portable float kernels", cortex_m.WRITERS)

CORE = "cortex-m55"


class _Program(nn.Module):
    """(1, n_chans, 1, n_times) float32, channels last, to logits (1, n_outputs) float32."""

    def __init__(self, graph: QGraph) -> None:
        super().__init__()
        self.graph, self.network = graph, cortex_m.network(graph, cortex_m.operators())

    def forward(self, x: Tensor) -> Tensor:
        graph = self.graph
        logits: Tensor = self.network(cortex_m.to_int8(graph, graph.input, x))
        if graph[graph.output].quant is None:
            return logits
        real: Tensor = cortex_m.to_float(graph, graph.output, logits)
        return real


def build(sources: Sources) -> Built:
    """Return the program's operators in Python, with its size and memory plan."""
    graph = cortex_m.narrowed(sources.graph(Precision.INT8))
    program = _Program(graph).eval()
    _, _, n_times, n_chans = graph[graph.input].shape
    example = torch.zeros(1, n_chans, 1, n_times).to(memory_format=torch.channels_last)
    data = bytes(cortex_m.lower(program, example, CORE).buffer)

    def encode(window: NDArray[np.float32]) -> Tensor:
        samples: Tensor = to_nchw(torch.from_numpy(np.ascontiguousarray(window, np.float32))[None])
        return samples.to(memory_format=torch.channels_last)

    def invoke(samples: Tensor) -> Tensor:
        with torch.no_grad():
            logits: Tensor = program(samples)
        return logits

    session = Session(encode, invoke, lambda logits: logits[0].numpy().copy())
    return Built(session, len(data), executorch.planned_bytes(data))
