# SPDX-License-Identifier: BSD-3-Clause
"""Show a stream on the terminal while it runs, and a table at its end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from rich.columns import Columns
from rich.console import Console as RichConsole
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from edge.stream.live.session import Session

PERIOD_S = 0.1
BAR = 30
OUTLIER = 4.0
"""A channel this many times stronger or weaker than the median one is shown as suspicious."""


class View:
    """A live picture that is redrawn ten times a second at most."""

    def __init__(self, console: RichConsole) -> None:
        self.live = Live(console=console, auto_refresh=False, transient=True)
        self.drawn_s = 0.0

    def __enter__(self) -> View:
        self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.live.stop()

    def show(self, session: Session) -> None:
        """Draw the picture if the last one is old enough."""
        now_s = time.monotonic()
        if now_s - self.drawn_s >= PERIOD_S:
            self.drawn_s = now_s
            self.live.update(picture(session), refresh=True)


def picture(session: Session) -> Group:
    """Return decision, probabilities, integrity and the quality of every channel."""
    return Group(_headline(session), _classes(session), _integrity(session), _quality(session))


def _headline(session: Session) -> Text:
    moment = session.latest
    header = session.link.header
    clock = session.link.next_number / header.sfreq
    text = Text(f"{header.name}  {clock:8.1f} s  ", style="dim")
    if moment is None:
        text.append("waiting for the first window", style="yellow")
    elif moment.decision.choice is None:
        text.append(f"no decision: {moment.decision.abstain}", style="yellow")
    else:
        text.append(session.contract.classes[moment.decision.choice], style="bold green")
    return text


def _classes(session: Session) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 1))
    moment = session.latest
    shares = None if moment is None else moment.decision.smoothed
    for i, name in enumerate(session.contract.classes):
        share = 0.0 if shares is None else float(shares[i])
        filled = round(share * BAR)
        bar = Text("█" * filled + "░" * (BAR - filled))
        if moment is not None and moment.decision.choice == i:
            bar.stylize("green")
        table.add_row(name, bar, f"{100 * share:5.1f} %")
    return table


def _integrity(session: Session) -> Text:
    guard, link = session.decoder.guard.counts, session.link.counts
    latency = session.latest.latency_ms if session.latest is not None else 0.0
    parts = (
        f"decisions {session.decisions} ({session.abstained} without a class)",
        f"latency {latency:.1f} ms",
        f"lost {guard.lost} ({guard.interpolated} interpolated)",
        f"repeated {guard.repeated}",
        f"restarts {guard.restarts}",
        f"stalls {link.stalls}",
        f"reconnects {link.reconnects}",
    )
    return Text(", ".join(parts), style="dim")


def _quality(session: Session) -> Columns:
    """RMS of every channel after the filter, faults in red, outliers in yellow."""
    decoder = session.decoder
    rms = np.sqrt(decoder.power)
    middle = float(np.median(rms)) if len(rms) else 0.0
    cells = []
    for name, fault, value in zip(
        session.contract.channels or (), decoder.guard.fault, rms, strict=False
    ):
        suspicious = not middle / OUTLIER <= value <= middle * OUTLIER
        style = "red" if fault else "yellow" if suspicious else "green"
        cells.append(Text(f"{name:>4} {fault or f'{value:.1f}':>9}", style=style))
    return Columns(cells, padding=(0, 2))


ROWS: Mapping[str, str] = {
    "decisions": "decisions",
    "abstained": "of them without a class",
    "received": "frames received",
    "lost": "frames lost",
    "interpolated": "of them interpolated",
    "repeated": "frames repeated",
    "not_finite": "frames that were no numbers",
    "restarts": "starts of filter and network",
    "stalls": "stalls",
    "disconnects": "disconnections",
    "reconnects": "reconnections",
}


def summary_table(summary: Mapping[str, Any]) -> Table:
    """Return the table that stands at the end of a stream."""
    table = Table(title="stream", title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for key, words in ROWS.items():
        table.add_row(words, f"{summary[key]:,}")
    for channel, count in summary["faulty"].items():
        table.add_row(f"frames with {channel} flat or saturated", f"{count:,}")
    shown = " / ".join(f"{summary[f'latency_p{p}_ms']:.2f}" for p in (50, 95, 99))
    table.add_row("frame to decision, ms, median / p95 / p99", shown)
    for words, value in _clock_rows(summary["clock"]):
        table.add_row(words, value)
    return table


def _clock_rows(clock: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    """What is known of the device's clock; nothing of a file, which has none."""
    if clock is None:
        return
    loss = f"{clock['lost']:,}"
    if clock["uncertainty"]:
        loss += f" ± {clock['uncertainty']:.1f}"
    yield f"frames missing by the device's {clock['method']}", loss
    if clock["rate_hz"] is not None:
        yield "the device's rate, Hz", f"{clock['rate_hz']:.3f}"
    if clock["jitter_ms"] is not None:
        yield "jitter of its stamps, ms", f"{clock['jitter_ms']:.2f}"
    yield "times that its clock could not be followed", f"{clock['restarts']:,}"
