# SPDX-License-Identifier: BSD-3-Clause
"""Some hundreds of broken headers of every format: MNE's values, or one line.

``python -m benchmarks.studies.header_fuzz`` breaks ten thousand of each.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.studies import header_fuzz
from tests import gdf
from tests.conftest import ROOT

COUNT = 150


@pytest.mark.parametrize("name", header_fuzz.FORMATS)
def test_broken_headers(name: str) -> None:
    """In a process of its own, whose memory is limited; some are read and some refused."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.studies.header_fuzz"),
            *("--count", str(COUNT), "--format", name),
        ],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    [outcome] = json.loads(done.stdout)["outcomes"]
    assert outcome["faults"] == []
    assert outcome["files"] == outcome["read"] + outcome["refused"] == COUNT
    assert outcome["read"] > COUNT / 20
    assert outcome["refused"] > COUNT / 20
    assert done.returncode == 0


def test_broken_gdf(tmp_path: Path) -> None:
    """GDF, whose good file a test's writer makes: its text and numbers up to the samples."""
    samples = np.random.default_rng(0).normal(0, 10, (3, 400))
    path = gdf.write(tmp_path / "a.gdf", header_fuzz.NAMES, samples, 100, [(100, 769), (200, 770)])
    # the header's first 184 bytes say who and when; behind them stand lengths, rates and ranges
    outcome = header_fuzz.fuzz(path, header_fuzz.numbers(184, 1024), 100, 0, tmp_path)
    assert outcome.faults == ()
    assert outcome.read + outcome.refused == 100


def test_a_fault_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples that are not MNE's, and an error that escapes, are faults and not verdicts."""
    good, _ = header_fuzz.write_good(tmp_path)["edf"]
    assert header_fuzz.judge(good) == "read"
    real = header_fuzz._ours
    monkeypatch.setattr(
        header_fuzz,
        "_ours",
        lambda recording: {k: [2 * v for v in each] for k, each in real(recording).items()},
    )
    assert header_fuzz.judge(good) == "other samples of C3 than MNE's"

    def breaks(_: object) -> None:
        raise ZeroDivisionError("float division by zero")

    monkeypatch.setattr(header_fuzz, "_ours", breaks)
    assert header_fuzz.judge(good) == "ZeroDivisionError escaped: float division by zero"
