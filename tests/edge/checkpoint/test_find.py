# SPDX-License-Identifier: BSD-3-Clause
"""What a checkpoint's own files say of its data is followed only where that is harmless."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from edge.checkpoint import find as checkpoints
from edge.checkpoint.files import save
from edge.checkpoint.model import FloatModel, TrainingRecord
from edge.data import sim
from edge.errors import IncompatibleError, UsageError
from edge.spec import ModelSpec
from tests.networks import SMALL, randomized

SPEC = ModelSpec("none", 22, 1000, 4, SMALL)
RECORD = TrainingRecord("sim", True, (), "", 1, 1, 0, 1, 1, 1e-3, 0.5, {})

CONTRACT = """
[signal]
channels = ["C3"]
sfreq = 1e9
[window]
n_times = 1000
"""


def checkpoint(folder: Path, record: TrainingRecord, contract: str | None = None) -> str:
    """A checkpoint with the record and the contract file of somebody else."""
    save(FloatModel(randomized(SPEC, 0), SPEC, None, record, contract), folder)
    return str(folder)


@pytest.mark.parametrize("data", ["moabb:os:1", "/etc/passwd", "simx", "hf:a/b"])
def test_a_simulation_that_is_none(data: str, tmp_path: Path) -> None:
    """What claims to be simulated is not looked for anywhere else."""
    spec = checkpoint(tmp_path, dataclasses.replace(RECORD, data=data))
    with pytest.raises(UsageError) as error:
        checkpoints.resolve(checkpoints.Request(checkpoint=spec), print)
    assert str(error.value) == (
        f"The checkpoint {spec!r} was trained on {data!r}, which is not here. Type: edge export "
        f"--checkpoint {spec} --data RECORDINGS"
    )


def test_a_seed_of_five_thousand_digits(tmp_path: Path) -> None:
    """No number is made of it."""
    spec = checkpoint(tmp_path, dataclasses.replace(RECORD, data="sim:" + "9" * 5000))
    with pytest.raises(UsageError, match=r"^Invalid seed in --data 'sim:9"):
        checkpoints.resolve(checkpoints.Request(checkpoint=spec), print)


def test_a_simulation_that_fills_memory(tmp_path: Path) -> None:
    """Its size is known before it is made."""
    spec = checkpoint(tmp_path, RECORD, CONTRACT)
    with pytest.raises(IncompatibleError) as error:
        checkpoints.resolve(checkpoints.Request(checkpoint=spec), print)
    assert str(error.value).startswith("A simulated session of 1 channels at 1e+09 Hz has ")
    assert str(error.value).endswith(
        f"at most {sim.MAX_SAMPLES:,} are made. Correct the contract's sfreq or n_times."
    )
