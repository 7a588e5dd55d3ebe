# SPDX-License-Identifier: BSD-3-Clause
"""TensorFlow Lite Micro's interpreter, the reference of the integer arithmetic."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray


def run(data: bytes, stored: NDArray[Any]) -> NDArray[Any]:
    """Outputs of a file for every row of ``stored``, the input tensor's own integers."""
    runtime = pytest.importorskip(
        "tflite_micro.python.tflite_micro.runtime",
        reason="tflite-micro has wheels for Linux x86-64 only",
    )
    with _quiet():
        interpreter = runtime.Interpreter.from_bytes(data)
        outputs = []
        for row in stored:
            interpreter.set_input(row[None], 0)
            interpreter.invoke()
            outputs.append(interpreter.get_output(0).copy())
    return np.concatenate(outputs)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep its banner out of the test report."""
    saved = os.dup(2)
    with open(os.devnull, "w") as sink:  # noqa: PTH123
        os.dup2(sink.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
