# SPDX-License-Identifier: BSD-3-Clause
"""Provide the runtime ``onnxruntime``: ONNX Runtime's CPU kernels, for ``--targets onnx``."""

from __future__ import annotations

from edge.spec import Precision
from edge.targets.base import Sources
from edge.targets.onnx import target as onnx
from edge.targets.runtime import Built

TARGET = IN_EXPORT = "onnx"
RUNS_WITH = onnx.RUNS_WITH
ABILITIES = onnx.ABILITIES
EXACT = onnx.EXACT


def build(sources: Sources) -> Built:
    """Load the file in a session."""
    data = onnx.write(sources, Precision.INT8)
    return Built(onnx.load(data), len(data))
