# SPDX-License-Identifier: BSD-3-Clause
"""List every operation of a graph: a new one is a file beside this one and a row here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from quantize.graph.operations.activation import Activation
from quantize.graph.operations.arithmetic import Arithmetic
from quantize.graph.operations.average_pool import AveragePool
from quantize.graph.operations.base import Node
from quantize.graph.operations.conv import Conv
from quantize.graph.operations.conversions import Dequantize, Quantize
from quantize.graph.operations.leaky_relu import LeakyRelu
from quantize.graph.operations.max_pool import MaxPool
from quantize.graph.operations.maximum import Maximum
from quantize.graph.operations.mean import Mean
from quantize.graph.operations.multiply import Multiply
from quantize.graph.operations.relu import Relu
from quantize.graph.operations.reshape import Reshape

OPERATIONS: Mapping[str, type[Node]] = MappingProxyType(
    {
        node.kind: node
        for node in (
            Conv,
            AveragePool,
            MaxPool,
            Mean,
            Activation,
            Relu,
            LeakyRelu,
            Multiply,
            Arithmetic,
            Maximum,
            Reshape,
            Quantize,
            Dequantize,
        )
    }
)
"""Operations by ``kind``, as a graph's file calls them."""
