# SPDX-License-Identifier: BSD-3-Clause
"""Decide for PyTorch's PT2E which values are int8, and which of them share a scale.

These rules are tried for a node, in this order:

1. a node in one of the recipe's float parts is left alone; in a part that holds an operation
   without an int8 form, weights alone are int8, with one scale a convolution, where that is fine
   enough for each of its outputs;
2. a convolution quantizes its weight per output channel, symmetric; if its only user is a ReLU,
   the ReLU's output is quantized in its stead;
3. an operation that moves or selects values keeps its input's scale;
4. sigmoid and tanh have fixed scales, because their ranges are known;
5. everything else gets a scale of its own.

Every input edge shares the scale of the node that produced it, so no requantization pair appears.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e import MinMaxObserver, PerChannelMinMaxObserver
from torchao.quantization.pt2e.quantizer import (
    FixedQParamsQuantizationSpec,
    QuantizationAnnotation,
    QuantizationSpec,
    Quantizer,
    SharedQuantizationSpec,
)

from quantize.pt2e import naming, observers
from quantize.pt2e.operations import READERS
from quantize.recipe import Recipe

aten = torch.ops.aten

CONVOLUTIONS = {aten.conv2d.default}
WITHOUT_INT8 = {operation for operation, reader in READERS.items() if not reader.has_int8}
"""PyTorch's operations of :data:`quantize.graph.qgraph.FLOAT_ONLY`."""

LONGEST_OWN_POOL = 25
"""Longer requantizing pools leave XNNPACK's fast kernels and cost five times the network."""

FINE = 0.03
"""Largest error of an output's weights, as a share of their norm, that one scale for all may cost.
Half a step costs weights of equal size 0.3 %. One scale, because TensorFlow Lite Micro dequantizes
no other."""

ANNOTATION = "quantization_annotation"


class EdgeQuantizer(Quantizer):  # type: ignore[misc]  # untyped base
    """A quantizer that annotates an exported :class:`edge.lower.chain.Chain`."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.recipe = recipe
        self.activation = QuantizationSpec(
            dtype=torch.int8,
            quant_min=-128,
            quant_max=127,
            qscheme=torch.per_tensor_affine,
            observer_or_fake_quant_ctr=observers.constructor(recipe),
        )
        self.weight = _weights(PerChannelMinMaxObserver, torch.per_channel_symmetric, ch_axis=0)
        self.float_weight = _weights(MinMaxObserver, torch.per_tensor_symmetric)

    def annotate(self, model: GraphModule) -> GraphModule:
        """Attach an annotation to every value that becomes int8."""
        names = naming.names(model.graph.nodes)
        without_int8 = float_parts(names)
        for node in model.graph.nodes:
            if node.op == "placeholder":
                _annotate(node, {}, self.activation)
            elif node not in names or naming.within(names[node], self.recipe.float_parts):
                continue
            elif naming.within(names[node], without_int8):
                self._annotate_weight(model, node)
            else:
                self._annotate_compute(node)
        return model

    def _annotate_weight(self, model: GraphModule, node: Node) -> None:
        """Nothing but a convolution's weights, where one scale for all of them is fine enough."""
        if node.target in CONVOLUTIONS and is_fine(_value(model, _node(node.args[1]))):
            _annotate(node, {_node(node.args[1]): self.float_weight}, None)

    def _annotate_compute(self, node: Node) -> None:
        inputs: dict[Node, Any] = {
            source: self._edge(source) for source in node.all_input_nodes if _is_value(source)
        }
        if node.target in CONVOLUTIONS:
            inputs[_node(node.args[1])] = self.weight
        output = self._output(node)
        if is_fused_relu(node):
            inputs, output = {}, self.activation
        _annotate(node, inputs, output)

    def _output(self, node: Node) -> Any:
        source = _node(node.args[0])
        if node.target in CONVOLUTIONS and any(is_fused_relu(user) for user in node.users):
            return None
        scale = READERS[node.target].scale if node.target in READERS else "own"
        if scale == "input" or (scale == "pool" and self._pool_keeps_scale(node)):
            return SharedQuantizationSpec((source, node))
        if isinstance(scale, tuple):
            return FixedQParamsQuantizationSpec(
                dtype=torch.int8,
                scale=scale[0],
                zero_point=scale[1],
                quant_min=-128,
                quant_max=127,
                qscheme=torch.per_tensor_affine,
            )
        return self.activation

    def _pool_keeps_scale(self, node: Node) -> bool:
        """Whether a pool is one of equal scales, and not requantized."""
        length = int(node.args[1][-1])  # type: ignore[index,arg-type]
        return length > LONGEST_OWN_POOL or not self.recipe.own_pool_scale

    def _edge(self, source: Node) -> Any:
        """Share with the producer when its output is int8, else observe the edge itself."""
        annotation = source.meta.get(ANNOTATION)
        quantized = annotation is not None and annotation.output_qspec is not None
        return SharedQuantizationSpec(source) if quantized else self.activation

    def validate(self, model: GraphModule) -> None:
        """Check nothing; :func:`quantize.pt2e.extract.extract` checks everything."""


def float_parts(names: Mapping[Node, str]) -> tuple[str, ...]:
    """Return the parts that hold an operation without an int8 form (``("gate",)``)."""
    found = {name.split(".")[0] for node, name in names.items() if node.target in WITHOUT_INT8}
    return tuple(sorted(found))


def is_fine(weight: torch.Tensor) -> bool:
    """Return whether int8 weights (n_outputs, …) with one scale stay within :data:`FINE`."""
    rows = weight.detach().flatten(1)
    scale = rows.abs().max() / 127
    errors = torch.round(rows / scale) * scale - rows
    return bool((errors.norm(dim=1) <= FINE * rows.norm(dim=1)).all())


def _weights(observer: Any, scheme: torch.qscheme, **options: Any) -> QuantizationSpec:
    return QuantizationSpec(
        dtype=torch.int8,
        quant_min=-127,
        quant_max=127,
        qscheme=scheme,
        observer_or_fake_quant_ctr=observer.with_args(eps=observers.SMALLEST_SCALE),
        **options,
    )


def _value(model: GraphModule, node: Node) -> torch.Tensor:
    """A parameter, behind the node that reads it."""
    value: Any = model
    for attribute in str(node.target).split("."):
        value = getattr(value, attribute)
    assert isinstance(value, torch.Tensor)
    return value


def _is_value(source: Node) -> bool:
    """Whether a node is an activation (parameters are ``get_attr``)."""
    return source.op in ("placeholder", "call_function")


def is_fused_relu(node: Node) -> bool:
    """Return whether a node is a ReLU that its convolution computes."""
    if node.target is not aten.relu.default:
        return False
    source = _node(node.args[0])
    return source.target in CONVOLUTIONS and len(source.users) == 1


def _node(argument: Any) -> Node:
    assert isinstance(argument, Node)
    return argument


def _annotate(node: Node, inputs: dict[Node, Any], output: Any) -> None:
    node.meta[ANNOTATION] = QuantizationAnnotation(
        input_qspec_map=inputs, output_qspec=output, _annotated=True
    )
