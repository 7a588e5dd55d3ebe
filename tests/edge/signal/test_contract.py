# SPDX-License-Identifier: BSD-3-Clause
"""The signal contract as a value, and its file."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest

from edge.checkpoint import find as checkpoints
from edge.data import sim
from edge.errors import EdgeError, IncompatibleError, UsageError
from edge.signal import contract_file
from firmware_bridge.signal.contract import Filter, Scaling, SignalContract
from quantize import plain as manifest
from quantize.graph.qgraph import Quant

SMALL = dataclasses.replace(
    sim.DEFAULT.contract(), channels=("C3", "C4"), n_times=5, classes=("a", "b")
)
FIX = " Type 'edge train --example-contract' for a file that works."


def test_example_is_the_2a_montage() -> None:
    """The example reads, and says what the project's own test on real EEG uses."""
    file = contract_file.parse(contract_file.EXAMPLE, "example")
    assert file.signal.channels == sim.CHANNELS_2A
    assert (file.signal.sfreq, file.window.n_times) == (160.0, 640)
    assert file.classes == ("left fist", "right fist", "both fists", "both feet")
    contract = file.contract()
    assert (contract.filter.low_hz, contract.filter.high_hz) == (4.0, 40.0)
    assert len(contract.filter.sos) == 4


@pytest.mark.parametrize("kind", ["a FIFO", "a device", "a folder"])
def test_what_is_no_file(kind: str, tmp_path: Path) -> None:
    """One line at once, however long nobody writes into it."""
    path = Path("/dev/zero") if kind == "a device" else tmp_path / "contract.toml"
    if kind == "a FIFO":
        os.mkfifo(path)
    elif kind == "a folder":
        path.mkdir()
    with pytest.raises(UsageError) as caught:
        contract_file.read(path)
    assert str(caught.value) == f"Cannot read the contract: {str(path)!r} is not a regular file."


def test_round_trip(tmp_path: Path) -> None:
    """On disk and back, coefficients to the last bit."""
    fitted = SMALL.fitted(np.random.default_rng(0).standard_normal((9, 2, 5)).astype(np.float32))
    whole = dataclasses.replace(fitted, input_quant=Quant(0.1, -3))
    manifest.write(tmp_path / "contract.json", whole)
    assert manifest.read(tmp_path / "contract.json", SignalContract) == whole


