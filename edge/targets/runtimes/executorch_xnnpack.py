# SPDX-License-Identifier: BSD-3-Clause
"""Provide the runtime ``executorch-xnnpack``: ExecuTorch with the XNNPACK delegate."""

from __future__ import annotations

from edge.spec import Precision
from edge.targets.base import Sources
from edge.targets.executorch import target as executorch
from edge.targets.runtime import Built

TARGET = IN_EXPORT = "executorch"
RUNS_WITH = executorch.RUNS_WITH
ABILITIES = executorch.ABILITIES
EXACT = executorch.EXACT


def build(sources: Sources) -> Built:
    """Load the program, and read its memory plan without XNNPACK's own workspace."""
    data = executorch.write(sources, Precision.INT8)
    return Built(executorch.load(data), len(data), executorch.planned_bytes(data))
