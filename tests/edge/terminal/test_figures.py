# SPDX-License-Identifier: BSD-3-Clause
"""Figures: every tensor named with its unit, and the same bytes when drawn again."""

from __future__ import annotations

from pathlib import Path

from edge.terminal import figures
from quantize.inspect.sensitivity import Effect, Figures, Sensitivity

CLEAN = Figures(None, 0.0, 1.0)
REPORT = Sensitivity(
    96,
    Figures(30.0, 0.03, 0.99),
    (
        Effect("mix", "activation", Figures(31.0, 0.028, 0.99), Figures(37.0, 0.014, 1.0)),
        Effect("mix.weight", "weight", Figures(41.0, 0.009, 1.0), Figures(30.4, 0.03, 0.99)),
        Effect("gate.sigmoid", "activation", CLEAN, Figures(30.0, 0.03, 0.99)),
    ),
)


def test_sensitivity(tmp_path: Path) -> None:
    """What changes something is a bar; text stays text, so that it can be searched and read out."""
    for name in ("a.svg", "b.svg"):
        figures.sensitivity(REPORT, tmp_path / name)
    text = (tmp_path / "a.svg").read_text()
    assert text == (tmp_path / "b.svg").read_text()
    for wanted in ("mix.weight", "96 windows", "dB", "30.0 dB"):
        assert wanted in text
    assert "gate.sigmoid" not in text


def test_nothing_to_show(tmp_path: Path) -> None:
    """A network that rounding does not change still gives a figure."""
    figures.sensitivity(Sensitivity(96, CLEAN, ()), tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_text().startswith("<?xml")
