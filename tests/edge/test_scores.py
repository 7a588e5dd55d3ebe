# SPDX-License-Identifier: BSD-3-Clause
"""Balanced accuracy, Cohen's kappa and the majority's share."""

from __future__ import annotations

import numpy as np
import pytest

from edge.scores import scores


def test_one_class_is_always_said() -> None:
    """90 % right, and worth nothing."""
    labels = np.array([0] * 90 + [1] * 10)
    found = scores(np.zeros(100, np.int64), labels)
    assert (found.majority, found.balanced, found.kappa) == (0.9, 0.5, 0.0)


def test_cohen_s_example() -> None:
    """Two raters, 50 subjects: 20 and 15 alike, 5 and 10 not; kappa 0.4 (worked by hand)."""
    labels = np.array([0] * 25 + [1] * 25)
    choices = np.array([0] * 20 + [1] * 5 + [0] * 10 + [1] * 15)
    found = scores(choices, labels)
    assert found.kappa == pytest.approx(0.4)
    assert found.balanced == pytest.approx(0.7)


def test_all_right() -> None:
    """Every figure is one, whatever the shares."""
    labels = np.array([0, 1, 2, 2, 2, 2])
    found = scores(labels, labels)
    assert (found.balanced, found.kappa) == (1.0, 1.0)
    assert found.majority == pytest.approx(4 / 6)


def test_worse_than_chance() -> None:
    """Kappa is negative; a class that is said and never there does not count."""
    found = scores(np.array([1, 0, 2, 2]), np.array([0, 1, 0, 1]))
    assert found.kappa < 0
    assert found.balanced == 0


def test_one_and_the_same() -> None:
    """Where chance is right every time kappa is 0, not 0 / 0."""
    assert scores(np.zeros(5, np.int64), np.zeros(5, np.int64)).kappa == 0
