# SPDX-License-Identifier: BSD-3-Clause
"""Read ``moabb:NAME:SUBJECT``, a public data set that MOABB fetches and keeps."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge.data import raws, recordings
from edge.data.dataset import Dataset
from edge.data.formats import _mne
from edge.errors import IncompatibleError, MissingToolError, UsageError
from edge.signal.contract_file import (
    ContractFile,
    EventRule,
    FilterSection,
    SignalSection,
    WindowSection,
)

PREFIX = "moabb:"
BAND_HZ = (4.0, 40.0)
"""Band of the causal filter where no contract file says another."""


def read(spec: str, file: ContractFile | None, keep_bad: bool = False) -> Dataset:
    """Read a subject's sessions, labelled with the data set's own events.

    Without a contract file: every EEG channel, the data set's rate and interval, 4-40 Hz. With one,
    its ``[[events]]`` name the data set's classes (for files ``*``), or are left out.

    Raises
    ------
    UsageError
        For a data set or subject that there is not.
    MissingToolError
        When MOABB is not installed.
    """
    dataset, subject = _find(spec)
    runs = list(_runs(dataset, subject, spec))
    contract = _contract(dataset, runs[0][1]) if file is None else file
    if not contract.events:
        contract = replace(contract, events=(_own_events(dataset),))
    recordings.refuse_single_class(contract)
    found, described = [], []
    for session, raw in runs:
        rule = contract.rule(session)
        if rule is not None:
            where = Path(f"{spec}, session {session}")
            named = _mne.describe(_with_names(raw, dataset.event_id), where)
            found += raws.to_recordings(named, session, contract, rule, keep_bad)
            described.append(named)
    if not found:
        raise UsageError(f"No session of {spec!r} matches the contract's [[events]] files.")
    return recordings.with_bad_note(recordings.labelled(spec, found, contract), described, keep_bad)


def _find(spec: str) -> tuple[Any, int]:
    """The data set and the number of a subject."""
    name, _, subject = spec.removeprefix(PREFIX).partition(":")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from moabb import datasets
    except ImportError:
        raise MissingToolError(
            f"--data {spec!r} needs MOABB, which is not installed. Type: pip install moabb"
        ) from None
    cls = getattr(datasets, name, None)
    if not isinstance(cls, type) or not callable(getattr(cls, "get_data", None)):
        close = difflib.get_close_matches(name, dir(datasets), n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise UsageError(f"MOABB has no data set {name!r}.{hint} Type moabb:NAME:SUBJECT.")
    dataset = cls()
    if not subject.isdecimal() or int(subject) not in dataset.subject_list:
        allowed = f"{min(dataset.subject_list)} to {max(dataset.subject_list)}"
        raise UsageError(
            f"{name} has the subjects {allowed}, but got {subject!r} instead. "
            f"Type e.g. moabb:{name}:{min(dataset.subject_list)}."
        )
    return dataset, int(subject)


def _runs(dataset: Any, subject: int, spec: str) -> Iterator[tuple[str, Any]]:
    """Session and ``Raw`` of every run, in order."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sessions = dataset.get_data([subject])[subject]
    except Exception as error:  # downloads and readers raise whatever they stumble over
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise IncompatibleError(f"MOABB cannot get {spec!r}: {first_line}") from error
    for session, runs in sessions.items():
        for raw in runs.values():
            yield str(session), raw


def _contract(dataset: Any, raw: Any) -> ContractFile:
    """What the data set says of itself."""
    import mne

    picks = mne.pick_types(raw.info, eeg=True, exclude=())
    sfreq = float(raw.info["sfreq"])
    start, stop = dataset.interval
    low, high = BAND_HZ
    return ContractFile(
        signal=SignalSection(channels=tuple(raw.ch_names[i] for i in picks), sfreq=sfreq),
        window=WindowSection(n_times=round((stop - start) * sfreq), start_s=float(start)),
        filter=FilterSection(low_hz=low, high_hz=high),
    )


def _own_events(dataset: Any) -> EventRule:
    return EventRule(files=("*",), classes={name: name for name in dataset.event_id})


def _with_names(raw: Any, event_id: Mapping[str, int]) -> Any:
    """The run with every trigger code as an annotation that carries its class's name."""
    names = {str(code): name for name, code in event_id.items()}
    events = [
        (each.onset_s + raw.first_time, names[each.text])
        for each in (*_mne.annotations_of(raw), *_mne.triggers(raw))
        if each.text in names
    ]
    if not events:
        return raw
    copy = raw.copy()
    onsets, texts = zip(*events, strict=True)
    copy.annotations.append(onsets, 0.0, texts)
    return copy
