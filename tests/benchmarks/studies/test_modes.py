# SPDX-License-Identifier: BSD-3-Clause
"""``python -m benchmarks.studies.modes``: bars, ratios inside a round, and whom a failure names."""

from __future__ import annotations

import json

import numpy as np

from benchmarks.measure.protocol import Protocol
from benchmarks.studies import modes
from benchmarks.studies.modes import Entrant, Failure
from edge.targets.base import Session


def entrant(mode: str, stock: Session | None, failure: Failure | None = None) -> Entrant:
    """A mode whose programs do nothing."""
    nothing = Session(lambda window: window, lambda window: window, lambda window: window)
    window = np.zeros((2, 3), np.float32)
    return Entrant(mode, "0" * 64, window, nothing, stock, failure, None if failure else 1.0)


NOTHING = entrant("none", None).ours
ROUNDS = (
    {"none": [10.0], "stock none": [400.0], "slow": [15.0], "stock slow": [255.0], "alone": [20.0]},
    {"none": [20.0], "stock none": [700.0], "slow": [30.0], "stock slow": [500.0], "alone": [40.0]},
    {"none": [10.0], "stock none": [380.0], "slow": [15.0], "stock slow": [260.0], "alone": [19.0]},
)


def test_rows() -> None:
    """Ratios pair by pair, so that a slow round changes nothing; each bar on its own."""
    none, slow, alone = (
        modes.row(one, ROUNDS)
        for one in (
            entrant("none", NOTHING),
            entrant("slow", NOTHING),
            entrant("alone", None, Failure("aten.amax", "no kernel")),
        )
    )
    assert (none.times_none.value, none.stock_times and none.stock_times.value) == (1.0, 38.0)
    assert none.missed == ()
    assert (slow.times_none.value, slow.stock_times and slow.stock_times.value) == (1.5, 17.0)
    assert slow.stock_times_fastest == 17.0
    assert slow.missed == ("less than 18 times faster than stock",)
    assert (alone.times_none.value, alone.stock_times) == (2.0, None)
    assert alone.missed == ("more than 1.8 times none",)
    kept = json.loads(json.dumps(modes.document([none, slow, alone], Protocol())))
    assert [row["missed"] for row in kept["rows"]] == [
        [],
        ["less than 18 times faster than stock"],
        ["more than 1.8 times none"],
    ]
    assert kept["rows"][2]["failure"] == {"op": "aten.amax", "reason": "no kernel"}


def test_whom_a_failure_names() -> None:
    """The operator of an export that is refused, the node of a program that does not load."""
    exported = (
        "\nOperator torch._ops.aten.adaptive_max_pool2d.default is not in Core ATen opset.\n"
        "There are a few things to try:"
    )
    assert modes.failure(exported) == Failure(
        "aten.adaptive_max_pool2d.default",
        "Operator torch._ops.aten.adaptive_max_pool2d.default is not in Core ATen opset",
    )
    printed = (
        "[threadpool.cpp:66] Resetting threadpool to 1 threads.\n"
        "[XNNCompiler.cpp:967] Failed to create convolution node 40 with code: xnn_status_invalid\n"
    )
    assert str(modes.failure(printed, "Failed to load method forward")) == (
        "convolution: Failed to create convolution node 40 with code: xnn_status_invalid"
    )
    assert str(modes.failure("", "Failed to load")) == "Failed to load"
    assert str(modes.failure("")) == "no reason is given"


def test_measuring() -> None:
    """Everything that works takes part in every round."""
    notes: list[str] = []
    found = [entrant("none", NOTHING), entrant("se", None, Failure("", "does not load"))]
    rows = modes.measure(found, Protocol(limit_s=0, block_us=10), notes.append)
    assert [row.mode for row in rows] == ["none", "se"]
    assert rows[0].stock_times is not None
    assert rows[1].stock_us is None
    assert notes[0].startswith("3 programs, 5 rounds, medians known to ")
    assert len(modes.table(rows).rows) == 2
