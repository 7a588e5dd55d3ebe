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
from collections.abc import Iterator, Mapping
from typing import NoReturn

import numpy as np

from quantize.errors import IncompatibleError
from quantize.graph import bounds
from quantize.graph.arithmetic import quantize_multiplier
from quantize.graph.qgraph import (
    FLOAT_ONLY,
    Activation,
    Arithmetic,
    Array,
    AveragePool,
    Conv,
    Dequantize,
    LeakyRelu,
    Maximum,
    Mean,
    Multiply,
    Node,
    QGraph,
    Quant,
    Quantize,
    Relu,
    Reshape,
    Tensor,
    inputs_of,
)

MAX_NODES = 4096
MAX_VALUES = 2**24
"""Values of one tensor or of one constant."""
MAX_MACS = 2**36
"""Multiply-accumulates of one window: a minute on a laptop, a thousand times our largest mode."""
MAX_NAME = 100
MAX_STRIDE = 2**15
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*", re.ASCII)
"""What a tensor may be called; it becomes an identifier of C with dots as underscores."""
OTHER_NAME = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
SMALLEST_SCALE = float(np.finfo(np.float32).tiny)
LARGEST_SCALE = float(np.finfo(np.float32).max)
MAX_LOGITS_SHIFT = 14
"""Logits of 16 bits are rounded once, in a shift to the right by 15 less this."""
KEEPS_QUANT = (Relu, Maximum, Reshape)

Shape = tuple[int, ...]


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
        _refuse("graph", f"it has {len(graph.nodes)} nodes; 1 ... {MAX_NODES} are allowed")
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
        expected = _output_shape(graph, node)
        if graph[node.output].shape != expected:
            _refuse(
                node.output, f"its shape is {graph[node.output].shape} and should be {expected}"
            )
        macs += _macs(graph, node)
        _check_sums(graph, node)
    if macs > MAX_MACS:
        _refuse("graph", f"a window takes {macs} multiplications; {MAX_MACS} are allowed")
    return {one.node: one.bound for one in bounds.accumulators(graph)}


def _refuse(what: str, why: str) -> NoReturn:
    raise IncompatibleError(f"Not a valid graph: {what!r:.120}: {why}.")


def _check_names(graph: QGraph) -> None:
    """Names from the whitelist, each used once, also as identifiers of C."""
    names = [tensor.name for tensor in graph.tensors]
    for name in names:
        if len(name) > MAX_NAME or not NAME.fullmatch(name):
            _refuse(
                name,
                "names are ASCII letters, digits, underscores and single dots, a letter first, "
                f"{MAX_NAME} characters at most",
            )
    for other in graph.others:
        if len(other) > MAX_NAME or not OTHER_NAME.fullmatch(other) or other == "logits":
            _refuse(other, "outputs are called by small letters, digits and underscores")
    for identifier, count in Counter(name.replace(".", "_") for name in names).items():
        if count > 1:
            _refuse(identifier, f"{count} tensors are called so")


def _check_tensor(tensor: Tensor) -> None:
    shape = tensor.shape
    if len(shape) not in (2, 4) or shape[0] != 1 or (len(shape) == 4 and shape[1] != 1):
        _refuse(tensor.name, f"its shape {_short(shape)} is neither (1, n) nor (1, 1, n, n)")
    if min(shape) < 1 or math.prod(shape) > MAX_VALUES:
        _refuse(tensor.name, f"its shape is {_short(shape)}; 1 ... {MAX_VALUES} values are allowed")
    if tensor.quant is not None:
        _check_quant(tensor.name, tensor.quant)


def _check_quant(name: str, quant: Quant) -> None:
    if not SMALLEST_SCALE <= quant.scale <= LARGEST_SCALE:
        _refuse(name, f"its scale is {quant.scale}; it must be positive and a normal float32")
    low, high = (0, 0) if quant.bits == 16 else quant.limits
    if not low <= quant.zero_point <= high:
        _refuse(name, f"its zero point is {quant.zero_point}; {low} ... {high} are allowed")


def _short(shape: Shape) -> str:
    return f"{shape!r:.60}"


def _check_order(graph: QGraph, node: Node, written: set[str]) -> None:
    """Every node reads what was written before it; so no cycle is possible."""
    if node.output not in graph.by_name:
        _refuse(node.output, "no tensor is called so")
    if node.output in written:
        _refuse(node.output, "it is written twice")
    for name in inputs_of(node):
        if name not in written:
            _refuse(node.output, f"it reads {name!r:.120}, which nothing has written yet")


