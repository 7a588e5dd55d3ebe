# SPDX-License-Identifier: BSD-3-Clause
"""The Python API as a type checker sees it; mypy reads it in tests/edge/test_api.py."""

from pathlib import Path
from typing import assert_type

import numpy as np
from numpy.typing import NDArray

import edge
from benchmarks.measure.findings import Report
from edge.bundle.read import Bundle
from edge.bundle.run import Check
from edge.training.train import Trained

x = np.zeros((4, 22, 1000), np.float32)

trained = edge.train("eca", {"X": x, "y": [0, 1, 0, 1]}, out="model", epochs=1)
assert_type(trained, Trained)
bundle = edge.export("model", data=Path("S001"), targets=["tflite"], out=Path("b"), max_drop=0.5)
assert_type(bundle, Bundle)
assert_type(edge.load("b"), Bundle)
assert_type(edge.run(bundle, x, target="tflite"), NDArray[np.float32])
assert_type(edge.verify("b"), tuple[Check, ...])
assert_type(edge.bench(bundle, stock=False), Report)

edge.export("model", out=3)  # type: ignore[arg-type]
edge.export("model", int4=True, out="b")  # type: ignore[call-arg]
edge.run(bundle)  # type: ignore[call-arg]
edge.exprot  # type: ignore[attr-defined]  # noqa: B018
