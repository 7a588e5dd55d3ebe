# SPDX-License-Identifier: BSD-3-Clause
"""Read a recording once, however often and in whatever form it is stored.

A recording that is read twice lies on both sides of a split and makes any accuracy perfect. Parts
of a split recording and links are known by their files; copies, also in another format, by their
signal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.data.dataset import Recording
from edge.data.description import Description, Trials
from edge.errors import IncompatibleError
from edge.signal.contract_file import EventRule

COMPARED = 4096
"""Samples by which two recordings are compared, spread over what both have."""

SAME = 0.95
"""Correlation in every channel above which two recordings are one.

Measured on ``../shared/data``: the 66 pairs of a subject's recordings of 125 s (3 channels) reach
0.09, in a single channel 0.12; pieces of 20 s reach 0.35, of 5 s 0.64, of 2 s 0.77, trials of 4 s
0.38. Copies through FIF, BrainVision, EDF up to 3 mV and tables in whole µV reach 1.000, through
EDF of 100 mV 0.9996, and of 1 V, whose steps of 31 µV are as large as the EEG, 0.966.
"""

PADDING_S = 2.0
"""What formats add at the end to fill a record."""


@dataclass(frozen=True, eq=False)
class Opened:
    """A recording with the rule that knows its events; ``group`` is what its windows belong to."""

    group: str
    recording: Description | Trials
    rule: EventRule


def by_file(opened: Sequence[Opened]) -> tuple[list[Opened], tuple[str, ...]]:
    """Leave out recordings whose files another one reads already, with a note for each.

    Of two that share a file the one with more of them stays; of links, what is no link.
    """

    def first(each: Opened) -> tuple[int, bool, str]:
        recording = each.recording
        return -len(recording.files), recording.path.is_symlink(), str(recording.path)

    owner: dict[tuple[int, int], str] = {}
    kept, notes = [], []
    for each in sorted(opened, key=first):
        recording = each.recording
        identities = [_identity(file) for file in recording.files if file.exists()]
        owners = [owner[identity] for identity in identities if identity in owner]
        if owners:
            notes.append(f"{recording.name} is read with {owners[0]} already")
            continue
        owner |= dict.fromkeys(identities, recording.name)
        kept.append(each)
    return [each for each in opened if any(each is k for k in kept)], tuple(sorted(notes))


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()  # of what a link points to
    return status.st_dev, status.st_ino


def by_signal(
    read: Sequence[tuple[Opened, list[Recording]]], sfreq: float
) -> tuple[list[tuple[Opened, list[Recording]]], tuple[str, ...]]:
    """Leave out copies of a recording, with a note for each.

    Raises
    ------
    IncompatibleError
        When two copies have different events, so that none of them says it all.
    """
    kept: list[tuple[Opened, list[Recording]]] = []
    signals: list[NDArray[np.float32]] = []
    notes = []
    for opened, pieces in read:
        signal = np.concatenate([piece.signal for piece in pieces], axis=1)
        twin = next((i for i, known in enumerate(signals) if _is_same(signal, known, sfreq)), None)
        if twin is None:
            kept.append((opened, pieces))
            signals.append(signal)
            continue
        names = opened.recording.name, kept[twin][0].recording.name
        if _events(pieces) != _events(kept[twin][1]):
            raise IncompatibleError(
                f"{names[0]} and {names[1]} hold the same signal with different events. Leave one "
                f"of them out."
            )
        notes.append(f"{names[0]} is a copy of {names[1]} and is left out")
    return kept, tuple(notes)


def _is_same(one: NDArray[np.float32], other: NDArray[np.float32], sfreq: float) -> bool:
    n = min(one.shape[1], other.shape[1])
    if abs(one.shape[1] - other.shape[1]) > PADDING_S * sfreq or n < 2:
        return False
    step = max(1, n // COMPARED)
    a, b = (x[:, :n:step].astype(np.float64) for x in (one, other))
    a, b = (x - x.mean(axis=1, keepdims=True) for x in (a, b))
    scale = np.sqrt((a**2).sum(1) * (b**2).sum(1))
    moving = scale > 0
    if not moving.any():
        return False
    return bool(((a * b).sum(1)[moving] > SAME * scale[moving]).all())


def _events(pieces: Sequence[Recording]) -> list[tuple[int, int, int]]:
    return [
        (i, int(onset), int(label))
        for i, piece in enumerate(pieces)
        for onset, label in zip(piece.onsets, piece.labels, strict=True)
    ]
