# SPDX-License-Identifier: BSD-3-Clause
"""A recording, a folder of recordings, or a BIDS data set, labelled as a contract file says."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge.data import raws
from edge.data.dataset import Dataset, Recording, from_recordings
from edge.errors import IncompatibleError, UsageError, listing
from edge.signal.contract_file import ContractFile, EventRule

SUFFIXES = (".bdf", ".edf", ".fif", ".gdf", ".set", ".vhdr")


def read(path: Path, spec: str, file: ContractFile) -> Dataset:
    """Read a recording, or every recording in a folder that the contract has events for.

    A folder is a BIDS data set, or a subject of one, when it has a ``dataset_description.json`` or
    its name begins with ``sub-``; events then come from ``*_events.tsv``.

    Raises
    ------
    UsageError
        Nothing to read, or a file that is not what it seems.
    IncompatibleError
        A file that contradicts the contract: rate, channels, non-finite samples.
    """
    refuse_single_class(file)
    found = [
        recording
        for name, raw, rule in _matching(path, file)
        for recording in raws.to_recordings(raw, Path(name).stem, name, file, rule)
    ]
    return labelled(spec, found, file)


def refuse_single_class(file: ContractFile) -> None:
    """Raise when a contract's events name fewer than two classes."""
    if len(file.classes) < 2:
        raise UsageError(
            f"The contract's [[events]] name {len(file.classes)} classes; two are needed to decode."
        )


def labelled(spec: str, found: list[Recording], file: ContractFile) -> Dataset:
    """Windows of recordings, cut and split as the contract file says."""
    return from_recordings(
        spec,
        found,
        file.contract(),
        shifts=tuple(round(shift * file.signal.sfreq) for shift in file.window.shifts_s),
        holdout=file.split.holdout,
    )


def _matching(path: Path, file: ContractFile) -> Iterator[tuple[str, Any, EventRule]]:
    """File name, opened recording and rule of everything that the contract knows."""
    bids = path.is_dir() and is_bids(path)
    candidates = [path]
    if path.is_dir():
        inside = path.rglob("*_eeg.*") if bids else path.iterdir()
        candidates = sorted(p for p in inside if p.suffix.lower() in SUFFIXES and _is_data(p, path))
    if not candidates:
        raise UsageError(f"{str(path)!r} holds no recording: no file ends in {listing(SUFFIXES)}.")
    found = [(p, rule) for p in candidates if (rule := file.rule(p.name)) is not None]
    if not found:
        patterns = listing(pattern for rule in file.events for pattern in rule.files)
        what = f"None of the {len(candidates)} recordings in {str(path)!r} has a name that"
        raise UsageError(
            f"{what if path.is_dir() else f'The name {path.name!r}'} matches "
            f"{'' if path.is_dir() else 'none of '}the contract's [[events]] files {patterns}. "
            f"Add a pattern that does."
        )
    for p, rule in found:
        yield p.name, _open_bids(p) if bids else raws.open_raw(p), rule


def is_bids(folder: Path) -> bool:
    """Whether a folder is a BIDS data set or a subject or session of one."""
    return (folder / "dataset_description.json").is_file() or bool(
        re.match(r"(sub|ses)-", folder.resolve().name)
    )


def _is_data(path: Path, root: Path) -> bool:
    """BIDS keeps what is not raw data in folders of its own."""
    others = {"derivatives", "sourcedata", "code"}
    return not others.intersection(path.relative_to(root).parts)


def _open_bids(path: Path) -> Any:
    """A recording with the events, channel types and units of the files beside it.

    Raises
    ------
    IncompatibleError
        When mne-bids cannot make sense of them.
    """
    raws.refuse_truncated(path)
    from mne_bids import get_bids_path_from_fname, read_raw_bids

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read_raw_bids(get_bids_path_from_fname(path, verbose="ERROR"), verbose="ERROR")
    except Exception as error:  # mne-bids raises whatever it stumbles over
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise IncompatibleError(f"mne-bids cannot read {str(path)!r}: {first_line}") from error
