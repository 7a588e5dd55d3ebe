# SPDX-License-Identifier: BSD-3-Clause
"""What a terminal shows while a stream runs."""

from __future__ import annotations

import io
from dataclasses import asdict
from typing import Any

import numpy as np
from rich.console import Console

from edge.stream.live import view
from edge.stream.live.engine import Windowed
from edge.stream.live.session import Session
from edge.stream.numbering.numbered import ClockReport
from tests.edge.stream.live.live_source import CONTRACT, Clock, Script, blocks, runnable, signal
from tests.edge.stream.live.test_session import SETTINGS, Kept


def shown(samples: Any, numbers: Any) -> tuple[list[str], Any]:
    """Every picture of a stream as text, and its summary."""
    pictures: list[str] = []

    def show(session: Session) -> None:
        stream = io.StringIO()
        Console(file=stream, width=100).print(view.picture(session))
        pictures.append(stream.getvalue())

    clock = Clock()
    script = Script(blocks(samples, numbers), clock)
    streamer = Windowed(CONTRACT, runnable)
    session = Session(
        CONTRACT, script.connect, streamer, SETTINGS, [Kept()], clock, show=show, clock=clock
    )  # type: ignore[arg-type]  # a clock that nobody sets is no event
    return pictures, session.run()


def test_from_the_first_frame_to_decisions() -> None:
    """It waits, fills, settles, and then names the class; probabilities are bars."""
    pictures, _ = shown(signal(300), np.arange(300))
    assert "no decision: filling" in pictures[0]
    assert any("no decision: settling" in picture for picture in pictures)
    assert any(name in pictures[-1].splitlines()[0] for name in CONTRACT.classes)
    assert "█" in pictures[-1]
    assert "3.0 s" in pictures[-1]


def test_what_was_lost_and_what_is_broken() -> None:
    """Counts of the stream's integrity, and the channel that stands still."""
    x = signal(300)
    x[250:, 2] = 1e-4
    numbers = np.r_[0:100, 102:300]
    pictures, summary = shown(x[numbers], numbers)
    assert "lost 2 (2 interpolated)" in pictures[-1]
    assert "flat" in pictures[-1]
    assert "no decision: bad channel C3" in pictures[-1]
    stream = io.StringIO()
    Console(file=stream, width=100).print(view.summary_table(summary))
    assert "frames with C3 flat or saturated" in stream.getvalue()


def test_what_is_known_of_the_clock() -> None:
    """In the table at the end, as in the summary; a file has no clock and no such rows."""
    _, summary = shown(signal(300), np.arange(300))
    report = ClockReport("timestamps", 1204, 2.5, 249.9871, 1.25, 1)
    tables = []
    for clock in (None, asdict(report)):
        stream = io.StringIO()
        Console(file=stream, width=100).print(view.summary_table(summary | {"clock": clock}))
        tables.append(
            [
                tuple(map(str.strip, line.split("│")[1:3]))
                for line in stream.getvalue().splitlines()
                if "│" in line
            ]
        )
    without, with_clock = tables
    assert with_clock == [
        *without,
        ("frames missing by the device's timestamps", "1,204 ± 2.5"),
        ("the device's rate, Hz", "249.987"),
        ("jitter of its stamps, ms", "1.25"),
        ("times that its clock could not be followed", "1"),
    ]


def test_it_is_drawn_ten_times_a_second_at_most() -> None:
    """However fast blocks come."""
    stream = io.StringIO()
    clock = Clock()
    script = Script(blocks(signal(300), np.arange(300), 1), clock)
    with view.View(Console(file=stream, force_terminal=True, width=100)) as live:
        session = Session(
            *(CONTRACT, script.connect, Windowed(CONTRACT, runnable), SETTINGS, [Kept()], clock),
            show=live.show,
            clock=clock,
        )  # type: ignore[arg-type]
        session.run()
    assert stream.getvalue().count("frames") == 0
    assert 1 <= stream.getvalue().count("restarts") < 100
