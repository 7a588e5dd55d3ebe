# SPDX-License-Identifier: BSD-3-Clause
"""``edge train`` on recordings: what is left out, what is said, how classes are told apart."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import mne
import pytest

from edge.errors import UsageError
from tests import recordings
from tests.conftest import Edge
from tests.networks import SMALL

CONTRACT = recordings.CONTRACT.replace("n_times = 50", "n_times = 200").replace('"COUNT"', '"C3"')


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs of 38 events, three of four on one side; five seconds of the first are bad."""
    path = tmp_path_factory.mktemp("runs")
    (path / "contract.toml").write_text(CONTRACT)
    for seed in range(3):
        raw = recordings.make(seed=seed)
        kinds = ["T2" if i % 4 == 0 else "T1" for i in range(38)]
        raw.set_annotations(mne.Annotations(range(1, 39), 0.5, kinds))
        if not seed:
            raw.set_annotations(raw.annotations + mne.Annotations([10.0], [5.0], ["bad_cable"]))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            raw.save(path / f"r{seed}_raw.fif", verbose="error")
    return path


def train(edge: Edge, folder: Path, out: Path, *options: object) -> tuple[str, str]:
    """Standard output and error of a training of one epoch."""
    small = [word for name, value in SMALL.items() for word in ("--arg", f"{name}={value}")]
    done = edge(
        *("train", "--mode", "none", "--data", folder, "--contract", folder / "contract.toml"),
        *("--out", out, "--epochs", 1, *small, *options),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_bad_spans_and_scores(edge: Edge, folder: Path, tmp_path: Path) -> None:
    """Both are said, and kept with the checkpoint."""
    out = tmp_path / "m"
    stdout, stderr = train(edge, folder, out)
    assert (
        "note: 5.0 s are marked bad ('bad_cable') and 6 labelled windows that touch them are left "
        "out; --keep-bad keeps them" in stderr
    )
    assert "70 training windows, 38 held out" in stderr
    assert "balanced accuracy " in stdout
    assert "Cohen's kappa " in stdout
    assert "the most frequent class has 73.7 % of the windows" in stdout
    record = json.loads((out / "training.json").read_text())
    assert (record["left_out"], record["keep_bad"], record["class_weights"]) == (6, False, "none")
    assert record["majority_share"] == pytest.approx(28 / 38)


def test_keep_bad_and_weights(edge: Edge, folder: Path, tmp_path: Path) -> None:
    """What was asked is kept with the checkpoint, and an export reads the same windows again."""
    out = tmp_path / "m"
    stdout, _ = train(edge, folder, out, "--keep-bad", "--class-weights", "balanced", "--json")
    record = json.loads(stdout)
    assert (record["left_out"], record["keep_bad"], record["class_weights"]) == (
        0,
        True,
        "balanced",
    )
    assert record["n_train"] == 76
    from edge.checkpoint import find

    notes: list[str] = []
    resolved = find.resolve(find.Request(checkpoint=str(out)), notes.append)
    assert len(resolved.split.train.labels) == 76
    assert any(note.endswith("and are kept, as --keep-bad asks") for note in notes)


def test_class_weights_that_are_none(edge: Edge, folder: Path, tmp_path: Path) -> None:
    """Refused with what there is."""
    done = edge("train", "--class-weights", "even", "--mode", "none", "--data", folder)
    assert done.returncode == UsageError.exit_code
    assert "'balanced'" in done.stderr
