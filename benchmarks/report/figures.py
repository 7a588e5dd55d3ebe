# SPDX-License-Identifier: BSD-3-Clause
"""Draw a report's figures with pure functions: units on the axes, every subject shown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter
from numpy.typing import NDArray

from benchmarks.report import svg
from benchmarks.report.comparisons import Comparison
from benchmarks.report.document import Figure
from edge.exporting.paired import MARGIN
from firmware_bridge.plan.memory import Plan

WIDTH = 10.9
"""Of a figure, inches: the page's column."""
TARGET_COLOURS = (svg.BLUE, svg.ORANGE, svg.GREEN, svg.PURPLE, svg.GREY)
MARKERS = ("o", "s", "D", "^", "v")
BINS = 192
"""Of a distribution of latencies, over all of the axis."""
CHARACTERS = 165
"""That fit beside each other in a memory map."""


def differences(name: str, title: str, rows: Mapping[str, Sequence[Comparison]]) -> Figure:
    """Draw the accuracy of int8 minus float's, in points with 95 % intervals."""
    with svg.styled():
        targets = tuple(dict.fromkeys(one.target for found in rows.values() for one in found))
        n = sum(len(found) for found in rows.values())
        drawn = svg.canvas(WIDTH, 1.1 + 0.17 * n + 0.16 * len(rows))
        axes = drawn.subplots()
        ticks, y = [], 0.0
        for found in rows.values():
            start = y
            for one in found:
                _difference(axes, one, y, targets)
                y += 1.0
            ticks.append((start + y - 1) / 2)
            y += 0.9
        axes.axvline(0, color=svg.INK, linewidth=0.9)
        axes.axvline(-100 * MARGIN, color=svg.RED, linewidth=0.9, linestyle=(0, (4, 3)))
        axes.set_yticks(ticks, list(rows))
        axes.set_ylim(y - 0.4, -1.0)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("accuracy of int8 minus float (percentage points); dashed: the margin")
        handles = [
            axes.plot([], [], MARKERS[i % 5], color=TARGET_COLOURS[i % 5], label=target)[0]
            for i, target in enumerate(targets)
        ]
        drawn.legend(handles=handles, loc="outside upper left", ncols=len(targets))
    least = min((one for found in rows.values() for one in found), key=lambda one: one.difference)
    alternative = (
        f"{n} int8 artifacts in {len(rows)} rows, each with its difference to float and a 95 % "
        f"interval. The largest loss is {-100 * least.difference:.2f} points: {least.subject}, "
        f"{least.mode}, {least.target}."
    )
    return svg.finish(drawn, name, title, alternative)


def _difference(axes: Any, one: Comparison, y: float, targets: Sequence[str]) -> None:
    i = targets.index(one.target) % len(MARKERS)
    if one.paired is not None:
        interval = one.paired.verdict.interval
        span = [100 * interval.low, 100 * interval.high]
        axes.plot(span, [y, y], color=TARGET_COLOURS[i], linewidth=1.4, solid_capstyle="butt")
    axes.plot(100 * one.difference, y, MARKERS[i], color=TARGET_COLOURS[i], markersize=4.5)


def latency(name: str, title: str, latencies: Mapping[str, NDArray[np.float64]]) -> Figure:
    """Draw the distribution of every entrant's latency on a logarithmic axis."""
    with svg.styled():
        drawn = svg.canvas(WIDTH, 0.8 + 0.4 * len(latencies))
        axes = drawn.subplots()
        low = min(values[0] for values in latencies.values())
        high = max(_percentile(values, 99.5) for values in latencies.values())
        edges = np.geomspace(low * 0.97, high * 1.05, BINS)
        for y, (entrant, values) in enumerate(latencies.items()):
            own = not entrant.startswith(("stock", "pytorch", "torch"))
            _distribution(axes, values, y, edges, own)
        axes.set_xscale("log")
        axes.set_xlim(low * 0.9, high * (high / low) ** 0.14)
        _plain_log_ticks(axes, low, high)
        axes.set_yticks(range(len(latencies)), list(latencies))
        axes.set_ylim(len(latencies) - 0.45, -0.6)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("one window (µs, logarithmic); tick: median, bar: 5 % to 95 % of all calls")
    said = "; ".join(
        f"{entrant} {_percentile(values, 50):.0f} µs (95 % below {_percentile(values, 95):.0f})"
        for entrant, values in latencies.items()
    )
    return svg.finish(drawn, name, title, f"Distribution of latencies, median first: {said}.")


def _distribution(
    axes: Any, values: NDArray[np.float64], y: int, edges: NDArray[np.float64], own: bool
) -> None:
    soft, strong = (svg.SOFT_BLUE, svg.BLUE) if own else (svg.LINE, svg.GREY)
    counts, _ = np.histogram(values, edges)
    smooth = np.convolve(counts, np.array([1, 4, 6, 4, 1]) / 16, mode="same")
    centres = np.sqrt(edges[1:] * edges[:-1])
    inside = smooth > smooth.max() / 60
    half = 0.36 * smooth / smooth.max()
    axes.fill_between(
        centres, y - half, y + half, where=inside, color=soft, linewidth=0, interpolate=False
    )
    p5, middle, p95 = (_percentile(values, share) for share in (5, 50, 95))
    axes.plot([p5, p95], [y, y], color=strong, linewidth=1.6, solid_capstyle="butt")
    axes.plot([middle, middle], [y - 0.32, y + 0.32], color=strong, linewidth=2)
    axes.annotate(
        f"{middle:,.0f} µs", (1, y), xycoords=("axes fraction", "data"), ha="right", va="center"
    )


