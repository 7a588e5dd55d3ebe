# SPDX-License-Identifier: BSD-3-Clause
"""The soak's own arithmetic; the soak itself takes an hour."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.studies import soak
from edge.stream.frames import Block, Header


class Script:
    """A source that plays blocks."""

    header = Header("script", ("A", "B"), "uV", 1000.0)

    def __init__(self, blocks: list[Block]) -> None:
        self.blocks = blocks

    def read(self, timeout_s: float) -> Block | None:
        """The next one."""
        return self.blocks.pop(0) if self.blocks else None

    def close(self) -> None:
        """Nothing."""


def block(sent: np.ndarray, numbers: np.ndarray) -> Block:
    """Frames whose first channel is their number."""
    return Block(np.stack([sent, sent], 1).astype(float), numbers, 0.0)


def test_frames_are_accounted_for() -> None:
    """What was not sent is not missing, anything else is, and what was told is compared."""
    sent = np.arange(400, 700)
    sent = sent[~soak.is_lost(sent)]
    assert len(sent) == 299
    account = soak.Account()
    source = soak.Accounted(
        Script([block(sent[:50], sent[:50]), block(sent[50:200], sent[50:200])]), account
    )
    while source.read(0.0) is not None:
        pass
    assert (account.received, account.missing) == (200, 0)
    assert (account.lost_on_purpose, account.told_lost) == (1, 1)
    later = np.arange(605, 700)  # 601 ... 604 were sent between the connections
    broken = np.delete(later, [10, 11])
    parts = [block(later[:9], np.arange(9)), block(broken[9:], later[9:-2] - 603)]
    source = soak.Accounted(Script(parts), account)
    while source.read(0.0) is not None:
        pass
    assert (account.missing, account.connections, account.last) == (6, 2, 699)
    assert (account.lost_on_purpose, account.told_lost, account.unseen) == (1, 3, 0)
    later = np.arange(1496, 1510)  # 1495 was left out, while nobody listened
    source = soak.Accounted(Script([block(later, later - 1496)]), account)
    while source.read(0.0) is not None:
        pass
    assert (account.lost_on_purpose, account.told_lost, account.unseen) == (1, 3, 1)
    assert account.missing == 6 + len(range(700, 1495))


def test_growth() -> None:
    """A megabyte in a quarter of an hour after the warm-up is four an hour."""
    times_s = np.arange(0.0, 1800.0, 5.0)
    memory_mb = np.where(times_s < 300, times_s, 300) + np.maximum(0, times_s - 300) / 900
    assert soak.growth_mb_h(times_s, memory_mb) == pytest.approx(4.0)


def test_bars() -> None:
    """Each is named."""
    run = {"error": "", "latency_p99_ms": 20.0, "hop_ms": 100.0, "lost": 0}
    found: dict[str, Any] = {
        "growth_mb_h": 0.2,
        "minutes": 60.0,
        "outlet_s": 120.0,
        "stream": {"missing": 0, "told_lost": 5, "lost_on_purpose": 5, "connections": 30},
        "sources": {"lsl": run, "brainflow": run},
    }
    assert soak.missed(found) == []
    late = run | {"latency_p99_ms": 150.0, "lost": 3}
    counts = {"missing": 2, "told_lost": 4, "lost_on_purpose": 5, "connections": 1}
    bad = found | {"growth_mb_h": 1.5, "stream": counts}
    bad["sources"] = {"lsl": run | {"error": "gone"}, "brainflow": late}
    assert soak.missed(bad) == [
        "memory grew by 1.5 MB an hour (bar 1)",
        "2 frames were sent and did not arrive",
        "4 frames were told as lost, 5 were",
        "the outlet ended and its stream was not opened again",
        "lsl: gone",
        "brainflow: p99 150.0 ms, a hop is 100",
        "brainflow: 3 frames lost",
    ]


def test_contracts_hold_the_sources() -> None:
    """A window of a second and a decision every tenth."""
    held = soak.contract(("A", "B"), 250.0)
    assert (held.n_times, held.hop) == (250, 25)
    logits = soak.templates(np.ones((3, 2, 250), np.float32))
    assert logits.shape == (3, 2)
