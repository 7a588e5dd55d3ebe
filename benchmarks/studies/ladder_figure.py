# SPDX-License-Identifier: BSD-3-Clause
"""Draw the stored results of the cost of going live, and write them as lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np


def rungs_of(climb: Mapping[str, Any]) -> list[str]:
    """Return a stored climb's steps from the bottom; JSON keeps them by name."""
    return [next(r for r in climb["accuracy"] if r not in _steps(climb)), *_steps(climb)]


def _steps(climb: Mapping[str, Any]) -> list[str]:
    return [step["rung"] for step in climb["steps"]]


def figure(climbs: Sequence[Mapping[str, Any]]) -> Any:
    """Draw accuracy at every step, a panel for each data set, a line for each subject."""
    from matplotlib.figure import Figure

    made = Figure(figsize=(11, 4.5), layout="constrained")
    kinds = list(dict.fromkeys(climb["data"] for climb in climbs))
    n_rungs = [len(next(c for c in climbs if c["data"] == kind)["accuracy"]) for kind in kinds]
    widths = [max(n, 5) for n in n_rungs]
    panels = made.subplots(1, len(kinds), sharey=True, width_ratios=widths, squeeze=False)[0]
    for panel, kind in zip(panels, kinds, strict=True):
        chosen = [climb for climb in climbs if climb["data"] == kind]
        for i, climb in enumerate(chosen):
            rungs = rungs_of(climb)
            shares = [climb["accuracy"][rung] for rung in rungs]
            middle = [100 * s["share"] for s in shares]
            below = [100 * (s["share"] - s["low"]) for s in shares]
            above = [100 * (s["high"] - s["share"]) for s in shares]
            x = np.arange(len(rungs)) + 0.06 * (i - (len(chosen) - 1) / 2)
            label = f"{climb['subject']}, {climb['n_trials']} trials"
            panel.errorbar(x, middle, (below, above), marker="o", capsize=3, label=label)
        panel.set_xticks(range(len(rungs)), rungs, rotation=30, ha="right")
        panel.axhline(25 if "4 classes" in kind else 50, color="grey", ls=":", lw=1)
        panel.set_title(kind.replace(", ", "\n", 1), fontsize="medium")
        panel.legend(fontsize="small")
        panel.grid(axis="y", alpha=0.3)
    panels[0].set_ylabel("trials decided rightly, % [95 % Wilson]")
    return made


def draw(document: Mapping[str, Any], path: Path) -> None:
    """Draw the figure of stored results, the same bytes whenever they are the same."""
    import matplotlib as mpl

    with mpl.rc_context({"svg.hashsalt": "edge", "svg.fonttype": "none"}):
        figure(document["climbs"]).savefig(path, metadata={"Date": None})


def report(climbs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Write every step in a line."""
    lines = []
    for climb in climbs:
        lowest = rungs_of(climb)[0]
        lines.append(f"{climb['subject']} ({climb['data']}), {climb['n_trials']} trials")
        lines.append(f"  {lowest:24} {100 * climb['accuracy'][lowest]['share']:5.1f} %")
        for step in climb["steps"]:
            d, share = step["difference"], climb["accuracy"][step["rung"]]["share"]
            interval = f"{100 * d['value']:+5.1f} [{100 * d['low']:+.1f}, {100 * d['high']:+.1f}]"
            lines.append(f"  {step['rung']:24} {100 * share:5.1f} %  {interval}")
    return lines