def _percentile(values: NDArray[np.float64], share: float) -> float:
    """As :func:`benchmarks.measure.protocol.percentile`, of sorted values."""
    return float(values[min(len(values) - 1, int(share / 100 * len(values)))])


def _plain_log_ticks(axes: Any, low: float, high: float) -> None:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 2)
    ticks = [d * 10.0**e for e in decades for d in (1, 2, 5)]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}" if x >= 1 else f"{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def memory(name: str, title: str, plan: Plan, steps: Sequence[str]) -> Figure:
    """Draw which bytes of the arena hold which tensor, from operation to operation."""
    with svg.styled():
        drawn = svg.canvas(WIDTH, 3.6)
        axes = drawn.subplots()
        for i, placed in enumerate(plan.placed):
            buffer = placed.buffer
            width = buffer.last - buffer.first + 1
            is_scratch = buffer.name.endswith(" scratch")
            axes.broken_barh(
                [(buffer.first - 0.5, width)],
                (placed.offset / 1024, buffer.n_bytes / 1024),
                facecolor=svg.LINE if is_scratch else (svg.SOFT_BLUE, svg.SOFT_GREEN)[i % 2],
                edgecolor=svg.PAPER,
                linewidth=0.8,
            )
            if buffer.n_bytes > 0.055 * plan.n_bytes:
                room = int(width / len(steps) * CHARACTERS)
                axes.text(
                    buffer.first - 0.44,
                    (placed.offset + buffer.n_bytes / 2) / 1024,
                    _fitting(buffer.name, f"{buffer.n_bytes:,}", room),
                    va="center", fontsize=7.5, color=svg.INK,
                )  # fmt: skip
        axes.axhline(plan.n_bytes / 1024, color=svg.RED, linewidth=1, linestyle=(0, (4, 3)))
        axes.set_xticks(range(len(steps)), steps, rotation=40, ha="right", rotation_mode="anchor")
        axes.set_xlim(-0.6, len(steps) - 0.4)
        axes.set_ylim(0, plan.n_bytes / 1024 * 1.08)
        axes.grid(visible=False, axis="x")
        axes.set_ylabel("offset in the arena (KiB)")
    largest = max(plan.placed, key=lambda placed: placed.buffer.n_bytes).buffer
    alternative = (
        f"Memory plan of the C engine: {len(plan.placed)} buffers over {len(steps)} operations "
        f"share {plan.n_bytes:,} bytes (dashed). The largest is {largest.name} with "
        f"{largest.n_bytes:,} bytes."
    )
    return svg.finish(drawn, name, title, alternative)


def _fitting(name: str, size: str, room: int) -> str:
    """As much of a label as ``room`` characters hold, the size first of all."""
    for label in (f"{name} {size}", f"{name.removesuffix(' scratch')} {size}", size):
        if len(label) <= room:
            return label
    return ""


def bars(name: str, title: str, values: Mapping[str, float], axis: str, alternative: str) -> Figure:
    """Draw horizontal bars with their values written, the first on top."""
    with svg.styled():
        drawn = svg.canvas(WIDTH, 0.75 + 0.23 * len(values))
        axes = drawn.subplots()
        places = range(len(values))
        axes.barh(places, list(values.values()), height=0.66, color=svg.SOFT_BLUE)
        for y, value in zip(places, values.values(), strict=True):
            axes.text(value, y, f" {value:.1f}", va="center", fontsize=8, color=svg.INK)
        axes.set_yticks(places, list(values))
        axes.set_ylim(len(values) - 0.4, -0.6)
        axes.set_xlim(min(0.0, *values.values()), max(values.values()) * 1.09)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(axis)
    return svg.finish(drawn, name, title, alternative)


def ladder(
    name: str, title: str, rungs: Sequence[str], subjects: Mapping[str, Sequence[Mapping[str, Any]]]
) -> Figure:
    """Draw the accuracy of every subject from step to step, with 95 % intervals."""
    with svg.styled():
        drawn = svg.canvas(WIDTH, 3.2)
        axes = drawn.subplots()
        for i, (subject, found) in enumerate(subjects.items()):
            colour, marker = TARGET_COLOURS[i % 5], MARKERS[i % 5]
            shift = 0.06 * (i - (len(subjects) - 1) / 2)
            places = np.arange(len(found)) + shift
            for x, share in zip(places, found, strict=True):
                axes.plot([x, x], [100 * share["low"], 100 * share["high"]], color=colour, lw=1)
            values = [100 * share["share"] for share in found]
            axes.plot(places, values, color=colour, marker=marker, ms=4.5, lw=1, label=subject)
        axes.set_xticks(range(len(rungs)), rungs)
        axes.grid(visible=False, axis="x")
        axes.set_ylabel("accuracy (%)")
        drawn.legend(loc="outside upper left", ncols=max(len(subjects), 1))
    said = "; ".join(
        f"{subject} " + ", ".join(f"{100 * share['share']:.1f}" for share in found)
        for subject, found in subjects.items()
    )
    alternative = f"Accuracy in % over the steps {', '.join(rungs)}: {said}."
    return svg.finish(drawn, name, title, alternative)