def _check_ends(graph: QGraph, written: set[str]) -> None:
    """What comes in, what is given out, and that nothing else stands there."""
    if graph.input not in graph.by_name:
        _refuse(graph.input, "no tensor is called so, and it is the input")
    if len(graph[graph.input].shape) != 4:
        _refuse(graph.input, "the input's shape is not (1, 1, n_times, n_chans)")
    for name in graph.outputs.values():
        if name not in written:
            _refuse(name, "it is an output and nothing writes it")
    for tensor in graph.tensors:
        if tensor.name not in written:
            _refuse(tensor.name, "nothing writes it")
    if len(graph[graph.output].shape) != 2:
        _refuse(graph.output, "the logits' shape is not (1, n_outputs)")
    try:
        head = graph.head
    except (ValueError, KeyError):
        _refuse(graph.output, "no convolution writes the logits")
    of_logits = {head.output, graph.output}
    for node in graph.nodes:
        if isinstance(node, Reshape) and node.input in of_logits:
            of_logits.add(node.output)
    for tensor in graph.tensors:
        bits = 0 if tensor.quant is None else tensor.quant.bits
        if bits == 16 and tensor.name not in of_logits:
            _refuse(tensor.name, "it holds 16 bits, as the logits alone may")
        if bits == 8 and tensor.name == graph.output:
            _refuse(tensor.name, "logits hold 16 bits, not 8")


def _check_constants(graph: QGraph) -> None:
    """Those that the nodes need and no others, of the right type and shape, finite."""
    wanted = dict(constants(graph))
    for name in sorted({*wanted, *graph.constants}):
        if name not in graph.constants:
            _refuse(name, "this constant is missing")
        if name not in wanted:
            _refuse(name, "no node needs this constant")
        _check_constant(name, graph.constants[name], *wanted[name])


def constants(graph: QGraph) -> Iterator[tuple[str, tuple[Shape | None, str]]]:
    """Return what every constant of a graph has to be: name, shape (None for any), type.

    A convolution's weights may be int8 in a float graph too; their scale says so.
    """
    for node in graph.nodes:
        if not isinstance(node, Conv):
            continue
        n_outputs = graph[node.output].shape[-1]
        integer = graph[node.output].quant is not None
        scaled = integer or f"{node.output}.weight_scale" in graph.constants
        yield f"{node.output}.weight", (None, "int8" if scaled else "float32")
        yield f"{node.output}.bias", ((n_outputs,), "int32" if integer else "float32")
        if scaled:
            shape = (n_outputs,) if integer else (1,)
            yield f"{node.output}.weight_scale", (shape, "float32")


def _check_constant(name: str, value: Array, shape: Shape | None, kind: str) -> None:
    if value.dtype != np.dtype(kind):
        _refuse(name, f"it holds {value.dtype}, not {kind}")
    if shape is not None and value.shape != shape:
        _refuse(name, f"its shape is {_short(value.shape)} and should be {shape}")
    if not 0 < value.size <= MAX_VALUES:
        _refuse(name, f"it holds {value.size} values; 1 ... {MAX_VALUES} are allowed")
    if value.dtype.kind == "f" and not np.isfinite(value).all():
        _refuse(name, "it holds NaN or infinity")
    if name.endswith(".weight_scale") and not (value >= np.float32(SMALLEST_SCALE)).all():
        _refuse(name, "a scale in it is not positive, or too small for a float32")


def _check_types(graph: QGraph, node: Node) -> None:
    """int8 with int8 and float with float, but for the two conversions."""
    integer = [graph[name].quant is not None for name in inputs_of(node)]
    made = graph[node.output].quant is not None
    wanted = {Quantize: (False, True), Dequantize: (True, False)}.get(type(node), (made, made))
    if (all(integer), made) != wanted or len(set(integer)) > 1:
        _refuse(node.output, "it mixes int8 and float32, which only conversions may")
    function = getattr(node, "function", "")
    if made and function in FLOAT_ONLY:
        _refuse(node.output, f"{function!r} has no int8 form")
    quants = {graph[node.input].quant, graph[node.output].quant}
    if made and isinstance(node, KEEPS_QUANT) and len(quants) > 1:
        _refuse(node.output, f"a {node.kind} keeps its input's quantization, and this does not")
    if any(len(graph[name].shape) == 2 for name in inputs_of(node)) and not isinstance(
        node, Reshape
    ):
        _refuse(node.output, f"a {node.kind} takes tensors of four axes")
    if any((q := graph[name].quant) is not None and q.bits == 16 for name in inputs_of(node)) and (
        not isinstance(node, Reshape)
    ):
        _refuse(node.output, "it reads the logits, which only a reshape may")


