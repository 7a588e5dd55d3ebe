# SPDX-License-Identifier: BSD-3-Clause
"""Provide the runtime ``tflite``: LiteRT with XNNPACK, its default delegate."""

from __future__ import annotations

from edge.spec import Precision
from edge.targets.base import Sources
from edge.targets.runtime import Built
from edge.targets.tflite import target as tflite

TARGET = IN_EXPORT = "tflite"
RUNS_WITH = tflite.RUNS_WITH
ABILITIES = tflite.ABILITIES
EXACT = tflite.EXACT


def build(sources: Sources) -> Built:
    """Load the file with the delegate."""
    data = tflite.write(sources, Precision.INT8)
    return Built(tflite.load(data), len(data))
