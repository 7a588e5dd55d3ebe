# SPDX-License-Identifier: BSD-3-Clause
"""Windows that an export compares on: simulated ones are made until they decide."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.bundle.types import DataRecord, Manifest
from edge.checkpoint import find as checkpoints
from edge.checkpoint.find import Request
from edge.data import sim, source
from edge.exporting import held_out, paired
from edge.exporting.paired import Pairs
from edge.signal import contract_file
from edge.spec import ModelSpec, PairedAccuracy
from edge.terminal import tables

SMALL = """
[signal]
channels = ["C3", "Cz", "C4"]
sfreq = 128
[filter]
low_hz = 4.0
high_hz = 40.0
[window]
n_times = 128
"""


@pytest.fixture(scope="module")
def small() -> contract_file.ContractFile:
    """Three channels, one second: quickly simulated."""
    return contract_file.parse(SMALL, "small.toml")


def test_more_sessions_are_others(small: contract_file.ContractFile) -> None:
    """As many whole sessions as it takes, none of which the data set has, the same every time."""
    known = source.read("sim:3", small)
    more = source.beyond(known, small, 250)
    assert more is not None
    assert more.group_names() == ("session4", "session5")
    assert len(more.windows) == 480
    assert not set(more.group_names()) & set(known.group_names())
    again = sim.beyond("sim:3", 3, small, 250)
    np.testing.assert_array_equal(more.windows, again.windows)
    assert not np.array_equal(more.windows, sim.beyond("sim:4", 4, small, 250).windows)


def test_of_recordings_there_are_no_more(small: contract_file.ContractFile) -> None:
    """Also where a recording's folder happens to be called sim."""
    known = source.read("sim", small)
    for spec, simulated in (("recordings", False), ("sim", False), ("x.npz", True)):
        other = type(known)(
            spec, simulated, known.contract, known.windows, known.labels, known.groups
        )
        assert source.beyond(other, small, 250) is None


@pytest.mark.parametrize(
    ("asked", "n", "rule"),
    [
        (100, 100, "groups session3 held out"),
        (240, 240, "groups session3 held out"),
        (300, 300, "groups session3 held out, 1 more made to compare on"),
    ],
)
def test_as_many_as_asked_for(asked: int, n: int, rule: str) -> None:
    """Fewer are taken out of what is there, more are made; the manifest's rule says which."""
    request = Request(mode="none", held_out=asked)
    resolved = checkpoints.resolve(request, lambda _: None)
    resolved, chosen = held_out.choose(resolved, request)
    assert chosen.raw.shape == chosen.scaled.shape == (n, 22, 1000)
    assert len(chosen.labels) == n
    assert resolved.split.rule == rule
    np.testing.assert_array_equal(chosen.scaled, resolved.contract.scale(chosen.raw))


def test_the_default_proves_a_small_loss() -> None:
    """At the share of windows that int8 turns, either way, the default number is enough."""
    turned = round(0.0025 * held_out.SIMULATED)
    assert paired.non_inferiority(Pairs(held_out.SIMULATED, turned, turned)).answer == "yes"
    assert paired.non_inferiority(Pairs(240, 1, 1)).answer == "not enough windows"


def entry(target: str, difference: float, answer: str, need: int | None = None) -> PairedAccuracy:
    """What a manifest says of one int8 artifact."""
    return PairedAccuracy(
        f"{target} int8", 1920, 3, 4, difference, difference - 0.3, difference + 0.3, 0.5,
        answer, need,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("entries", "simulated", "lines"),
    [
        (
            [entry("c", -0.1, "yes"), entry("onnx", 0.0, "yes")],
            True,
            [
                "int8 loses less than 0.5 points of accuracy: c -0.10 [-0.40, +0.20], "
                "onnx +0.00 [-0.30, +0.30]; 1,920 windows in pairs, 95 %"
            ],
        ),
        (
            [entry("c", -2.0, "no"), entry("onnx", -0.4, "not enough windows", 9000)],
            True,
            [
                "int8 loses more than 0.5 points of accuracy: c -2.00 [-2.30, -1.70]; "
                "1,920 windows in pairs, 95 %",
                "not decided whether int8 loses less than 0.5 points of accuracy: onnx -0.40 "
                "[-0.70, -0.10]; 1,920 windows in pairs, 95 %; 9,000 would decide "
                "(--held-out 9000)",
            ],
        ),
        (
            [entry("c", -0.4, "not enough windows", 9000)],
            False,
            [
                "not decided whether int8 loses less than 0.5 points of accuracy: c -0.40 "
                "[-0.70, -0.10]; 1,920 windows in pairs, 95 %; 9,000 would decide"
            ],
        ),
        ([entry("c", -0.5, "not enough windows")], False, None),
        ([], True, []),
    ],
)
def test_the_line_says_what_is_decided(
    entries: list[PairedAccuracy], simulated: bool, lines: list[str] | None
) -> None:
    """One line for each answer; where it is open, what would decide."""
    made = Manifest(
        ModelSpec("eca", 3, 128, 4),
        "",
        DataRecord("sim", simulated, "", "none", 0, 1920),
        None,
        (),
        (),
        (),
        {},
        {},
        paired=tuple(entries),
    )
    found = tables.paired_lines(made)
    if lines is None:
        assert len(found) == 1
        assert "would decide" not in found[0]
    else:
        assert found == lines


def test_asked_on_the_command_line(tmp_path: Path) -> None:
    """``--held-out`` takes a positive number."""
    from click.testing import CliRunner

    from edge.cli import cli

    done = CliRunner().invoke(cli, ["export", "--held-out", "0", "--out", str(tmp_path / "b")])
    assert done.exit_code == 2
    assert "--held-out" in done.output
