# SPDX-License-Identifier: BSD-3-Clause
"""Names of classes follow the order that the data gives them, that of the logits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

import edge
from edge.checkpoint.files import load, save
from edge.checkpoint.model import FloatModel
from edge.spec import ModelSpec
from tests.networks import SMALL, randomized, windows

L, R = "left", "right"

SPEC = ModelSpec("none", 3, 300, 2, SMALL)


def test_a_bundle_says_what_braindecode_says(tmp_path: Path) -> None:
    """A model whose first logit is 'right', with labels as names: all right, and named right."""
    module = randomized(SPEC, 2)
    x = windows(SPEC, 120)
    with torch.no_grad():  # so that both classes are decided for
        apart = module(torch.from_numpy(x)).diff(dim=1)
        module.final_layer[1].bias[1] -= apart.median()
    save(FloatModel(module, SPEC), tmp_path)
    decided = np.array([R, L])[load(tmp_path).module(torch.from_numpy(x)).argmax(1).numpy()]
    data = {"X": x, "y": decided, "classes": (R, L), "session": np.repeat([1, 2], 60)}
    bundle = edge.export(
        tmp_path, data=data, out=tmp_path / "b", targets=["onnx"], int8=False, quiet=True
    )
    assert bundle.contract().classes == (R, L)
    shares = {one.rung: one.correct.share for one in bundle.manifest.accuracy}
    assert set(shares.values()) == {1.0}
