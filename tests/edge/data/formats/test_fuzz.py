# SPDX-License-Identifier: BSD-3-Clause
"""Damaged files of every format of ours: a recording comes out, or one line that says why not.

``EDGE_FUZZ_FILES=10000`` tries more of each than the 1,000 that the suite does.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.data import reader
from edge.data.description import Hints
from edge.errors import EdgeError
from tests import xdf
from tests.edge.data.formats import (
    test_brainflow,
    test_emotiv,
    test_gdf,
    test_muse,
    test_openbci,
    test_openbci_sd,
    test_plain_csv,
    test_xdf,
)

MANY = int(os.environ.get("EDGE_FUZZ_FILES", "1000"))
HEADER_BYTES = 1500
"""Damage lies in these in seven files of ten, behind them in the others."""
TOKENS = [
    *(b",", b";", b"\t", b".", b"-", b"e5", b"nan", b"inf", b"\n", b"\r", b'"', b"%", b"#", b"\0"),
    *(b"\xff", b"0", b"99999999999999999999", b" ", b"a", b"=", b":"),
]
BASES: dict[str, Callable[[Path], tuple[Path, dict[str, Any]]]] = {
    "openbci": lambda at: (
        test_openbci.write(at / "a.txt", "CytonSerial", test_openbci.signal(60, 8), [(10, 1)]),
        {},
    ),
    "openbci, old": lambda at: (test_openbci.old(at / "a.txt", test_openbci.signal(60, 8)), {}),
    "openbci-sd": lambda at: (
        test_openbci_sd.write(at / "a.txt", np.arange(480).reshape(60, 8) - 240),
        test_openbci_sd.TOLD,
    ),
    "brainflow": lambda at: (
        test_brainflow.wrote(at / "a.csv", test_brainflow.frames("cyton", 3.0)[0][:, :100]),
        {"board": "cyton"},
    ),
    "muse": lambda at: (
        test_muse.mind_monitor(
            at / "a.csv", test_muse.signal(300, 800.0), [(5, "/Marker/1")], test_muse.arrival(300)
        ),
        {},
    ),
    "muselsl": lambda at: (
        test_muse.muselsl(at / "a.csv", test_muse.signal(100, 0.0), [(5, 1)]),
        {},
    ),
    "emotiv": lambda at: (test_emotiv.pro(at / "a.csv", test_emotiv.signal(100), [(5, 1)]), {}),
    "emotiv, old": lambda at: (
        test_emotiv.before_2019(at / "a.csv", test_emotiv.signal(100), [(5, 1)]),
        {},
    ),
    "plain-csv": lambda at: (test_plain_csv.table(at / "a.csv", test_plain_csv.signal(100)), {}),
    "xdf": lambda at: (
        xdf.write(at / "a.xdf", [test_xdf.eeg(200), test_xdf.markers(test_xdf.eeg(200))]),
        {},
    ),
    "gdf": lambda at: (test_gdf.recording(at / "a.gdf", with_durations=True)[0], {}),
}


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Return a file's bytes with one to five damages."""
    found = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 5))):
        reach = min(len(found), HEADER_BYTES) if rng.random() < 0.7 else len(found)
        at = rng.randrange(max(1, reach))
        match rng.randrange(5):
            case 0:
                found[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                found[at:at] = rng.choice(TOKENS)
            case 2:
                del found[at : at + rng.choice((1, 3, 20, 200))]
            case 3:
                found[at : at + 1] = rng.choice(TOKENS)
            case _:
                end = found.find(b"\n", at)
                found[at:at] = found[at : end + 1]  # half a line twice
    return bytes(found)


@pytest.mark.parametrize(
    "count", [pytest.param(30), pytest.param(MANY, marks=pytest.mark.slow)], ids=["few", "many"]
)
@pytest.mark.parametrize("name", BASES)
def test_damaged_files(name: str, count: int, tmp_path: Path) -> None:
    """No traceback, no parser's own words, and what is described can be read to its end."""
    path, options = BASES[name](tmp_path)
    content = path.read_bytes()
    undamaged = reader.open_continuous(path, Hints(options=options))
    assert undamaged.pieces
    for seed in range(count):
        path.write_bytes(damaged(content, random.Random(f"{name} {seed}")))
        try:
            found = reader.open_continuous(path, Hints(options=options))
            sfreq = found.channels[0].sfreq
            for piece in found.pieces:
                start, stop = piece.samples(sfreq)
                assert found.read([found.channels[0].name], start, stop).shape == (1, stop - start)
        except EdgeError as error:
            message = str(error)
            assert "\n" not in message, seed
            assert "cannot be read: " not in message, (seed, message)
