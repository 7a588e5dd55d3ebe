# SPDX-License-Identifier: BSD-3-Clause
"""A spike or an offset that ruins int8 is found: channel, window, factor."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import edge
from edge.checkpoint import find as checkpoints
from edge.checkpoint.model import FloatModel
from edge.data import npz
from edge.errors import AccuracyError
from edge.exporting import amplitudes
from edge.spec import ModelSpec
from tests.networks import SMALL, randomized, windows

SPEC = ModelSpec("none", 3, 300, 2, SMALL)
N = 160


def refused(x: NDArray[np.float32], out: Path, **known: Any) -> str:
    """The line that an export of windows in two sessions ends with."""
    data = {"X": x, "y": np.arange(N) % 2, "session": np.repeat(["a", "b"], N // 2), **known}
    with pytest.raises(AccuracyError) as error:
        edge.export(randomized(SPEC, 0), data=data, out=out, targets=["onnx"], quiet=True)
    assert not out.exists()
    return str(error.value)


def test_a_spike_in_the_training_part(tmp_path: Path) -> None:
    """It is named where it begins; the ranges' percentile would leave out a single sample."""
    x = windows(SPEC, N)
    x[7, 1, 100:200] = 20_000
    usual = np.median(np.abs(x - np.median(x, 2, keepdims=True)).max(2)[: N // 2, 1])
    factor = 20_000 / usual
    line = refused(x, tmp_path / "b", ch_names=["C3", "Cz", "C4"])
    said = re.match(
        r"int8 cannot follow this data: window 7 of group 'a' \(training part\) has a spike of "
        r"20,000 on channel Cz at sample 100, ([\d,]+) times the usual peak there\. Leave that "
        r"window out, or every one with such an artifact\. \(reference against braindecode: ",
        line,
    )
    assert said is not None, line
    assert abs(float(said[1].replace(",", "")) / factor - 1) < 0.01


def test_a_spike_in_a_held_out_window() -> None:
    """Its group and its number there, counted over both parts where they share the group."""
    x = windows(SPEC, N)
    x[150, 2, 5] = -100_000
    arrays = {"X": x, "y": np.arange(N) % 2}
    model = FloatModel(randomized(SPEC, 0), SPEC)
    data = npz.from_arrays(arrays, Path("arrays"), "arrays")
    resolved = checkpoints.resolve(checkpoints.Request(checkpoint=model, data=data), print)
    (cause,) = amplitudes.find(resolved)
    assert cause.words.startswith(
        "window 150 of group 'all' (held-out part) has a spike of -100,000 on channel 2 (counted "
        "from 0) at sample 5, "
    )
    assert 20_000 < cause.factor < 60_000


def test_an_offset(tmp_path: Path) -> None:
    """Emotiv's 4,200 uV on every window of a channel."""
    x = windows(SPEC, N)
    x[:, 2] = 7 * x[:, 2] + 4200
    line = refused(x, tmp_path / "b", ch_names=["AF3", "F7", "F3"], unit="uV")
    assert re.match(
        r"int8 cannot follow this data: channel F3 lies at 4,\d+(\.\d+)? uV in the (training|"
        r"held-out) part, 5\d\d times its deviation within a window\. Take the offset out before "
        r"the network: \[filter\] low_hz in the contract, or windows less their mean, in training "
        r"too\. \(reference against braindecode: ",
        line,
    ), line


def test_no_cause_is_made_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where the data is ordinary, the complaint stands alone."""
    from edge import parity

    monkeypatch.setattr(parity, "MEDIAN_SQNR_DB", 200.0)
    line = refused(windows(SPEC, N), tmp_path / "b")
    assert line.startswith("reference against braindecode: SQNR of the median window is ")
