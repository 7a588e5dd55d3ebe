# SPDX-License-Identifier: BSD-3-Clause
"""MNE's own FIF: recordings, also split over several files, and epochs, which are windows."""

from __future__ import annotations

import gzip
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np

from edge.data.description import Description, Hints, Trials
from edge.data.formats import _mne
from edge.errors import IncompatibleError

TAG = struct.Struct(">8xii")
"""A tag's head: how many bytes follow, and where the next one is; 0 is behind them, -1 nowhere."""
SUFFIXES = (".fif", ".fif.gz")
EPOCHS = re.compile(r"[-_]epo(-\d+)?\.fif(\.gz)?$", re.IGNORECASE)


def recognizes(path: Path) -> bool:  # noqa: ARG001  # no other format has these suffixes
    """Recognize every file of the suffixes; MNE checks it on opening."""
    return True


def open_recording(path: Path, hints: Hints) -> Description | Trials:  # noqa: ARG001
    """Describe a FIF file; one whose name ends in ``-epo.fif`` holds windows.

    A recording that was split continues in its next files, which MNE follows by itself. Where the
    numbers of their samples do not follow on one another, the recording begins anew.
    """
    mne = _mne.import_mne()
    _refuse_circle(path)
    if EPOCHS.search(path.name):
        epochs, notes = _mne.call(path, lambda: mne.read_epochs(path, verbose="ERROR"))
        return trials(epochs, path, notes)
    raw, notes = _mne.call(path, lambda: mne.io.read_raw_fif(path, verbose="ERROR"))
    return _mne.describe(raw, path, joints=_part_joints(raw), notes=notes)


def _refuse_circle(path: Path) -> None:
    """Raise where tags lead back to one before, along which MNE would walk for ever."""
    seen: set[int] = set()
    at = 0
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
        while at not in seen:
            seen.add(at)
            file.seek(at)
            head = file.read(TAG.size)
            if len(head) < TAG.size:
                return
            length, following = TAG.unpack(head)
            at = following or at + TAG.size + length
            if following < 0 or at < 0:
                return
    raise IncompatibleError(f"{str(path)!r} is damaged: its parts lead in a circle.")


def _part_joints(raw: Any) -> list[int]:
    """Samples at which a part begins that does not follow on the one before it."""
    firsts, lasts = np.array(raw._first_samps), np.array(raw._last_samps)
    begins = np.cumsum(lasts - firsts + 1)[:-1]
    return [int(b) for b, jump in zip(begins, firsts[1:] - lasts[:-1], strict=True) if jump != 1]


def _parts(path: Path) -> list[Path]:
    """The files in which epochs that were split go on, as MNE numbers them."""
    parts: list[Path] = []
    stem, dot, suffix = path.name.partition(".fif")
    while (part := path.with_name(f"{stem}-{len(parts) + 1}{dot}{suffix}")).exists():
        parts.append(part)
    return parts


def trials(epochs: Any, path: Path, notes: tuple[str, ...]) -> Trials:
    """MNE's epochs as windows; those that were marked bad are not among them."""
    epochs.drop_bad(verbose="ERROR")
    names = {code: name for name, code in epochs.event_id.items()}
    return Trials(
        path=path,
        files=(path, *_parts(path)),
        channels=_mne.channels_of(epochs),
        samples=np.asarray(epochs.get_data(copy=False), np.float64),
        texts=tuple(str(names[int(code)]) for code in epochs.events[:, 2]),
        start_s=float(epochs.tmin),
        notes=notes,
    )
