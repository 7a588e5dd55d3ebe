# SPDX-License-Identifier: BSD-3-Clause
"""Provide the runtime ``tflm``: TensorFlow Lite Micro's interpreter, for ``--targets tflite``.

It runs the same file as LiteRT. Its reference kernels are the arithmetic that
:mod:`quantize.graph.reference` computes, so its integers must be equal to the reference's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import IncompatibleError, MissingToolError
from edge.patches import stderr
from edge.spec import Precision
from edge.targets.base import Ability, Session, Sources
from edge.targets.runtime import Built
from edge.targets.tflite import target as tflite
from quantize.graph import outputs
from quantize.graph.layouts import to_nhwc
from quantize.graph.reference import dequantize, quantize

TARGET = "tflite"
IN_EXPORT = ""
RUNS_WITH = ("tflite-micro",)
EXACT = True

GELU = Ability(
    int8=False,
    runs=False,
    why="TensorFlow Lite Micro has no GELU",
    fix="ELU, ReLU, LeakyReLU, SiLU, Tanh and Sigmoid run: train with one of them",
)
ABILITIES: Mapping[str, Ability] = MappingProxyType({**tflite.ABILITIES, "gelu": GELU})

ARENA_BYTES = 2**22
"""More than any network of ours needs; what it takes is read from its recording allocator."""


def build(sources: Sources) -> Built:
    """Load the file in the interpreter, and ask for the arena that it takes."""
    data = tflite.write(sources, Precision.INT8)
    graph = sources.graph(Precision.INT8)
    with stderr.captured():
        interpreter = _interpreter(data)
    source, target = graph.quant(graph.input), graph.quant(graph.output)

    def encode(window: NDArray[np.float32]) -> NDArray[np.int8]:
        return quantize(to_nhwc(np.asarray(window, np.float32)[None]), source)

    def invoke(stored: NDArray[np.int8]) -> Any:
        interpreter.set_input(stored, 0)
        interpreter.invoke()
        return [interpreter.get_output(i) for i in range(len(graph.outputs))]

    def value(place: int, name: str) -> Callable[[Any], NDArray[np.float32]]:
        return lambda stored: outputs.real(graph, name, stored[place])[0]

    others = {name: value(1 + i, name) for i, name in enumerate(graph.others)}
    session = Session(encode, invoke, lambda stored: dequantize(stored[0][0], target), others)
    return Built(session, len(data), arena_bytes(data))


def infer(data: bytes, stored: NDArray[np.int8]) -> NDArray[np.int16]:
    """Compute an int8 file's logits for every row of ``stored``, the input's own integers."""
    with stderr.captured():
        interpreter = _interpreter(data)
        outputs = []
        for row in stored:
            interpreter.set_input(row[None], 0)
            interpreter.invoke()
            outputs.append(interpreter.get_output(0).copy())
    return np.concatenate(outputs)


def arena_bytes(data: bytes) -> int:
    """Return the bytes of the arena that a file takes on this machine of 64 bits.

    Raises
    ------
    IncompatibleError
        When the interpreter reports nothing.
    """
    with stderr.captured() as printed:
        _interpreter(data).print_allocations()
    found = re.search(r"Arena allocation total (\d+) bytes", printed[0])
    if found is None:
        raise IncompatibleError("TensorFlow Lite Micro did not say what its arena takes.")
    return int(found[1])


def _interpreter(data: bytes) -> Any:
    try:
        from tflite_micro.python.tflite_micro import runtime
    except ImportError:
        raise MissingToolError(
            "Running TensorFlow Lite Micro needs its interpreter, which is not installed; there "
            "are wheels for Linux x86-64 only. Type: pip install --pre tflite-micro"
        ) from None
    return runtime.Interpreter.from_bytes(data, arena_size=ARENA_BYTES)
