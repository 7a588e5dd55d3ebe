# SPDX-License-Identifier: BSD-3-Clause
"""``edge stream`` as it is typed: replay, refusals, Ctrl-C, what is left on disk."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import mne
import numpy as np
import pytest

from edge.bundle import folder as bundle_folder
from edge.bundle import read as bundle
from edge.bundle import run as runner
from edge.bundle import types as bundle_types
from edge.data import sim
from edge.signal import chain
from quantize import plain as manifest
from tests.conftest import Edge

SECONDS = 12.0


def write_edf(path: Path, sfreq: float = 250.0, seconds: float = SECONDS) -> Path:
    """Noise on the electrodes of the shipped checkpoint."""
    rng = np.random.default_rng(0)
    n = round(seconds * sfreq)
    samples = 15e-6 * np.cumsum(rng.standard_normal((22, n)), axis=1) / 10
    info = mne.create_info(list(sim.CHANNELS_2A), sfreq, "eeg")
    raw = mne.io.RawArray(samples, info, verbose="error")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mne.export.export_raw(
            path, raw, physical_range=(-5000, 5000), overwrite=True, verbose="error"
        )
    return path


@pytest.fixture(scope="module")
def edf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve seconds at the contract's rate."""
    return write_edf(tmp_path_factory.mktemp("stream") / "noise.edf")


def lines(text: str, kind: str = "decision") -> list[dict[str, Any]]:
    """JSON lines of a kind."""
    return [line for line in map(json.loads, text.splitlines()) if line["kind"] == kind]


def windowed(folder: Path, edf: Path, hop: int) -> np.ndarray:
    """Logits of the integer reference on every hop, each window computed whole."""
    opened = bundle.read(folder)
    contract = opened.contract()
    samples = 1e6 * mne.io.read_raw(edf, verbose="error").get_data()
    x = chain.apply(contract, samples)
    ends = range(contract.n_times, x.shape[1] + 1, hop)
    windows = np.stack([x[:, end - contract.n_times : end] for end in ends])
    return runner.open_runnable(opened, "reference")(contract.scale(windows))


def test_replay_to_json_lines(edge: Edge, eca_bundle: Path, edf: Path, tmp_path: Path) -> None:
    """Every hop has its line, in the file and on stdout alike, with the windowed logits."""
    out = tmp_path / "decisions.jsonl"
    done = edge(
        *("stream", eca_bundle, "--source", f"file:{edf}", "--speed", "inf"),
        *("--output", out, "--json"),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == out.read_text()
    decisions = lines(done.stdout)
    full = [d for d in decisions if d["logits"] is not None]
    expected = windowed(eca_bundle, edf, 15)
    assert [d["sample"] for d in full] == list(range(999, round(SECONDS * 250), 15))
    np.testing.assert_allclose([d["logits"] for d in full], expected, rtol=1e-5)
    assert json.loads(out.read_text().splitlines()[0])["classes"] == list(sim.CLASSES)
    [summary] = lines(done.stdout, "summary")
    assert summary["decisions"] == len(decisions)
    assert (summary["lost"], summary["restarts"]) == (0, 1)


def test_a_table_at_the_end(edge: Edge, eca_bundle: Path, edf: Path) -> None:
    """Without --json stdout has the summary for people; a folder is replayed file by file."""
    done = edge("stream", eca_bundle, "--source", f"file:{edf.parent}", "--speed", "inf")
    assert done.returncode == 0, done.stderr
    assert "frames received" in done.stdout
    assert f"{round(SECONDS * 250):,}" in done.stdout


def test_real_time(edge: Edge, eca_bundle: Path, edf: Path) -> None:
    """Twice real time takes half the time, and a decision comes soon after its frame."""
    start_s = time.monotonic()
    done = edge(
        *("stream", eca_bundle, "--source", f"file:{edf}", "--speed", 4, "--json"),
        *("--limit-s", 8, "--target", "tflite"),
    )
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - start_s >= 2
    [summary] = lines(done.stdout, "summary")
    assert 0 < summary["latency_p50_ms"] < 1000


def start(folder: Path, edf: Path, *options: object, **process: Any) -> subprocess.Popen[str]:
    """A stream in real time, running."""
    command = [sys.executable, "-m", "edge", "stream", folder, "--source", f"file:{edf}"]
    return subprocess.Popen(
        [*map(str, command), *map(str, options)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        **process,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_cleanly(
    eca_bundle: Path, edf: Path, tmp_path: Path, number: signal.Signals
) -> None:
    """Exit code 0, every line whole, the summary last and in agreement with what was written."""
    out = tmp_path / "decisions.jsonl"
    process = start(eca_bundle, edf, "--json", "--output", out)
    assert process.stdout is not None
    seen = [process.stdout.readline() for _ in range(10)]
    process.send_signal(number)
    rest, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    text = "".join(seen) + rest
    assert text == out.read_text()
    [summary] = lines(text, "summary")
    assert text.splitlines()[-1] == json.dumps(summary, ensure_ascii=False)
    assert summary["decisions"] == len(lines(text)) >= 8


def test_killed(eca_bundle: Path, edf: Path, tmp_path: Path) -> None:
    """Nothing that was decided is lost even so: lines are whole and handed over at once."""
    out = tmp_path / "decisions.jsonl"
    process = start(eca_bundle, edf, "--json", "--output", out)
    assert process.stdout is not None
    seen = [process.stdout.readline() for _ in range(10)]
    process.kill()
    process.communicate()
    text = out.read_text()
    assert text.endswith("\n")
    assert text.startswith("".join(seen))


def test_full_disk(eca_bundle: Path, edf: Path, tmp_path: Path) -> None:
    """One line that names the file; what fitted is there."""
    out = tmp_path / "decisions.jsonl"

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    process = start(eca_bundle, edf, "--speed", "inf", "--output", out, preexec_fn=limit)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 2
    assert stderr.splitlines()[-1] == f"edge: Cannot write --output {str(out)!r}: File too large."
    assert json.loads(out.read_text().splitlines()[0])["kind"] == "stream"


def test_other_rate(edge: Edge, eca_bundle: Path, tmp_path: Path) -> None:
    """Refused with both values."""
    path = write_edf(tmp_path / "slow.edf", 128.0, 2.0)
    out = tmp_path / "decisions.jsonl"
    out.write_text("of yesterday")
    done = edge("stream", eca_bundle, "--source", f"file:{path}", "--output", out)
    assert out.read_text() == "of yesterday"
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == (
        "edge: slow.edf was recorded at 128 Hz and the contract says 250 Hz. Replay a recording of "
        "the contract's rate; nothing is resampled.\n"
    )


def test_scaling_unknown(edge: Edge, eca_bundle: Path, edf: Path, tmp_path: Path) -> None:
    """A bundle whose model came without a contract cannot be fed a live signal."""
    folder = tmp_path / "b"
    shutil.copytree(eca_bundle, folder)
    contract = json.loads((folder / bundle_types.CONTRACT).read_text())
    contract["scaling"] = {"kind": "unknown"}
    (folder / bundle_types.CONTRACT).write_text(json.dumps(contract))
    made = json.loads((folder / bundle_types.MANIFEST).read_text())
    made["files"] = bundle_folder.checksums(folder)
    (folder / bundle_types.MANIFEST).write_text(manifest.to_json(made))
    done = edge("stream", folder, "--source", f"file:{edf}")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == (
        "edge: This bundle cannot be fed a live signal: scaling unknown. Train on recordings with "
        "--contract FILE.toml, which says all of it, and export again.\n"
    )
