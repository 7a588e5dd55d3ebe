# SPDX-License-Identifier: BSD-3-Clause
"""Provide the target ``tflite``: LiteRT (ai-edge-litert), tflite-runtime, TensorFlow Lite Micro.

The file is written operator by operator from :class:`QGraph`, so that it computes the reference's
integers: input (1, 1, n_times, n_chans) sample-major as an ADC delivers, logits (1, n_outputs);
int8 in and int16 out, or float32. Neither torch nor a converter is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import MissingToolError
from edge.spec import Precision
from edge.targets.base import Loader, Session, Sources, all_in_int8
from edge.targets.tflite import write as writer
from edge.targets.tflite.operations import WRITERS
from quantize.graph.layouts import to_nhwc
from quantize.graph.outputs import flat
from quantize.graph.qgraph import Quant
from quantize.graph.reference import dequantize, quantize

SUFFIX = "tflite"
PRECISIONS = tuple(Precision)
EXACT = False
WRITES_WITH = ("ai-edge-litert", "flatbuffers")
RUNS_WITH = ("ai-edge-litert|tflite-runtime",)

ABILITIES = all_in_int8("no int8 kernel for it that every TFLite runtime has", WRITERS)


def write(sources: Sources, precision: Precision) -> bytes:
    """Write the ``.tflite`` file, the same bytes whenever the graph is the same."""
    return writer.encode(sources.graph(precision))


def load(
    data: bytes, others: Sequence[str] = (), threads: int = 1, *, delegate: bool = True
) -> Session:
    """Load the file in LiteRT, or in tflite-runtime if that is what is installed."""
    interpreter = open_interpreter(data, threads, delegate=delegate)
    source = interpreter.get_input_details()[0]
    target, *rest = interpreter.get_output_details()

    def encode_window(window: NDArray[np.float32]) -> NDArray[Any]:
        return encode(to_nhwc(np.asarray(window, np.float32)[None]), source)

    def invoke(samples: NDArray[Any]) -> list[NDArray[Any]]:
        interpreter.set_tensor(source["index"], samples)
        interpreter.invoke()
        return [interpreter.get_tensor(details["index"]) for details in (target, *rest)]

    def value(place: int, details: Mapping[str, Any]) -> Callable[[Any], NDArray[np.float32]]:
        return lambda stored: flat(decode(stored[place], details))[0]

    values = {name: value(1 + i, rest[i]) for i, name in enumerate(others)}
    return Session(encode_window, invoke, lambda stored: decode(stored[0][0], target), values)


def open_interpreter(
    data: bytes, threads: int = 1, *, delegate: bool = True, keep: bool = False
) -> Any:
    """Return the interpreter with its tensors allocated.

    Parameters
    ----------
    delegate
        Whether XNNPACK, the default delegate, may take the graph.
    keep
        Whether every tensor can be read after a window, at the price of memory.

    Raises
    ------
    MissingToolError
        When neither LiteRT nor tflite-runtime is installed.
    """
    module = _interpreter_module()
    kinds = module.OpResolverType
    interpreter = module.Interpreter(
        model_content=data,
        num_threads=threads,
        experimental_op_resolver_type=(
            kinds.AUTO if delegate else kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        ),
        experimental_preserve_all_tensors=keep,
    )
    interpreter.allocate_tensors()
    return interpreter


RUNTIMES: Mapping[str, Loader] = MappingProxyType(
    {"tflite": load, "tflite without delegate": partial(load, delegate=False)}
)


def encode(samples: NDArray[np.float32], details: Mapping[str, Any]) -> NDArray[Any]:
    """Return samples as the interpreter's input tensor holds them."""
    if details["dtype"] is np.float32:
        return samples
    return quantize(samples, _quant(details))


def decode(stored: NDArray[Any], details: Mapping[str, Any]) -> NDArray[np.float32]:
    """Return the interpreter's output tensor as float32."""
    if details["dtype"] is np.float32:
        return stored
    return dequantize(stored, _quant(details))


def _quant(details: Mapping[str, Any]) -> Quant:
    scale, zero_point = details["quantization"]
    return Quant(float(scale), int(zero_point))


def _interpreter_module() -> Any:
    try:
        from ai_edge_litert import interpreter
    except ImportError:
        try:
            from tflite_runtime import interpreter
        except ImportError:
            raise MissingToolError(
                "Running a .tflite file needs LiteRT, which is not installed. "
                "Type: pip install 'eeg-edge[run]'"
            ) from None
    return interpreter
