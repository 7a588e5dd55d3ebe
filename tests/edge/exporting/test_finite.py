# SPDX-License-Identifier: BSD-3-Clause
"""A gate that is NaN on some window is named, and never exported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import edge
from edge.checkpoint.forward import predict
from edge.errors import AccuracyError, IncompatibleError
from edge.exporting import finite
from edge.exporting import rungs as ladder
from edge.exporting.rungs import HeldOut
from edge.spec import BRAINDECODE, ModelSpec, Precision
from quantize.graph import outputs, reference
from quantize.graph.qgraph import Quant
from tests.edge.targets.test_modes_on_targets import sources
from tests.networks import SMALL, randomized, windows

SPEC = ModelSpec("encnet", 3, 300, 2, SMALL)
LOUD = 1000.0


def poisoned() -> Any:
    """Finite weights, each of them; distances to codewords overflow where a window is loud."""
    module = randomized(SPEC, 1)
    block = module.channel_attention_block.attention_block
    block.smoothing.data = torch.full_like(block.smoothing, 3e34)
    return module


def data(*loud: int) -> dict[str, np.ndarray]:
    """120 windows in two sessions, some of them loud."""
    x = windows(SPEC, 120)
    x[list(loud)] *= LOUD
    return {"X": x, "y": np.arange(120) % 2, "session": np.repeat([1, 2], 60)}


def refused(folder: Path, *loud: int) -> str:
    """What the export says; nothing is left behind."""
    with pytest.raises(AccuracyError) as error:
        edge.export(poisoned(), data=data(*loud), targets=["c"], out=folder / "bundle", quiet=True)
    assert list(folder.iterdir()) == []
    return str(error.value)


ADVICE = (
    "Nothing was written. Leave out windows that are much louder than the others, or train the "
    "model again."
)


def test_poison_is_real() -> None:
    """braindecode's own module is a number on quiet windows and none on loud ones."""
    x = data(3)["X"][:5]
    broken = ~np.isfinite(predict(poisoned(), x)).all(1)
    assert broken.tolist() == [False, False, False, True, False]


def test_held_out_window(tmp_path: Path) -> None:
    """Windows that only measuring sees: how many, which first, and the operation that begins it."""
    assert refused(tmp_path, 70, 95) == (
        "The network is not a number on 2 of 60 held-out windows, the first of "
        f"them number 10: gate.of_squares (conv) is infinite. {ADVICE}"
    )


def test_calibration_window(tmp_path: Path) -> None:
    """Windows that scales come from."""
    assert refused(tmp_path, 20) == (
        "The network is not a number on 1 of 60 calibration windows, the first of "
        f"them number 20: gate.of_squares (conv) is infinite. {ADVICE}"
    )


def test_weight_that_is_nan() -> None:
    """A weight that is no number itself is found before anything runs, by name."""
    module = randomized(SPEC, 1)
    module.channel_attention_block.attention_block.codewords.data[1, 2] = np.nan
    with pytest.raises(IncompatibleError) as error:
        edge.export(module, data=data(), targets=["c"], out="unused", quiet=True)
    assert str(error.value) == (
        "The model does not fit its own get_config(): "
        "channel_attention_block.attention_block.codewords holds values that are not finite."
    )


def test_gate_that_rounding_breaks() -> None:
    """cat in int8: tokens that all round to one value have entropies without a range, 0 / 0."""
    made, x = sources("cat")
    graph = outputs.give(made.graph(Precision.INT8), ())
    coarse = tuple(
        replace(tensor, quant=Quant(1e4, 0)) if tensor.name == "pointwise_act" else tensor
        for tensor in graph.tensors
    )
    broken = replace(graph, tensors=coarse)
    assert np.isfinite(reference.run(graph, x).real).all()
    found = finite.culprit(broken, x[:1])
    assert found is not None
    assert found.startswith("gate.")
    assert found.endswith(" (div) is NaN")
    held_out = HeldOut(x, x, np.zeros(len(x), np.int64))
    top = ladder.Rung(BRAINDECODE, reference.run(graph, x).real)
    with pytest.raises(AccuracyError) as error:
        ladder.int8_rungs(replace(made, quantized=replace(made.int8, graph=broken)), top, held_out)
    assert str(error.value) == (
        f"The network is not a number on {len(x)} of {len(x)} held-out windows in "
        f"int8, the first of them number 0: {found}. {ADVICE}"
    )