def test_scaling_is_per_channel() -> None:
    """Mean 0 and standard deviation 1 in every channel of the training part."""
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((50, 2, 5)) * [[3], [40]] + [[1], [-70]]).astype(np.float32)
    scaled = SMALL.fitted(x).scale(x)
    np.testing.assert_allclose(scaled.mean((0, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(scaled.std((0, 2)), 1, rtol=1e-5)


def test_contracts_of_older_bundles(tmp_path: Path) -> None:
    """A contract without renames, µV per count and resampling reads; nothing is made up."""
    old = json.loads((checkpoints.ZOO / "eca" / "contract.json").read_text())
    for name in ("rename", "uv_per_count", "resampled_from"):
        old.pop(name, None)
    path = tmp_path / "contract.json"
    path.write_text(json.dumps(old))
    contract = manifest.read(path, SignalContract)
    assert (contract.rename, contract.uv_per_count, contract.resampled_from) == ({}, None, None)
    assert contract.unstreamable() == ()


def test_what_cannot_be_streamed() -> None:
    """Every part that is unknown is named, and so is resampling."""
    foreign = dataclasses.replace(
        SMALL,
        channels=None,
        sfreq=None,
        unit="unknown",
        reference="unknown",
        filter=Filter("unknown"),
        scaling=Scaling("unknown"),
        resampled_from=512.0,
    )
    assert foreign.unstreamable() == (
        *("channels unknown", "sampling rate unknown", "unit unknown", "reference unknown"),
        *("filter unknown", "scaling unknown", "resampled offline from 512 Hz"),
    )


def test_everything_in_the_file_reaches_the_contract() -> None:
    """Renames, µV per count, resampling, high-pass and moving standardization."""
    text = contract_file.EXAMPLE.replace("high_hz = 40.0 ", "# ")
    text = text.replace("# uv_per_count", "uv_per_count").replace("# resampled", "resampled")
    text = text.replace('kind = "per_channel"', 'kind = "moving"').replace("# eps", "eps")
    contract = contract_file.parse(text, "c.toml").contract()
    assert contract.rename["Fcz."] == "FCz"
    assert (contract.uv_per_count, contract.resampled_from) == (1.0, 512.0)
    assert (contract.filter.kind, contract.filter.high_hz) == ("high_pass", None)
    assert len(contract.filter.sos) == 2
    assert contract.scaling == Scaling("moving", factor_new=0.001, eps=0.0001)


def test_constant_channel() -> None:
    """It cannot be scaled, and is named."""
    x = np.zeros((4, 2, 5), np.float32)
    x[:, 0] = np.random.default_rng(0).standard_normal((4, 5))
    with pytest.raises(IncompatibleError) as error:
        SMALL.fitted(x)
    assert str(error.value) == (
        "Channel C4 is constant in the training part, so it cannot be scaled. Leave it out of the "
        "contract's channels."
    )


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((5,), "X has shape (5,); expected (windows, channels, samples)."),
        ((3, 4, 5), "X has shape (3, 4, 5); expected (n, 2, 5)."),
        ((3, 2, 9), "X has shape (3, 2, 9); expected (n, 2, 5)."),
    ],
)
def test_wrong_shapes(shape: tuple[int, ...], message: str) -> None:
    """What came and what was expected."""
    with pytest.raises(IncompatibleError) as error:
        SMALL.refuse(np.zeros(shape, np.float32), "X")
    assert str(error.value) == message


def test_non_finite_windows() -> None:
    """Window, channel and sample of the first one."""
    x = np.zeros((3, 2, 5), np.float32)
    x[1, 1, 2] = np.inf
    x[2] = np.nan
    with pytest.raises(IncompatibleError) as error:
        SMALL.refuse(x, "X")
    assert str(error.value) == (
        "X holds inf in window 1, channel C4, sample 2 (11 non-finite samples in all). Cut or "
        "interpolate them first."
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("sfreq = 160.0", "sfreq = '160'x", "c.toml is not a TOML file: "),
        (
            "sfreq = 160.0 ",
            "sfreq = 'fast' ",
            "c.toml: signal.sfreq: Input should be a valid number",
        ),
        ("sfreq = 160.0 ", "sfreq = -1 ", "c.toml: signal.sfreq must be positive, got -1."),
        ("n_times = 640", "n_times = 0", "c.toml: window.n_times must be positive, got 0."),
        ("hop = 15", "hop = 0", "c.toml: window.hop must be positive, got 0."),
        ('"Fz", "FC3"', '"FC3", "FC3"', "c.toml: signal.channels names FC3 twice."),
        (
            "n_times = 640",
            "n_tims = 640",
            "c.toml: window.n_tims is not known. Did you mean 'n_times'?",
        ),
        (
            'kind = "per_channel"',
            'kind = "z"',
            "c.toml: scaling.kind: Input should be 'per_channel'",
        ),
        ('unit = "uV"', 'unit = "nV"', "c.toml: signal.unit: Input should be 'uV', 'mV' or 'V'"),
        (
            'kind = "per_channel"',
            'kind = "moving"\nfactor_new = 1.5',
            "c.toml: scaling.factor_new must lie between 0 and 1, got 1.5.",
        ),
        (
            'kind = "per_channel"',
            'kind = "none"\neps = 1e-4',
            "c.toml: scaling.eps belongs to kind 'moving', but kind is 'none'.",
        ),
        (
            "sfreq = 160.0 ",
            "uv_per_count = 0\nsfreq = 160.0 ",
            "c.toml: signal.uv_per_count must be positive, got 0.0.",
        ),
        ("[split]", "[spilt]", "c.toml: spilt is not known. Type 'edge train "),
    ],
)
def test_mistakes_in_the_file(old: str, new: str, message: str) -> None:
    """Each is one line that names the file and the field."""
    text = contract_file.EXAMPLE.replace(old, new)
    assert text != contract_file.EXAMPLE
    with pytest.raises(UsageError) as error:
        contract_file.parse(text, "c.toml")
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_filter_that_does_not_fit_the_rate() -> None:
    """The limit is named."""
    text = contract_file.EXAMPLE.replace("high_hz = 40.0", "high_hz = 90.0")
    with pytest.raises(UsageError) as error:
        contract_file.parse(text, "c.toml").contract()
    assert str(error.value) == (
        "Invalid filter: 0 < low_hz < high_hz < sfreq / 2 = 80 Hz is needed, but got low_hz = 4 "
        "and high_hz = 90 instead."
    )


def test_absent_file() -> None:
    """What to type for one to start from."""
    with pytest.raises(EdgeError) as error:
        contract_file.read(Path("nowhere.toml"))
    assert str(error.value) == (
        "Cannot read the contract 'nowhere.toml': No such file or directory. Type 'edge train "
        "--example-contract > contract.toml' for one to start from."
    )
