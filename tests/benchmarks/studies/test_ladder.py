# SPDX-License-Identifier: BSD-3-Clause
"""The ladder's arithmetic, its figure, and what is stored of it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.studies import ladder, ladder_figure, ladder_steps
from edge.data import sim
from edge.signal import chain
from quantize.plain import to_json

CONTRACT = sim.DEFAULT.contract()


def run_at(onsets: list[int], n: int = 4000) -> ladder.Run:
    """A run of one channel whose samples are their numbers."""
    samples = np.arange(n, dtype=float)[None]
    labels = np.zeros(len(onsets), np.int64)
    return ladder.Run("R01", Path("x"), samples, np.array(onsets), labels)


def test_steps_are_paired() -> None:
    """Gained and lost against the rung before, on the same trials."""
    correct = {
        "a": np.array([1, 1, 0, 0, 1], bool),
        "b": np.array([1, 0, 1, 1, 1], bool),
        "c": np.array([1, 0, 1, 1, 1], bool),
    }
    found = ladder_steps.climb("S", "data", correct)
    assert [step.rung for step in found.steps] == ["b", "c"]
    assert [(step.gained, step.lost) for step in found.steps] == [(2, 1), (0, 0)]
    assert found.steps[0].difference.value == pytest.approx(0.2)
    assert found.steps[1].difference.low < 0 < found.steps[1].difference.high
    assert {rung: p.count for rung, p in found.accuracy.items()} == {"a": 3, "b": 4, "c": 4}


def test_windows_on_the_grid() -> None:
    """They begin with the trial or up to a hop later, where the stream decides."""
    contract = dataclasses.replace(CONTRACT, n_times=100, hop=15)
    run = run_at([0, 1, 15, 16, 29])
    ends = ladder.ends_on_grid(run, contract)
    assert ends.tolist() == [100, 115, 115, 130, 130]
    windows = ladder.on_grid(run.samples.astype(np.float32), run, contract)
    assert windows[:, 0, 0].tolist() == [0, 15, 15, 30, 30]
    last = ladder.on_grid(run.samples[:, :120].astype(np.float32), run_at([29]), contract)
    assert last[0, 0, 0] == 15  # where the recording ends before the grid does


def test_scaling_per_sample() -> None:
    """Every electrode and sample has mean 0 and standard deviation 1 over the training trials."""
    rng = np.random.default_rng(0)
    windows = (rng.standard_normal((30, 2, 5)) * 7 + 3).astype(np.float32)
    scaled = ladder.per_sample(windows).scale(windows)
    np.testing.assert_allclose(scaled.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(scaled.std(0), 1, rtol=1e-5)


def test_zero_phase_sees_the_future() -> None:
    """A step shows before it happens; in the causal chain it does not."""
    x = np.zeros((1, 2000))
    x[:, 1000:] = 100
    both, causal = ladder.zero_phase(CONTRACT, x), chain.apply(CONTRACT, x)
    assert np.abs(both[0, 950:1000]).max() > 1
    assert np.abs(causal[0, :1000]).max() == 0


def test_the_figure_repeats(tmp_path: Path) -> None:
    """The same bytes for the same results; every subject and rung is in it."""
    rng = np.random.default_rng(0)
    climbs = [
        ladder_steps.climb(name, kind, {rung: rng.random(40) < 0.6 for rung in rungs})
        for name, kind, rungs in (
            ("S001", "continuous, 4 classes", ladder.RUNGS),
            ("B01", "epochs", ladder.EPOCH_RUNGS),
            ("B02", "epochs", ladder.EPOCH_RUNGS),
        )
    ]
    document = json.loads(to_json({"climbs": [dataclasses.asdict(climb) for climb in climbs]}))
    paths = [tmp_path / "a.svg", tmp_path / "b.svg"]
    for path in paths:
        ladder_figure.draw(document, path)
    texts = [path.read_text() for path in paths]
    assert texts[0] == texts[1]
    for words in ("S001, 40 trials", "B02, 40 trials", *ladder.RUNGS):
        assert words in texts[0], words


def test_stored_results() -> None:
    """Every rung of every subject; streaming itself costs nothing, to the last decision."""
    document = json.loads(ladder.RESULTS.read_text())
    by_subject = {climb["subject"]: climb for climb in document["climbs"]}
    assert set(by_subject) == {"S001", "B01", "B02", "B03", "B04", "B05"}
    for name, climb in by_subject.items():
        rungs = ladder.RUNGS if name == "S001" else ladder.EPOCH_RUNGS
        assert ladder_figure.rungs_of(climb) == list(rungs)
        assert [step["rung"] for step in climb["steps"]] == list(rungs[1:])
    streamed = next(s for s in by_subject["S001"]["steps"] if s["rung"] == "streamed")
    assert (streamed["gained"], streamed["lost"]) == (0, 0)
    assert ladder.FIGURE.exists()
