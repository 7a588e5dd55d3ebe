# SPDX-License-Identifier: BSD-3-Clause
"""Score a decoder so that one that always says the most frequent class is told apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Scores:
    """How well classes are told apart.

    Attributes
    ----------
    majority
        Share of the most frequent class: what a decoder reaches that always says it.
    balanced
        Balanced accuracy: the mean over classes of the share that was recognized.
    kappa
        Cohen's kappa: accuracy above what chance gives, 0 at chance and 1 when all is right.
    """

    majority: float
    balanced: float
    kappa: float


def scores(choices: NDArray[np.int64], labels: NDArray[np.int64]) -> Scores:
    """Scores of choices (n,) against labels (n,).

    Classes without a window do not count in the balanced accuracy. Kappa is 0 where choices and
    labels are one and the same class, so that chance is right every time.
    """
    n_classes = int(max(choices.max(), labels.max())) + 1
    confusion = np.zeros((n_classes, n_classes))
    np.add.at(confusion, (labels, choices), 1)
    per_class, right = confusion.sum(1), confusion.diagonal()
    there = per_class > 0
    n = len(labels)
    expected = float(per_class @ confusion.sum(0)) / n**2
    observed = float(right.sum()) / n
    return Scores(
        majority=float(per_class.max()) / n,
        balanced=float((right[there] / per_class[there]).mean()),
        kappa=(observed - expected) / (1 - expected) if expected < 1 else 0.0,
    )
