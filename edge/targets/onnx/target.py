# SPDX-License-Identifier: BSD-3-Clause
"""Provide the target ``onnx``: ONNX Runtime, and every tool that reads quantized ONNX (QDQ).

The file is written node by node from :class:`QGraph`. Input (1, n_chans, 1, n_times) and logits
(1, n_outputs) are both float32. In int8 every tensor passes through QuantizeLinear and
DequantizeLinear, weights are int8 and biases int32 in the file, and the operations stand between
them in float, as the QDQ convention has it: a runtime fuses what it has an integer kernel for. What
ONNX Runtime's CPU kernels do is :data:`ABILITIES`, and a test compares that table with the graph
that ONNX Runtime made.

Activations are stored as uint8, 128 above the graph's int8: the same steps, and the pair of types
(uint8 times int8) that ONNX Runtime fuses throughout; with int8 it left the gate in float.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import MissingToolError
from edge.spec import Precision
from edge.targets.base import FLOAT_HEAD, Ability, Loader, Session, Sources
from edge.targets.onnx.write import encode as encode_graph
from quantize.graph.layouts import to_nchw

SUFFIX = "onnx"
PRECISIONS = tuple(Precision)
EXACT = False
WRITES_WITH = ("onnx",)
RUNS_WITH = ("onnxruntime",)

INT8 = Ability(int8=True)
DEQUANTIZED = Ability(
    int8=False,
    why="ONNX Runtime has no int8 kernel for it and computes it on dequantized values",
)
TABLE = replace(DEQUANTIZED, fix="the tflite target looks it up in a table")
ABILITIES: Mapping[str, Ability] = MappingProxyType(
    {
        "add": INT8,
        "average_pool": INT8,
        "conv": INT8,
        "depthwise_conv": INT8,
        "div": DEQUANTIZED,
        "elu": TABLE,
        "exp": DEQUANTIZED,
        "gelu": TABLE,
        "head": FLOAT_HEAD,
        "leaky_relu": INT8,
        "log": DEQUANTIZED,
        "max_over_channels": INT8,
        "max_over_time": INT8,
        "max_pool": INT8,
        "mean": INT8,
        "multiply": INT8,
        "relu": INT8,
        "requantized_average_pool": INT8,
        "reshape": INT8,
        "sigmoid": INT8,
        "sqrt": DEQUANTIZED,
        "sub": replace(DEQUANTIZED, fix="the tflite target subtracts in int8"),
        "tanh": TABLE,
    }
)


def write(sources: Sources, precision: Precision) -> bytes:
    """Write the ``.onnx`` file, checked by ``onnx.checker``; equal graphs give equal bytes."""
    return encode_graph(sources.graph(precision))


def load(data: bytes, others: Sequence[str] = (), threads: int = 1) -> Session:
    """Load the file in ONNX Runtime's CPU kernels."""
    session = _session(data, threads)
    name = session.get_inputs()[0].name

    def encode(window: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        return {name: to_nchw(np.ascontiguousarray(window, np.float32)[None])}

    def decode(outputs: Any) -> NDArray[np.float32]:
        logits: NDArray[np.float32] = outputs[0][0]
        return logits

    def value(place: int) -> Callable[[Any], NDArray[np.float32]]:
        return lambda outputs: np.ravel(outputs[place])

    values = {name: value(1 + i) for i, name in enumerate(others)}
    return Session(encode, lambda feed: session.run(None, feed), decode, values)


def _session(data: bytes, threads: int = 1, optimized: str = "") -> Any:
    """A session; the graph that ONNX Runtime made of the file is written to ``optimized``."""
    try:
        import onnxruntime
    except ImportError:
        raise MissingToolError(
            "Running an .onnx file needs ONNX Runtime, which is not installed. "
            "Type: pip install onnxruntime"
        ) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    # Without VNNI the x86 kernels add pairs of products in saturating int16 unless told not to.
    options.add_session_config_entry("session.x64quantprecision", "1")
    options.optimized_model_filepath = optimized
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


RUNTIMES: Mapping[str, Loader] = MappingProxyType({"onnx": load})
