# SPDX-License-Identifier: BSD-3-Clause
"""From logits to decisions: smoothing, hysteresis, abstention."""

from __future__ import annotations

import numpy as np
import pytest

from edge.errors import UsageError
from edge.stream.live.decision import UNDECIDED, Decider, Rule, softmax


def logits(p: float) -> np.ndarray:
    """Two classes, the first with probability ``p``."""
    return np.array([np.log(p / (1 - p)), 0], np.float32)


def choices(rule: Rule, shares: list[float]) -> list[int | None]:
    """What is decided as the first class's probability goes through ``shares``."""
    decider = Decider(rule)
    return [decider.push(logits(p)).choice for p in shares]


def test_softmax() -> None:
    """As defined, also for logits that exp cannot take."""
    np.testing.assert_allclose(softmax(np.array([0.0, np.log(3)], np.float32)), [0.25, 0.75])
    np.testing.assert_allclose(softmax(np.array([5000.0, 0.0], np.float32)), [1, 0])


def test_hysteresis() -> None:
    """Decided at the threshold, kept above the release, given up below it."""
    rule = Rule(smooth=1, threshold=0.7, release=0.45)
    shares = [0.6, 0.75, 0.6, 0.5, 0.44, 0.5, 0.25, 0.35, 0.6, 0.9]
    assert choices(rule, shares) == [None, 0, 0, 0, None, None, 1, 1, None, 0]


def test_smoothing_is_a_mean_over_the_last_windows() -> None:
    """Three of them; fewer at the beginning."""
    decider = Decider(Rule(smooth=3))
    smoothed = [decider.push(logits(p)).smoothed[0] for p in (0.9, 0.5, 0.1, 0.3)]  # type: ignore[index]
    np.testing.assert_allclose(smoothed, [0.9, 0.7, 0.5, 0.3], rtol=1e-6)


def test_abstaining_forgets() -> None:
    """What was before an interruption counts neither for the mean nor for the hysteresis."""
    decider = Decider(Rule(smooth=5, threshold=0.7, release=0.1))
    decider.push(logits(0.99))
    gone = decider.abstain("bad channel C3")
    assert (gone.choice, gone.abstain, gone.smoothed) == (None, "bad channel C3", None)
    after = decider.push(logits(0.4))
    assert (after.choice, after.abstain) == (None, UNDECIDED)
    assert after.smoothed is not None
    assert after.smoothed[0] == pytest.approx(0.4)


def test_a_release_above_the_threshold() -> None:
    """Both values are named."""
    with pytest.raises(UsageError) as error:
        Rule(threshold=0.4, release=0.6).refuse()
    assert str(error.value) == (
        "Invalid hysteresis: 0 <= --release <= --threshold <= 1 is needed, but got --release 0.6 "
        "and --threshold 0.4 instead."
    )
