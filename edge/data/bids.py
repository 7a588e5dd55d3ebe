# SPDX-License-Identifier: BSD-3-Clause
"""Read BIDS, where events and channel names are in tables beside the recordings."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge.data import reader
from edge.data.description import Description, Hints, Trials
from edge.data.formats import _mne
from edge.errors import IncompatibleError

ELSEWHERE = {"derivatives", "sourcedata", "code"}
"""Folders in which BIDS keeps what is not raw data."""


def is_bids(folder: Path) -> bool:
    """Return whether a folder is a BIDS data set or a subject or session of one."""
    return (folder / "dataset_description.json").is_file() or bool(
        re.match(r"(sub|ses)-", folder.resolve().name)
    )


def candidates(folder: Path) -> Iterator[Path]:
    """Return the files of EEG in a data set."""
    for path in folder.rglob("*_eeg.*"):
        if not ELSEWHERE.intersection(path.relative_to(folder).parts):
            yield path


def open_recording(path: Path, hints: Hints) -> Description | Trials:
    """Describe a recording with the events and channel names of the files beside it.

    The table of channels is in the file's order.

    Raises
    ------
    IncompatibleError
        When mne-bids cannot make sense of them, or of two clocks nobody can say which counts.
    """
    described = reader.open_recording(path, hints)
    if isinstance(described, Trials):
        return described
    raw = _raw(path)
    if len(described.pieces) > 1 and path.suffix.lower() in (".edf", ".bdf"):
        raise IncompatibleError(
            f"{path.name} is interrupted, and whether the onsets in its *_events.tsv count the "
            f"pauses is not said. Write its events into the file as annotations and read it "
            f"without the tables."
        )
    marks = [a for a in described.annotations if a.is_joint or a.is_bad]
    texts = {*marks, *_mne.annotations_of(raw), *_mne.triggers(raw)}
    named = described.renamed(raw.ch_names)
    return replace(
        named, annotations=tuple(sorted(texts, key=lambda a: (a.onset_s, a.text, a.duration_s)))
    )


def _raw(path: Path) -> Any:
    from mne_bids import get_bids_path_from_fname, read_raw_bids

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what the description says in its own notes
            return read_raw_bids(get_bids_path_from_fname(path, verbose="ERROR"), verbose="ERROR")
    except Exception as error:  # mne-bids raises whatever it stumbles over
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise IncompatibleError(f"mne-bids cannot read {str(path)!r}: {first_line}") from error
