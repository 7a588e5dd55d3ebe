# SPDX-License-Identifier: BSD-3-Clause
"""The main job on real recordings: train, export, verify, on windows nobody has seen."""

from __future__ import annotations

import json
from pathlib import Path

import mne
import numpy as np
import pytest

from edge.bundle import read as bundle
from edge.bundle import run as runner
from edge.signal import chain
from edge.stream.frames import SourceRequest
from edge.stream.live.montage import montage
from edge.stream.sources import file as replay
from tests.conftest import Edge, Once


@pytest.fixture(scope="module")
def b04_bundle(edge: Edge, b04: Path, once: Once) -> Path:
    """Sessions 1-3 of BNCI2014-004's subject 4 against 4-5, 30 epochs."""

    def make(folder: Path) -> None:
        _train_and_export(edge, folder, "eca", b04, "--epochs", 30)

    return once("b04", make) / "bundle"


@pytest.fixture(scope="module")
def s001_bundle(edge: Edge, eegmmidb: Path, once: Once) -> Path:
    """Executed movement of PhysioNet's subject 1, 22 electrodes, runs 11 and 13 held out."""

    def make(folder: Path) -> None:
        contract = folder / "contract.toml"
        contract.write_text(edge("train", "--example-contract").stdout)
        _train_and_export(edge, folder, "eca", eegmmidb, "--contract", contract, "--epochs", 60)

    return once("s001", make) / "bundle"


def _train_and_export(edge: Edge, folder: Path, mode: str, data: Path, *options: object) -> None:
    done = edge("train", "--mode", mode, "--data", data, "--out", folder / "model", *options)
    assert done.returncode == 0, done.stderr
    done = edge("export", "--checkpoint", folder / "model", "--int8", "--out", folder / "bundle")
    assert done.returncode == 0, done.stderr


def test_b04_accuracy(b04_bundle: Path) -> None:
    """Float at least 0.93; int8 on every target at most 3 net windows below, 98 % agreement."""
    made = bundle.read(b04_bundle).manifest
    assert made.data.split == "groups 4, 5 held out"
    assert (made.data.n_held_out, made.data.simulated) == (240, False)
    correct = {entry.rung: entry.correct.count for entry in made.accuracy}
    assert correct["braindecode"] >= 0.93 * 240
    int8 = [a for a in made.artifacts if a.precision == "int8"]
    assert {a.target for a in int8} == {"c", "executorch", "onnx", "tflite"}
    for artifact in int8:
        rung = f"{artifact.target} int8"
        assert correct[rung] >= correct["braindecode"] - 3
        measured = next(p for p in made.parity if p.rung == rung and p.reference == "braindecode")
        assert measured.agreement.share >= 0.98


def test_b04_contract_says_what_is_unknown(b04_bundle: Path) -> None:
    """The file names neither channels nor rate nor unit, and none is invented."""
    contract = bundle.read(b04_bundle).contract()
    assert (contract.channels, contract.sfreq, contract.unit) == (None, None, "unknown")
    assert contract.scaling.kind == "per_channel"
    assert contract.input_quant is not None


def test_s001_from_edf_to_int8(s001_bundle: Path) -> None:
    """64-channel EDF in, verified int8 out: 22 electrodes, 160 Hz, 4-40 Hz, 4 s, four classes."""
    opened = bundle.read(s001_bundle)
    contract, made = opened.contract(), opened.manifest
    assert contract.channels is not None
    assert (len(contract.channels), contract.sfreq, contract.n_times) == (22, 160.0, 640)
    assert contract.classes == ("left fist", "right fist", "both fists", "both feet")
    assert made.data.split == "groups S001R11, S001R13 held out"
    assert made.data.n_held_out == 30
    assert made.data.n_calibration == 200
    for entry in made.parity:
        assert entry.max_steps is None or entry.max_steps <= 2


def test_s001_verifies(edge: Edge, s001_bundle: Path) -> None:
    """``edge verify`` agrees."""
    done = edge("verify", s001_bundle, "--json")
    assert done.returncode == 0, done.stderr
    assert all(not check["problem"] for check in json.loads(done.stdout)["checks"])


def test_s001_streamed_is_s001_windowed(edge: Edge, s001_bundle: Path, eegmmidb: Path) -> None:
    """A run replayed from EDF at 160 Hz, continuous: on every hop the windowed int8 logits."""
    path = eegmmidb / "S001R03.edf"
    done = edge("stream", s001_bundle, "--source", f"file:{path}", "--speed", "inf", "--json")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    streamed = [line for line in lines if line.get("logits") is not None]
    opened = bundle.read(s001_bundle)
    graph, contract = opened.graph(), opened.contract()
    header = replay.connect(SourceRequest(str(path))).header
    picked = montage(header, contract)
    frames = mne.io.read_raw(path, verbose="error").get_data().T[:, picked.picks]
    x = chain.apply(contract, picked.samples(frames))
    ends = range(contract.n_times, x.shape[1] + 1, contract.hop)
    windows = np.stack([x[:, end - contract.n_times : end] for end in ends])
    expected = runner.open_runnable(opened, "reference")(contract.scale(windows))
    assert [line["sample"] for line in streamed] == [end - 1 for end in ends]
    assert len(ends) == 1291
    scale = graph.quant(graph.output).scale
    steps = np.rint([np.array(line["logits"]) / scale for line in streamed])
    np.testing.assert_array_equal(steps, np.rint(expected / scale))
    summary = lines[-1]
    assert (summary["lost"], summary["restarts"]) == (0, 1)
    assert summary["faulty"]["Fz"] == 41  # the file ends with half a second of zeros
