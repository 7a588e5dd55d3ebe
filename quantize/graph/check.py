# SPDX-License-Identifier: BSD-3-Clause
"""Check a graph from a file before anything uses it; this is the only judge of :class:`QGraph`.

:func:`check` proves what the reference, the writers of files and the C kernels rely on without
looking again: shapes that follow from each other, constants of the right shape and type, lengths,
strides and paddings in range, scales that are positive numbers, sums that fit in 32 bits, and sizes
below :data:`MAX_VALUES` and its neighbours. It needs numpy only, since a device reads graphs too.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping

import numpy as np

from quantize.graph import bounds
from quantize.graph.arithmetic import quantize_multiplier
from quantize.graph.operations.base import Shape, refuse
from quantize.graph.qgraph import Array, Node, QGraph, Quant, Tensor

MAX_NODES = 4096
MAX_VALUES = 2**24
"""Values of one tensor or of one constant."""
MAX_MACS = 2**36
"""Multiply-accumulates of one window: a minute on a laptop, a thousand times our largest mode."""
MAX_NAME = 100
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*", re.ASCII)
"""What a tensor may be called; it becomes an identifier of C with dots as underscores."""
OTHER_NAME = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
SMALLEST_SCALE = float(np.finfo(np.float32).tiny)
LARGEST_SCALE = float(np.finfo(np.float32).max)
MAX_LOGITS_SHIFT = 14
"""Logits of 16 bits are rounded once, in a shift to the right by 15 less this."""


def check(graph: QGraph) -> Mapping[str, int]:
    """Raise unless a graph can be run as it is, by everything that runs graphs.

    Returns
    -------
    mapping
        The proved bound of every sum, by node (:func:`quantize.graph.bounds.accumulators`).

    Raises
    ------
    IncompatibleError
        One line that names the first node, tensor or constant that is wrong.
    """
    if not 0 < len(graph.nodes) <= MAX_NODES:
        refuse("graph", f"it has {len(graph.nodes)} nodes; 1 ... {MAX_NODES} are allowed")
    _check_names(graph)
    for tensor in graph.tensors:
        _check_tensor(tensor)
    written = {graph.input}
    for node in graph.nodes:
        _check_order(graph, node, written)
        written.add(node.output)
    _check_ends(graph, written)
    _check_constants(graph)
    macs = 0
    for node in graph.nodes:
        _check_types(graph, node)
        expected = node.output_shape(graph)
        if graph[node.output].shape != expected:
            refuse(node.output, f"its shape is {graph[node.output].shape} and should be {expected}")
        macs += node.macs(graph)
        _check_sums(graph, node)
    if macs > MAX_MACS:
        refuse("graph", f"a window takes {macs} multiplications; {MAX_MACS} are allowed")
    return {one.node: one.bound for one in bounds.accumulators(graph)}


def _check_names(graph: QGraph) -> None:
    """Names from the whitelist, each used once, also as identifiers of C."""
    names = [tensor.name for tensor in graph.tensors]
    for name in names:
        if len(name) > MAX_NAME or not NAME.fullmatch(name):
            refuse(
                name,
                "names are ASCII letters, digits, underscores and single dots, a letter first, "
                f"{MAX_NAME} characters at most",
            )
    for other in graph.others:
        if len(other) > MAX_NAME or not OTHER_NAME.fullmatch(other) or other == "logits":
            refuse(other, "outputs are called by small letters, digits and underscores")
    for identifier, count in Counter(name.replace(".", "_") for name in names).items():
        if count > 1:
            refuse(identifier, f"{count} tensors are called so")


def _check_tensor(tensor: Tensor) -> None:
    shape = tensor.shape
    if len(shape) not in (2, 4) or shape[0] != 1 or (len(shape) == 4 and shape[1] != 1):
        refuse(tensor.name, f"its shape {_short(shape)} is neither (1, n) nor (1, 1, n, n)")
    if min(shape) < 1 or math.prod(shape) > MAX_VALUES:
        refuse(tensor.name, f"its shape is {_short(shape)}; 1 ... {MAX_VALUES} values are allowed")
    if tensor.quant is not None:
        _check_quant(tensor.name, tensor.quant)


def _check_quant(name: str, quant: Quant) -> None:
    if not SMALLEST_SCALE <= quant.scale <= LARGEST_SCALE:
        refuse(name, f"its scale is {quant.scale}; it must be positive and a normal float32")
    low, high = (0, 0) if quant.bits == 16 else quant.limits
    if not low <= quant.zero_point <= high:
        refuse(name, f"its zero point is {quant.zero_point}; {low} ... {high} are allowed")


def _short(shape: Shape) -> str:
    return f"{shape!r:.60}"


def _check_order(graph: QGraph, node: Node, written: set[str]) -> None:
    """Every node reads what was written before it; so no cycle is possible."""
    if node.output not in graph.by_name:
        refuse(node.output, "no tensor is called so")
    if node.output in written:
        refuse(node.output, "it is written twice")
    for name in node.inputs:
        if name not in written:
            refuse(node.output, f"it reads {name!r:.120}, which nothing has written yet")


def _check_ends(graph: QGraph, written: set[str]) -> None:
    """What comes in, what is given out, and that nothing else stands there."""
    if graph.input not in graph.by_name:
        refuse(graph.input, "no tensor is called so, and it is the input")
    if len(graph[graph.input].shape) != 4:
        refuse(graph.input, "the input's shape is not (1, 1, n_times, n_chans)")
    for name in graph.outputs.values():
        if name not in written:
            refuse(name, "it is an output and nothing writes it")
    for tensor in graph.tensors:
        if tensor.name not in written:
            refuse(tensor.name, "nothing writes it")
    if len(graph[graph.output].shape) != 2:
        refuse(graph.output, "the logits' shape is not (1, n_outputs)")
    try:
        head = graph.head
    except (ValueError, KeyError):
        refuse(graph.output, "no convolution writes the logits")
    of_logits = {head.output, graph.output}
    for node in graph.nodes:
        if node.renames and node.input in of_logits:
            of_logits.add(node.output)
    for tensor in graph.tensors:
        bits = 0 if tensor.quant is None else tensor.quant.bits
        if bits == 16 and tensor.name not in of_logits:
            refuse(tensor.name, "it holds 16 bits, as the logits alone may")
        if bits == 8 and tensor.name == graph.output:
            refuse(tensor.name, "logits hold 16 bits, not 8")


def _check_constants(graph: QGraph) -> None:
    """Those that the nodes need and no others, of the right type and shape, finite."""
    wanted = {name: one for node in graph.nodes for name, one in node.constants(graph)}
    for name in sorted({*wanted, *graph.constants}):
        if name not in graph.constants:
            refuse(name, "this constant is missing")
        if name not in wanted:
            refuse(name, "no node needs this constant")
        _check_constant(name, graph.constants[name], *wanted[name])


def _check_constant(name: str, value: Array, shape: Shape | None, kind: str) -> None:
    if value.dtype != np.dtype(kind):
        refuse(name, f"it holds {value.dtype}, not {kind}")
    if shape is not None and value.shape != shape:
        refuse(name, f"its shape is {_short(value.shape)} and should be {shape}")
    if not 0 < value.size <= MAX_VALUES:
        refuse(name, f"it holds {value.size} values; 1 ... {MAX_VALUES} are allowed")
    if value.dtype.kind == "f" and not np.isfinite(value).all():
        refuse(name, "it holds NaN or infinity")
    if name.endswith(".weight_scale") and not (value >= np.float32(SMALLEST_SCALE)).all():
        refuse(name, "a scale in it is not positive, or too small for a float32")


def _check_types(graph: QGraph, node: Node) -> None:
    """int8 with int8 and float with float, but for the two conversions."""
    integer = [graph[name].quant is not None for name in node.inputs]
    made = graph[node.output].quant is not None
    wanted = node.converts or (made, made)
    if (all(integer), made) != wanted or len(set(integer)) > 1:
        refuse(node.output, "it mixes int8 and float32, which only conversions may")
    if made and node.without_int8:
        refuse(node.output, f"{node.without_int8!r} has no int8 form")
    quants = {graph[node.input].quant, graph[node.output].quant}
    if made and node.keeps_quant and len(quants) > 1:
        refuse(node.output, f"a {node.kind} keeps its input's quantization, and this does not")
    if node.renames:
        return
    if any(len(graph[name].shape) == 2 for name in node.inputs):
        refuse(node.output, f"a {node.kind} takes tensors of four axes")
    if any((q := graph[name].quant) is not None and q.bits == 16 for name in node.inputs):
        refuse(node.output, "it reads the logits, which only a reshape may")


def _check_sums(graph: QGraph, node: Node) -> None:
    """Sums fit in 32 bits, also when a factor above one shifts them to the left."""
    sums = bounds.of(graph, node)
    if sums is None:
        return
    if not np.isfinite(sums.factors).all():
        refuse(node.output, "a factor of its requantization is not a number")
    if (largest := int(sums.bound.max())) >= bounds.LIMIT:
        refuse(node.output, f"its sums may reach {largest}, beyond 32 bits")
    if graph.quant(node.output).bits == 16:
        if (quantize_multiplier(sums.factors)[1] > MAX_LOGITS_SHIFT).any():
            refuse(node.output, "the scale of the logits is too small for the sums")
    elif sums.shifted >= bounds.LIMIT:
        refuse(node.output, f"its scaled sums may reach {sums.shifted}, beyond 32 bits")
