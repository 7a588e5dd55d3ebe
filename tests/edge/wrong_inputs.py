# SPDX-License-Identifier: BSD-3-Clause
"""Files that the error cases in ``tests/edge/errors`` name as their input; each made on demand."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edge.checkpoint import find as checkpoints
from tests import recordings

SESSIONS = np.repeat([1, 2], 40)


def _windows(**change: Any) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((80, 3, 400)).astype(np.float32)
    return {"X": x, "y": np.arange(80) % 2, "session": SESSIONS} | change


def _npz(**change: Any) -> Callable[[Path], None]:
    arrays = {name: value for name, value in _windows(**change).items() if value is not None}
    return lambda path: np.savez(path, **arrays)


def _not_finite() -> Any:
    x = _windows()["X"].copy()
    x[7, 1, 5] = np.inf
    return x


def _contract(*changes: tuple[str, str]) -> Callable[[Path], None]:
    text = recordings.CONTRACT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return lambda path: path.write_text(text) and None


def _truncated(path: Path) -> None:
    recordings.write_edf(path)
    path.write_bytes(path.read_bytes()[:5000])


def _taken(path: Path) -> None:
    path.mkdir()
    (path / "thesis.tex").write_text("years of work")


def _bytes(text: str) -> Callable[[Path], None]:
    return lambda path: path.write_text(text) and None


def _array(value: Any) -> Callable[[Path], None]:
    return lambda path: np.save(path, value)


def _checkpoint(change: Callable[[Path], None]) -> Callable[[Path], None]:
    """The shipped checkpoint without its contract, changed."""

    def write(path: Path) -> None:
        path.mkdir()
        for name in ("config.json", "model.safetensors"):
            shutil.copy(checkpoints.ZOO / "eca" / name, path / name)
        change(path)

    return write


def _config(**change: Any) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        config = json.loads((path / "config.json").read_text())
        (path / "config.json").write_text(json.dumps(config | change))

    return write


def _pickle(path: Path) -> None:
    import torch

    torch.save(torch.nn.Linear(2, 2), path)
    path.with_suffix(".json").write_bytes((checkpoints.ZOO / "eca" / "config.json").read_bytes())


MAKERS: Mapping[str, Callable[[Path], None]] = {
    "few.npz": _npz(),
    "short.npz": _npz(X=_windows()["X"][:, :, :12]),
    "infinite.npz": _npz(X=_not_finite()),
    "flat.npz": _npz(X=np.zeros((80, 3, 400), np.float32)),
    "nolabels.npz": _npz(y=None),
    "oneclass.npz": _npz(y=np.zeros(80, int)),
    "mismatch.npz": _npz(y=np.zeros(79, int)),
    "classgone.npz": _npz(y=np.where(SESSIONS == 2, np.arange(80) % 2, 0)),
    "none.npz": _npz(X=np.zeros((0, 3, 400)), y=np.zeros(0, int), session=np.zeros(0, int)),
    "spectra.npz": _npz(X=_windows()["X"].astype(np.complex64)),
    "notes.npz": _bytes("these are notes"),
    "one.edf": lambda path: recordings.write_edf(path) and None,
    "cut.edf": _truncated,
    "fake.edf": _bytes("not a recording"),
    "c.toml": _contract(),
    "missing.toml": _contract(('"C4", "COUNT"', '"C4", "Cz"')),
    "rate.toml": _contract(("sfreq = 100.0", "sfreq = 250.0")),
    "typo.toml": _contract(("n_times", "n_time")),
    "nounit.toml": _contract(("sfreq = 100.0", 'sfreq = 100.0\nunit = "volts"')),
    "events.toml": _contract(('["*.edf", "*.fif"]', '["*R03.edf"]')),
    "third.toml": _contract(('T2 = "right"', 'T2 = "right", T3 = "feet"')),
    "broken.toml": _bytes("[signal\n"),
    "binary.toml": lambda path: path.write_bytes(b"\xff\xfe\x00") and None,
    "empty": lambda path: path.mkdir(),
    "taken": _taken,
    "nan.npy": _array(np.full((2, 22, 1000), np.nan, np.float32)),
    "shape.npy": _array(np.zeros((2, 22, 999), np.float32)),
    "good.npy": _array(np.zeros((2, 22, 1000), np.float32)),
    "none.npy": _array(np.zeros((0, 22, 1000), np.float32)),
    "spectra.npy": _array(np.zeros((2, 22, 1000), np.complex64)),
    "single.npy": _array(np.zeros((22, 1000), np.float32)),
    "text.npy": _bytes("not numbers"),
    "other": _checkpoint(lambda path: (path / "config.json").write_text('{"F1": 8}') and None),
    "foreign": _checkpoint(lambda path: None),
    "wide": _checkpoint(_config(n_chans=3)),
    "whole.pt": _pickle,
    "bare.pt": _bytes("no configuration beside"),
}


def make(names: list[str], folder: Path) -> None:
    """Put the named inputs into a folder."""
    for name in names:
        MAKERS[name](folder / name)