def _output_shape(graph: QGraph, node: Node) -> Shape:
    """The shape that a node's output must have."""
    shape = graph[node.input].shape
    match node:
        case Conv():
            return _conv_shape(graph, node)
        case AveragePool():
            return (1, 1, _positions(node.output, shape[2], node.length, node.stride), shape[3])
        case Mean():
            return (1, 1, 1, shape[3])
        case Maximum():
            return (1, 1, 1, shape[3]) if node.over == "time" else (1, 1, shape[2], 1)
        case Multiply() | Arithmetic():
            other = graph[node.other].shape
            if any(b not in (1, a) for a, b in zip(shape, other, strict=True)):
                _refuse(node.output, f"{other} cannot be broadcast to {shape}")
            return shape
        case Reshape():
            own = graph[node.output].shape
            if math.prod(own) != math.prod(shape):
                _refuse(node.output, f"{shape} cannot be reshaped to {own}")
            return own
        case LeakyRelu():
            if not 0 <= node.slope <= LARGEST_SCALE:
                _refuse(node.output, f"its slope is {node.slope}; it must be a number from 0 on")
            return shape
        case Activation() | Relu() | Quantize() | Dequantize():
            return shape


def _conv_shape(graph: QGraph, node: Conv) -> Shape:
    n_times, n_inputs = graph[node.input].shape[2:]
    weight = graph.constants[f"{node.output}.weight"]
    n_outputs = graph[node.output].shape[-1]
    leading = (1, 1) if node.depthwise else (n_outputs, 1)
    if weight.ndim != 4 or weight.shape[:2] != leading or weight.shape[3] != n_inputs:
        wanted = f"({', '.join(map(str, (*leading, 'length', n_inputs)))})"
        _refuse(f"{node.output}.weight", f"its shape is {weight.shape} and should be {wanted}")
    if node.depthwise and n_outputs != n_inputs:
        _refuse(node.output, f"it is depthwise with {n_inputs} channels in and {n_outputs} out")
    length = weight.shape[2]
    if not all(0 <= pad < length for pad in node.pad):
        _refuse(node.output, f"its pad is {_short(node.pad)}; 0 ... {length - 1} are allowed")
    padded = n_times + sum(node.pad)
    return (1, 1, _positions(node.output, padded, length, node.stride), n_outputs)


def _positions(name: str, n_times: int, length: int, stride: int) -> int:
    """How often a window of ``length`` fits into ``n_times`` samples."""
    if not 1 <= length <= n_times:
        _refuse(name, f"its length is {length} and it reads {n_times} samples")
    if not 1 <= stride <= MAX_STRIDE:
        _refuse(name, f"its stride is {stride}; 1 ... {MAX_STRIDE} are allowed")
    return (n_times - length) // stride + 1


def _macs(graph: QGraph, node: Node) -> int:
    """Multiply-accumulates of a node."""
    values = math.prod(graph[node.output].shape)
    match node:
        case Conv():
            weight = graph.constants[f"{node.output}.weight"]
            return values * int(weight.shape[2]) * (1 if node.depthwise else int(weight.shape[3]))
        case AveragePool():
            return values * node.length
        case _:
            return max(values, math.prod(graph[node.input].shape))


def _check_sums(graph: QGraph, node: Node) -> None:
    """Sums fit in 32 bits, also when a factor above one shifts them to the left."""
    sums = bounds.of(graph, node)
    if sums is None:
        return
    if not np.isfinite(sums.factors).all():
        _refuse(node.output, "a factor of its requantization is not a number")
    if (largest := int(sums.bound.max())) >= bounds.LIMIT:
        _refuse(node.output, f"its sums may reach {largest}, beyond 32 bits")
    if graph.quant(node.output).bits == 16:
        if (quantize_multiplier(sums.factors)[1] > MAX_LOGITS_SHIFT).any():
            _refuse(node.output, "the scale of the logits is too small for the sums")
    elif sums.shifted >= bounds.LIMIT:
        _refuse(node.output, f"its scaled sums may reach {sums.shifted}, beyond 32 bits")
