# SPDX-License-Identifier: BSD-3-Clause
"""Provide the runtime ``tflite-plain``: LiteRT's own kernels, without a delegate.

They reject files that XNNPACK runs although they are invalid.
"""

from __future__ import annotations

from edge.spec import Precision
from edge.targets.base import Sources
from edge.targets.runtime import Built
from edge.targets.tflite import target as tflite

TARGET = "tflite"
IN_EXPORT = "tflite without delegate"
RUNS_WITH = tflite.RUNS_WITH
ABILITIES = tflite.ABILITIES
EXACT = tflite.EXACT


def build(sources: Sources) -> Built:
    """Load the file without the delegate."""
    data = tflite.write(sources, Precision.INT8)
    return Built(tflite.load(data, delegate=False), len(data))
