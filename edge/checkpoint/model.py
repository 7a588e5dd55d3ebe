# SPDX-License-Identifier: BSD-3-Clause
"""Hold a checkpoint in memory: a braindecode module, and what is known about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge.spec import ModelSpec
from firmware_bridge.signal.contract import SignalContract


@dataclass(frozen=True)
class TrainingRecord:
    """How a checkpoint came to be.

    ``majority_share``, ``balanced_accuracy`` and ``kappa`` are of the held-out windows, None where
    an older version trained; ``left_out`` counts the labelled windows that touch a span marked bad.
    """

    data: str
    simulated: bool
    holdout: tuple[str, ...]
    split: str
    n_train: int
    n_test: int
    seed: int
    epochs: int
    batch_size: int
    learning_rate: float
    test_accuracy: float
    versions: Mapping[str, str]
    keep_bad: bool = False
    left_out: int = 0
    class_weights: str = "none"
    majority_share: float | None = None
    balanced_accuracy: float | None = None
    kappa: float | None = None


@dataclass(frozen=True)
class FloatModel:
    """A braindecode module in evaluation mode, its sizes, and its contract.

    ``channels`` are the names in braindecode's ``chs_info``, where the model has it; ``notes`` say
    what of a checkpoint was left out. ``given`` is a copy of the live module that this model was
    made from, as it was, None where there was none.
    """

    module: Any  # of the class that its family builds
    spec: ModelSpec
    contract: SignalContract | None = None
    training: TrainingRecord | None = None
    contract_file: str | None = None
    channels: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    given: Any = None
