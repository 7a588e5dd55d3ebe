# SPDX-License-Identifier: BSD-3-Clause
"""Rewrite float convolutions with int8 weights as XNNPACK has them: fully connected.

XNNPACK multiplies floats by int8 weights with a scale per output, but not in its convolutions. A
convolution over one sample is a fully connected layer of the channels, a longer one of the samples
side by side that it reads: the same sums to the bit. Of one sample that costs nothing, of many it
costs copies, which few weights are not worth. What is left gets its weights in float.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

aten = torch.ops.aten
quantized = torch.ops.quantized_decomposed

WORTH = 1000
"""Weights of a convolution of many samples from which on they stay int8: encnet takes 2 % longer on
x86 and cat 6 %; with all of them 5 % and 10 %."""

TO_ROWS, FROM_ROWS = [0, 2, 3, 1], [0, 3, 1, 2]


def rewrite(module: Any) -> Any:
    """Return the graph with its float convolutions in a form that XNNPACK runs.

    Parameters
    ----------
    module
        What :func:`quantize.pt2e.ptq.convert` made; it is changed.
    """
    single = quantized.dequantize_per_tensor.default
    for node in module.graph.find_nodes(op="call_function", target=aten.conv2d.default):
        if node.args[1].target is not single:
            continue
        weight, scale = _stored(module, node.args[1].args[0]), node.args[1].args[1]
        groups = node.args[6] if len(node.args) > 6 else 1
        with module.graph.inserting_before(node):
            if groups == 1 and (_is_single(node, weight) or weight.size >= WORTH):
                node.replace_all_uses_with(_fully_connected(module, node, weight, scale))
            else:
                real = weight.astype(np.float32) * np.float32(scale)
                name = f"{node.name}_real_weight"
                node.args = (node.args[0], constant(module, name, real), *node.args[2:])
    module.graph.eliminate_dead_code()
    module.recompile()
    return module


def _is_single(node: Any, weight: NDArray[np.int8]) -> bool:
    """Whether a convolution mixes the channels of one sample."""
    return bool(weight.shape[-1] == node.meta["val"].shape[-1] == 1)


def _fully_connected(module: Any, node: Any, weight: NDArray[np.int8], scale: float) -> Any:
    """The value of a convolution of stride 1, channels first."""
    graph, (n_outputs, _, _, length), x = module.graph, weight.shape, node.args[0]
    single = _is_single(node, weight)
    if single:
        rows = graph.call_function(aten.flatten.using_ints, (x, 1))
    else:
        rows = graph.call_function(aten.permute.default, (x, TO_ROWS))
    if length > 1:
        rows = _side_by_side(graph, rows, node, length)
    scales = np.full(n_outputs, scale, np.float32)
    real = weights(module, node.name, weight.transpose(0, 2, 3, 1), scales)
    sums = graph.call_function(aten.linear.default, (rows, real))
    if len(node.args) > 2 and node.args[2] is not None:
        sums = graph.call_function(aten.add.Tensor, (sums, node.args[2]))
    if single:
        return graph.call_function(aten.reshape.default, (sums, [1, n_outputs, 1, 1]))
    return graph.call_function(aten.permute.default, (sums, FROM_ROWS))


def _side_by_side(graph: Any, rows: Any, node: Any, length: int) -> Any:
    """For every sample of the output the samples that it is made of, in one row.

    By prime factors, nine samples as three times three: fewer copies than one by one.
    """
    pad, n_rows, n_taps = node.args[4][-1], node.meta["val"].shape[-1] + length - 1, 1
    rows = graph.call_function(aten.constant_pad_nd.default, (rows, [0, 0, pad, pad]))
    for factor in _prime_factors(length):
        n_rows -= n_taps * (factor - 1)
        firsts = range(0, n_taps * factor, n_taps)
        taps = [graph.call_function(aten.slice.Tensor, (rows, 2, k, k + n_rows)) for k in firsts]
        rows = graph.call_function(aten.cat.default, (taps, 3))
        n_taps *= factor
    return rows


def _prime_factors(number: int) -> Iterator[int]:
    for factor in range(2, number + 1):
        while number % factor == 0:
            yield factor
            number //= factor


def weights(module: Any, name: str, weight: NDArray[np.int8], scales: NDArray[np.float32]) -> Any:
    """Add a node that gives int8 weights (n_outputs, …) as rows of a fully connected layer."""
    n_outputs = len(weight)
    arguments = (
        constant(module, f"{name}_rows", weight.reshape(n_outputs, -1)),
        constant(module, f"{name}_scales", scales),
        constant(module, f"{name}_zeros", np.zeros(n_outputs, np.int64)),
    )
    target = quantized.dequantize_per_channel.default
    return module.graph.call_function(target, (*arguments, 0, -127, 127, torch.int8))


def constant(module: Any, name: str, value: NDArray[Any]) -> Any:
    """Add a node that gives a constant, stored in the module."""
    module.register_buffer(name, torch.from_numpy(np.array(value, order="C")))
    node = module.graph.get_attr(name)
    node.meta["val"] = getattr(module, name)
    return node


def _stored(module: Any, node: Any) -> NDArray[Any]:
    value: NDArray[Any] = module.get_buffer(str(node.target)).numpy()
    return value
