# SPDX-License-Identifier: BSD-3-Clause
"""Read a recording, a folder of them, or a BIDS data set, labelled as a contract file says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edge.data import bids, events, once, raws, reader
from edge.data.dataset import Dataset, Recording, from_recordings, refuse_empty_classes
from edge.data.description import Description, Hints, Trials
from edge.data.once import Opened
from edge.errors import IncompatibleError, UsageError, listing
from edge.signal.contract_file import ContractFile, EventRule


def read(path: Path, spec: str, file: ContractFile, keep_bad: bool = False) -> Dataset:
    """Read a recording, or every recording in a folder that the contract has events for.

    A folder is a BIDS data set, or a subject of one, when it has a ``dataset_description.json`` or
    its name begins with ``sub-``; events then come from ``*_events.tsv``.

    Parameters
    ----------
    keep_bad
        Whether windows may touch spans that are marked bad.

    Raises
    ------
    UsageError
        Nothing to read, or a file that is not what it seems.
    IncompatibleError
        A file that contradicts the contract: rate, channels, unit, events, non-finite samples.
    """
    refuse_single_class(file)
    opened, notes = once.by_file(_opened(path, file))
    trials = [each for each in opened if isinstance(each.recording, Trials)]
    if trials and len(trials) < len(opened):
        whole = next(each for each in opened if isinstance(each.recording, Description))
        raise IncompatibleError(
            f"{spec} holds recordings ({whole.recording.name}, …) and windows cut from recordings "
            f"({trials[0].recording.name}, …); together the same trials could be there twice. "
            f"Let the contract's [[events]] files match one kind."
        )
    notes = (*notes, *dict.fromkeys(n for each in opened for n in each.recording.notes))
    if trials:
        return _cut_elsewhere(spec, trials, file, notes)
    return _continuous(spec, opened, file, keep_bad, notes)


def refuse_single_class(file: ContractFile) -> None:
    """Raise when a contract's events name fewer than two classes."""
    if len(file.classes) < 2:
        raise UsageError(
            f"The contract's [[events]] name {len(file.classes)} classes; two are needed to decode."
        )


def labelled(
    spec: str, found: Sequence[Recording], file: ContractFile, notes: tuple[str, ...] = ()
) -> Dataset:
    """Return windows of recordings, cut and split as the contract file says."""
    return from_recordings(
        spec,
        found,
        file.contract(),
        shifts=tuple(round(shift * file.signal.sfreq) for shift in file.window.shifts_s),
        holdout=file.split.holdout,
        notes=notes,
    )


def hints(file: ContractFile) -> Hints:
    """Return what a contract file says about files that do not say it."""
    return Hints(unit=file.signal.file_unit, encoding=file.signal.encoding, options=file.file)


def _continuous(
    spec: str,
    opened: Sequence[Opened],
    file: ContractFile,
    keep_bad: bool,
    notes: tuple[str, ...],
) -> Dataset:
    read_files, described = [], []
    for each in opened:
        assert isinstance(each.recording, Description)
        pieces = raws.to_recordings(each.recording, each.group, file, each.rule, keep_bad)
        read_files.append((each, pieces))
        described.append(each.recording)
    events.refuse_strangers(
        spec,
        [
            (each.rule.classes, events.names(d.annotations))
            for each, d in zip(opened, described, strict=True)
        ],
    )
    kept, copies = once.by_signal(read_files, file.signal.sfreq)
    data = labelled(spec, [p for _, pieces in kept for p in pieces], file, (*notes, *copies))
    return with_bad_note(data, described, keep_bad)


def with_bad_note(data: Dataset, described: Sequence[Description], keep_bad: bool) -> Dataset:
    """Note what is marked bad in the data's recordings, and what became of it."""
    marked = [bad for each in described for bad in each.bad_spans()]
    if not marked:
        return data
    names = listing(sorted({bad.text for bad in marked}))
    spans = f"{sum(bad.duration_s for bad in marked):.1f} s are marked bad ({names})"
    what = (
        "and are kept, as --keep-bad asks"
        if keep_bad
        else f"and {data.left_out} labelled windows that touch them are left out; --keep-bad keeps "
        f"them"
    )
    return replace(data, notes=(*data.notes, f"{spans} {what}"))


def _cut_elsewhere(
    spec: str, opened: Sequence[Opened], file: ContractFile, notes: tuple[str, ...]
) -> Dataset:
    """Windows that the files hold already."""
    if file.scaling.kind == "moving":
        raise IncompatibleError(
            f"{spec} holds windows, and moving standardization needs the signal around them. "
            f"Give the recordings that they were cut from."
        )
    cut = []
    for each in opened:
        assert isinstance(each.recording, Trials)
        cut.append((each, raws.from_trials(each.recording, file, each.rule)))
    events.refuse_strangers(spec, [(each.rule.classes, found.texts) for each, found in cut])
    contract = file.contract()
    windows = np.concatenate([found.windows for _, found in cut]).astype(np.float32)
    contract.refuse(windows, spec)
    taken = "windows are taken as they are; the contract's filter says what was done before"
    data = Dataset(
        spec,
        False,
        contract,
        windows,
        np.array([label for _, found in cut for label in found.labels], np.int64),
        np.concatenate([np.full(len(found.labels), each.group) for each, found in cut]),
        holdout=file.split.holdout,
        notes=(*notes, taken),
    )
    refuse_empty_classes(data, spec)
    return data


def _opened(path: Path, file: ContractFile) -> list[Opened]:
    """Everything that the contract has events for, described."""
    is_bids = path.is_dir() and bids.is_bids(path)
    opened = []
    for candidate, rule in _matching(path, file, is_bids):
        open_one = bids.open_recording if is_bids else reader.open_recording
        group = candidate.name[: -len(reader.suffix_of(candidate)) or None]
        opened.append(Opened(group, open_one(candidate, hints(file)), rule))
    return opened


def _matching(path: Path, file: ContractFile, is_bids: bool) -> list[tuple[Path, EventRule]]:
    candidates = [path]
    if path.is_dir():
        inside = bids.candidates(path) if is_bids else path.iterdir()
        candidates = sorted(p for p in inside if reader.is_candidate(p))
    if not candidates:
        raise UsageError(
            f"{str(path)!r} holds no recording: no file ends in {listing(reader.suffixes())}."
        )
    found = [(p, rule) for p in candidates if (rule := file.rule(p.name)) is not None]
    if not found:
        patterns = listing(pattern for rule in file.events for pattern in rule.files)
        what = f"None of the {len(candidates)} recordings in {str(path)!r} has a name that"
        raise UsageError(
            f"{what if path.is_dir() else f'The name {path.name!r}'} matches "
            f"{'' if path.is_dir() else 'none of '}the contract's [[events]] files {patterns}. "
            f"Add a pattern that does."
        )
    return found
