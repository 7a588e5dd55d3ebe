# SPDX-License-Identifier: BSD-3-Clause
"""Ask runtimes for the memory that they plan for a network's tensors, its input included."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from benchmarks.measure import constants
from edge.errors import MissingToolError
from edge.targets import c
from edge.targets.executorch import target as executorch
from edge.targets.tflite import target as tflite

NOTE = (
    "planned_bytes: memory for tensors, input included. ExecuTorch: its memory plan, XNNPACK's own "
    "workspace not; TFLite: the arena of its plain kernels; ONNX Runtime plans none before it "
    "runs: inputs and outputs of its largest operation, by its profile; C: the struct, window not"
)


def planned_bytes(target: str, path: Path) -> int | None:
    """Return the planned memory of an artifact of ours or of the stock route's.

    None where nothing is planned, or what would tell is not installed.
    """
    count = COUNTS.get(target.removeprefix("stock-"))
    try:
        return None if count is None else count(path)
    except (ImportError, MissingToolError):
        return None


def _executorch(path: Path) -> int:
    return executorch.planned_bytes(path.read_bytes())


def _tflite(path: Path) -> int:
    """Every byte in which some tensor lies at some time."""
    interpreter = tflite.open_interpreter(path.read_bytes(), delegate=False)
    fixed = constants.constant_tensors(path.read_bytes())
    spans = []
    for details in interpreter.get_tensor_details():
        if details["index"] in fixed:
            continue
        try:
            view = interpreter.tensor(details["index"])()
        except ValueError:  # it has no memory
            continue
        begin = view.__array_interface__["data"][0]
        spans.append((begin, begin + view.nbytes))
    total = end = 0
    for begin, until in sorted(spans):
        total += max(0, until - max(begin, end))
        end = max(end, until)
    return total


def _onnx(path: Path) -> int:
    """What the profile of one run says."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_profiling = True
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = f"{folder}/run"
        session = onnxruntime.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
        (source,) = session.get_inputs()
        session.run(None, {source.name: np.zeros(source.shape, np.float32)})
        events: list[dict[str, Any]] = json.loads(Path(session.end_profiling()).read_text())
    steps = [event["args"] for event in events if "output_size" in event.get("args", {})]
    return max(int(step["activation_size"]) + int(step["output_size"]) for step in steps)


def _c(path: Path) -> int:
    files = {file.name: file.read_bytes() for file in path.iterdir()}
    return c.compiled(files).state_bytes


COUNTS: Mapping[str, Callable[[Path], int]] = MappingProxyType(
    {"c": _c, "executorch": _executorch, "litert": _tflite, "onnx": _onnx, "tflite": _tflite}
)
