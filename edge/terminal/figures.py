# SPDX-License-Identifier: BSD-3-Clause
"""Draw figures as SVG: readable without colour, text as text, byte-identical when repeated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from quantize.inspect.sensitivity import Effect, Sensitivity

MAX_BARS = 24
"""Tensors shown; the report in JSON has all of them."""
SHADES = {"activation": "0.4", "weight": "0.75"}


def sensitivity(report: Sensitivity, path: Path) -> None:
    """Draw what rounding each tensor alone does to the logits, and what sparing it gives."""
    plt = pyplot()
    shown = [effect for effect in report.effects if effect.alone.sqnr_db is not None]
    shown = shown[:MAX_BARS][::-1]
    figure, (left, right) = plt.subplots(
        1, 2, sharey=True, figsize=(9, 1.4 + 0.24 * len(shown)), layout="constrained"
    )
    for row, effect in enumerate(shown):
        left.barh(row, effect.alone.sqnr_db, color=SHADES[effect.kind])
        right.barh(row, _regained_db(report, effect), color=SHADES[effect.kind])
    left.set_yticks(range(len(shown)), [effect.item for effect in shown])
    left.set_xlabel("SQNR of the logits with only this in int8 (dB)")
    right.set_xlabel("SQNR regained with only this in float (dB)")
    together = report.everything.sqnr_db
    if together is not None:
        left.axvline(together, color="black", linestyle="--")
    figure.suptitle(
        f"All in int8: {'exact' if together is None else f'{together:.1f} dB (dashed)'}; "
        f"{report.n_windows} windows. Dark: activation, light: weight."
    )
    save(figure, path)


def _regained_db(report: Sensitivity, effect: Effect) -> float:
    if effect.spared.sqnr_db is None or report.everything.sqnr_db is None:
        return 0.0
    return effect.spared.sqnr_db - report.everything.sqnr_db


def save(figure: Any, path: Path) -> None:
    """Write a figure as SVG without a date."""
    figure.savefig(path, metadata={"Date": None, "Creator": "eeg-edge"})
    pyplot().close(figure)


def pyplot() -> Any:
    """Return matplotlib without a display, with fixed identifiers and text as text in SVG."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "eeg-edge"
    mpl.rcParams["svg.fonttype"] = "none"
    mpl.rcParams["font.size"] = 8
    mpl.rcParams["text.parse_math"] = False  # a name with two dollars is no formula
    from matplotlib import pyplot as plt

    return plt
