# SPDX-License-Identifier: BSD-3-Clause
"""Files of a Cyton's SD card, in the form that OpenBCI/OpenBCI_GUI ``SDConverter.pde`` converts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.data import reader
from edge.errors import UsageError

TOLD = {"sfreq": 250, "gain": 24}


def write(path: Path, counts: NDArray[np.int64], kept: NDArray[np.int64] | None = None) -> Path:
    """Counts (n, n_chans), the accelerometer behind each tenth row, and what a card ends with."""
    lines = []
    for i in range(len(counts)) if kept is None else kept:
        row = [f"{i % 256:02X}", *(f"{value & 0xFFFFFF:06X}" for value in counts[i].tolist())]
        lines.append(",".join([*row, *(["FFE2", "0010", "2040"] if i % 10 == 7 else [])]))
    path.write_text("\n".join(lines) + "\n%Total time mS:\n%min Write time uS:\n")
    return path


@pytest.mark.parametrize("n_chans", [8, 16])
def test_counts(n_chans: int, tmp_path: Path) -> None:
    """A count is 22.35 nV at a gain of 24, and three times that at 8; negative ones too."""
    counts = np.random.default_rng(0).integers(-(1 << 23), 1 << 23, (600, n_chans))
    counts[0, :2] = (1 << 23) - 1, -1
    path = write(tmp_path / "OBCI_01.TXT", counts)
    found = reader.open_continuous(path, reader.Hints(options=TOLD))
    names = [c.name for c in found.channels]
    assert names == [f"EXG Channel {i}" for i in range(n_chans)]
    ours = found.read(names, 0, 600)
    np.testing.assert_allclose(ours * 1e6, counts.T * 0.022351744455307063, rtol=1e-12)
    assert ours[0, 0] == pytest.approx(found.channels[0].high)
    told = reader.Hints(options=TOLD | {"gain": 8})
    np.testing.assert_allclose(reader.open_continuous(path, told).read(names, 0, 600), 3 * ours)


def test_lost_packets(tmp_path: Path) -> None:
    """The counter says what the card missed."""
    counts = np.random.default_rng(0).integers(-9000, 9000, (900, 8))
    kept = np.delete(np.arange(900), [50, *range(300, 330)])
    path = write(tmp_path / "a.txt", counts, kept)
    found = reader.open_continuous(path, reader.Hints(options=TOLD))
    assert [p.samples(250) for p in found.pieces] == [(0, 300), (300, 870)]
    ours = found.read(["EXG Channel 3"], 49, 52)[0]
    assert ours[1] == pytest.approx((ours[0] + ours[2]) / 2)


REFUSALS = {
    "not told": (
        {},
        "holds counts of a Cyton's SD card and says neither rate nor gain. Write both under [file] "
        "in the contract, or as --arg of a replay, e.g. sfreq = 250 and gain = 24.",
    ),
    "torn": (
        TOLD,
        "has a torn row in line 40: a packet counter and 8 electrodes in hexadecimal belong there. "
        "Delete the line.",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals(case: str, tmp_path: Path) -> None:
    """One line each."""
    options, message = REFUSALS[case]
    path = write(tmp_path / "a.txt", np.zeros((100, 8), np.int64))
    lines = path.read_text().splitlines()
    lines[39] = lines[39][:30]
    path.write_text("\n".join(lines))
    with pytest.raises(UsageError) as error:
        reader.open_recording(path, reader.Hints(options=options))
    assert str(error.value) == f"{str(path)!r} {message}"


def test_a_gain_that_there_is_not(tmp_path: Path) -> None:
    """Those of the converter are listed."""
    path = write(tmp_path / "a.txt", np.zeros((10, 8), np.int64))
    with pytest.raises(UsageError) as error:
        reader.open_recording(path, reader.Hints(options=TOLD | {"gain": 5}))
    assert str(error.value) == (
        "Invalid value for 'gain'. Allowed values are '1', '2', '4', '6', '8', '12' and '24', but "
        "got '5' instead."
    )
