# SPDX-License-Identifier: BSD-3-Clause
"""Windows that no brain gives, through every runtime; what 10,000 a mode gave is kept."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from benchmarks.studies import adversarial, hard_windows
from edge import registry

ROOM = hard_windows.Room(n_chans=4, n_times=60, low=-4.0, high=3.9)


@pytest.mark.parametrize("kind", hard_windows.KINDS)
def test_windows(kind: str) -> None:
    """Finite, the same again, not all alike; the kinds that have rails reach them."""
    made = [hard_windows.window(kind, ROOM, number) for number in range(60)]
    for number, window in enumerate(made):
        assert window.shape == (ROOM.n_chans, ROOM.n_times)
        assert window.dtype == np.float32
        assert np.isfinite(window).all()
        assert np.array_equal(window, hard_windows.window(kind, ROOM, number))
    assert len({window.tobytes() for window in made}) > 20
    beyond = max(np.abs(window).max() for window in made)
    if kind == "constant":
        assert beyond <= -ROOM.low
        assert all(np.ptp(window, axis=1).max() == 0 for window in made)
    else:
        assert beyond > 100 * ROOM.high
    if kind == "square":
        flips = [np.count_nonzero(np.diff(window[0])) for window in made]
        assert np.median(flips) == ROOM.n_times - 1


@pytest.mark.slow
def test_a_mode_holds() -> None:
    """Every runtime of eca, 20 windows of each kind: C is equal, no other is far off, no NaN."""
    rows, _ = adversarial.measure("eca", 100)
    assert {row.kind for row in rows} == set(hard_windows.KINDS)
    assert {row.runtime for row in rows} >= {"c", "executorch", "onnx", "tflite", adversarial.PLAIN}
    assert all(row.finite for row in rows)
    assert [row for row in rows if row.max_steps > 32 or row.within_one_step < 0.7] == []
    assert {row.max_steps for row in rows if row.runtime == "c"} == {0}


@pytest.mark.slow
def test_a_wrong_kernel_is_named() -> None:
    """A graph whose mean has another scale than the file's: that node differs."""
    mode = adversarial.load("se")
    x = np.stack([hard_windows.window("lead-off", mode.room, number) for number in range(4)])
    assert "gate.mean" not in {one.node for one in adversarial.culprits(mode, x)}
    tensors = tuple(
        dataclasses.replace(t, quant=dataclasses.replace(t.quant, scale=1.3 * t.quant.scale))
        if t.name == "gate.mean" and t.quant is not None
        else t
        for t in mode.graph.tensors
    )
    wrong = dataclasses.replace(mode.graph, tensors=tensors)
    int8 = dataclasses.replace(mode.sources.int8, graph=wrong)
    other = dataclasses.replace(mode, sources=dataclasses.replace(mode.sources, quantized=int8))
    assert "gate.mean" in {one.node for one in adversarial.culprits(other, x)}


def test_what_is_kept() -> None:
    """10,000 windows of every mode that was run; C differs by nothing, or a step behind float."""
    rows = json.loads(adversarial.RESULTS.read_text())["rows"]
    modes = {row["mode"] for row in rows}
    assert modes <= set(registry.names(registry.MODES))
    assert len(modes) >= 7
    for mode in modes:
        kept = [row for row in rows if row["mode"] == mode and row["runtime"] == "c"]
        assert sum(row["windows"] for row in kept) == 10_000
        assert max(row["max_steps"] for row in kept) <= max(row["allowed"] for row in kept)
    assert all(row["finite"] for row in rows)


def test_rows_of_an_equal_runtime_are_one() -> None:
    """One line for what never differs; nothing of what does is left out."""
    equal = adversarial.Row("eca", "c", "square", 20, 0.0, 1.0, 1, 0, None, 3.0, True, "", "")
    off = dataclasses.replace(equal, runtime="onnx", max_steps=2.0)
    rows = [
        equal,
        dataclasses.replace(equal, kind="constant"),
        off,
        dataclasses.replace(off, kind="constant", max_steps=0),
    ]
    kept = adversarial.condensed(rows)
    assert kept == [dataclasses.replace(equal, kind="every", windows=40), *rows[2:]]
