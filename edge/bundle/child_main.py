# SPDX-License-Identifier: BSD-3-Clause
"""What runs in the process of :mod:`edge.bundle.child`: load models, run them, answer.

    python -m edge.bundle.child_main TARGET,TARGET CPU_SECONDS

The libraries of the targets are imported first; then the process is confined; then it reads.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import sys
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from edge.bundle import sandbox
from edge.bundle.child import PipeClosedError, receive, send
from edge.errors import EdgeError, ExitCode
from edge.targets import base
from edge.targets.base import Session

LIBRARIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "executorch": (
            "torch",
            "executorch.extension.pybindings._portable_lib",
            "executorch.runtime",
        ),
        "onnx": ("onnxruntime",),
        "tflite": ("ai_edge_litert.interpreter",),
    }
)
"""Native libraries of our targets; one that is not installed is named when a file is loaded."""

Answer = tuple[dict[str, Any], dict[str, NDArray[Any]]]


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer requests until there are none."""
    loaded: list[Session] = []
    actions: Mapping[str, Callable[..., Answer]] = {
        "load": _load,
        "values": _values,
        "block": _block,
        "echo": lambda *_: ({}, {}),
    }
    with contextlib.suppress(PipeClosedError):
        while True:
            asked, arrays = receive(requests)
            try:
                head, found = actions[asked["do"]](loaded, asked, arrays)
            except EdgeError as error:
                head, found = {"error": str(error), "code": int(error.exit_code)}, {}
            except Exception as error:
                line = next(iter(str(error).strip().splitlines()), "")
                words = f"The model cannot be run: {type(error).__name__}: {line}"
                head, found = {"error": words, "code": int(ExitCode.INCOMPATIBLE)}, {}
            send(answers, head, found)


def _load(
    loaded: list[Session], asked: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> Answer:
    files = {name: data.tobytes() for name, data in arrays.items()}
    content = files[""] if set(files) == {""} else files
    loader = base.load(asked["target"]).RUNTIMES[asked["runtime"]]
    loaded.append(loader(content, tuple(asked["others"]), asked["threads"]))
    return {}, {}


def _values(
    loaded: list[Session], asked: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> Answer:
    return {}, dict(loaded[asked["number"]].values(arrays["windows"]))


def _block(
    loaded: list[Session], asked: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> Answer:
    """As :func:`benchmarks.measure.protocol.timed` measures in its own process."""
    session = loaded[asked["number"]]
    invoke, sample = session.invoke, session.encode(arrays["windows"][0])
    gc.disable()
    try:
        invoke(sample)
        ticks = [time.perf_counter_ns()]
        for _ in range(asked["count"]):
            invoke(sample)
            ticks.append(time.perf_counter_ns())
    finally:
        gc.enable()
    return {}, {"us": np.diff(np.array(ticks)).astype(np.float64) / 1000}


def import_libraries(target: str) -> None:
    """Import what a target's models are run by, as far as it is installed."""
    for name in LIBRARIES.get(target, ()):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def main(targets: str, cpu_s: str) -> None:
    """Entry point of the process."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is not an answer
    for target in targets.split(","):
        import_libraries(target)
    absent = sandbox.confine(int(cpu_s) if cpu_s else None)
    send(answers, {"absent": list(absent)})
    serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
