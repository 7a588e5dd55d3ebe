# SPDX-License-Identifier: BSD-3-Clause
"""A data set: labelled windows in groups, the signal they were cut from, and its contract."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from edge.errors import IncompatibleError, UsageError, listing
from firmware_bridge.signal.contract import SignalContract
from quantize.recipe import MAX_WINDOWS, MIN_WINDOWS, SAFE_WINDOWS

ENOUGH_WINDOWS = 200
"""Calibration windows to aim at; sliding windows fill up where events give fewer."""


@dataclass(frozen=True, eq=False)
class Recording:
    """One continuous, filtered recording.

    Attributes
    ----------
    name
        Its group: file name without suffix, or session.
    signal
        (n_chans, n_samples) float32 in the contract's unit, filtered, not scaled.
    onsets, labels
        First sample and class index of every labelled window.
    """

    name: str
    signal: NDArray[np.float32]
    onsets: NDArray[np.int64]
    labels: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Windows (n, n_chans, n_times) float32, filtered, not scaled, in the contract's unit.

    Attributes
    ----------
    spec
        What the user typed.
    simulated
        Whether the signal was made in code.
    windows, labels, groups
        Windows, class indices and the group (session or file) of each.
    recordings
        What the windows were cut from; empty where only windows are known.
    shifts
        Samples by which training windows are also cut earlier (-) and later (+).
    holdout
        Patterns of groups to hold out that the data itself names; may be empty.
    """

    spec: str
    simulated: bool
    contract: SignalContract
    windows: NDArray[np.float32]
    labels: NDArray[np.int64]
    groups: NDArray[np.str_]
    recordings: tuple[Recording, ...] = ()
    shifts: tuple[int, ...] = ()
    holdout: tuple[str, ...] = ()

    def select(self, keep: NDArray[np.bool_]) -> Dataset:
        """The part whose windows are marked; recordings whose group keeps no window leave too."""
        groups = set(self.groups[keep].tolist())
        return replace(
            self,
            windows=self.windows[keep],
            labels=self.labels[keep],
            groups=self.groups[keep],
            recordings=tuple(r for r in self.recordings if r.name in groups),
        )

    def group_names(self) -> tuple[str, ...]:
        """Groups in the order in which they first appear."""
        return tuple(dict.fromkeys(self.groups.tolist()))


@dataclass(frozen=True, eq=False)
class Split:
    """Training and held-out part, apart by group; ``rule`` says how in words."""

    train: Dataset
    test: Dataset
    rule: str
    holdout: tuple[str, ...] = field(default=())


def from_recordings(
    spec: str,
    recordings: Sequence[Recording],
    contract: SignalContract,
    *,
    simulated: bool = False,
    shifts: tuple[int, ...] = (),
    holdout: tuple[str, ...] = (),
) -> Dataset:
    """Cut the labelled windows out of continuous recordings.

    Raises
    ------
    IncompatibleError
        When a class has no window that lies inside its recording.
    """
    windows, labels, groups = [], [], []
    for recording in recordings:
        inside, kept = _cut(recording, recording.onsets, contract.n_times)
        windows.append(inside)
        labels.append(recording.labels[kept])
        groups.append(np.full(len(inside), recording.name))
    dataset = Dataset(
        spec,
        simulated,
        contract,
        np.concatenate(windows),
        np.concatenate(labels),
        np.concatenate(groups),
        tuple(recordings),
        shifts,
        holdout,
    )
    if not len(dataset.labels):
        n_events = sum(len(recording.onsets) for recording in recordings)
        longest = max(recording.signal.shape[1] for recording in recordings)
        raise IncompatibleError(
            f"{spec} has no labelled window of {contract.n_times} samples: {n_events} events and "
            f"recordings of at most {longest} samples. Correct window.n_times, window.start_s or "
            f"[[events]] in the contract."
        )
    refuse_empty_classes(dataset, spec)
    return dataset


def _cut(
    recording: Recording, onsets: NDArray[np.int64], n_times: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Windows that lie inside the recording, and which onsets gave one."""
    kept = (onsets >= 0) & (onsets + n_times <= recording.signal.shape[1])
    n_chans = len(recording.signal)
    if not kept.any():
        return np.zeros((0, n_chans, n_times), np.float32), kept
    every = np.lib.stride_tricks.sliding_window_view(recording.signal, n_times, axis=1)
    return np.ascontiguousarray(every[:, onsets[kept]].transpose(1, 0, 2)), kept


def refuse_empty_classes(dataset: Dataset, where: str) -> None:
    """Raise when a class of the contract has no window."""
    counts = np.bincount(dataset.labels, minlength=len(dataset.contract.classes))
    empty = [c for c, n in zip(dataset.contract.classes, counts, strict=True) if n == 0]
    if empty:
        raise IncompatibleError(
            f"{where} has no window of class {listing(empty)}, but {len(dataset.labels)} windows "
            f"of others. Take the class out of the contract's [[events]], or add a file that has "
            f"it."
        )


def split(dataset: Dataset, holdout: Sequence[str] = ()) -> Split:
    """Hold out whole groups; the last third of them unless the caller or the data says which.

    With a single group the last quarter of its windows is held out, in the order of recording.

    Raises
    ------
    UsageError
        When a pattern matches no group, or nothing is left on one side.
    IncompatibleError
        When a class is missing on one side.
    """
    names = dataset.group_names()
    asked = tuple(holdout) or dataset.holdout
    if asked:
        unmatched = [p for p in asked if not any(fnmatch.fnmatch(name, p) for name in names)]
        if unmatched:
            raise UsageError(
                f"Cannot hold out {listing(unmatched)}: {dataset.spec} has the groups "
                f"{listing(names)}."
            )
        held = [name for name in names if any(fnmatch.fnmatch(name, p) for p in asked)]
        test = np.isin(dataset.groups, held)
        rule = f"groups {', '.join(held)} held out"
    elif len(names) > 1:
        held = sorted(names)[-math.ceil(len(names) / 3) :]
        test = np.isin(dataset.groups, held)
        rule = f"last third of the groups ({', '.join(held)}) held out"
    else:
        test = np.arange(len(dataset.labels)) >= math.floor(0.75 * len(dataset.labels))
        held = []
        rule = "last quarter of the only group held out"
    if test.all() or not test.any():
        raise UsageError(f"Holding out {listing(asked)} leaves nothing to train on.")
    parts = dataset.select(~test), dataset.select(test)
    for part, name in zip(parts, ("training", "held-out"), strict=True):
        refuse_empty_classes(part, f"The {name} part of {dataset.spec}")
    return Split(*parts, rule, tuple(held))


def training_windows(train: Dataset) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Windows and labels to train on: every event, and its shifted copies where asked."""
    windows, labels = [train.windows], [train.labels]
    for shift in train.shifts:
        for recording in train.recordings:
            cut, kept = _cut(recording, recording.onsets + shift, train.contract.n_times)
            windows.append(cut)
            labels.append(recording.labels[kept])
    return np.concatenate(windows), np.concatenate(labels)


def calibration_windows(
    train: Dataset, note: Callable[[str], None] = lambda _: None
) -> NDArray[np.float32]:
    """Windows to calibrate on, from the training part only.

    All labelled windows, evenly thinned to at most ``MAX_WINDOWS``. Where they are fewer than
    ``ENOUGH_WINDOWS`` and the recordings are known, windows that slide over them fill up: on the
    device the network sees every stretch of the signal, not only the trials.

    Raises
    ------
    IncompatibleError
        Below ``MIN_WINDOWS`` windows; below ``SAFE_WINDOWS`` a warning goes to ``note``.
    """
    windows = train.windows
    missing = ENOUGH_WINDOWS - len(windows)
    if missing > 0 and train.recordings:
        windows = np.concatenate([windows, _sliding(train, missing)])
    if len(windows) < MIN_WINDOWS:
        raise IncompatibleError(
            f"{train.spec} gives {len(windows)} calibration windows in its training part; at "
            f"least {MIN_WINDOWS} are needed and {SAFE_WINDOWS} are safe. Add recordings, or hold "
            f"out fewer groups."
        )
    if len(windows) < SAFE_WINDOWS:
        note(
            f"warning: {len(windows)} calibration windows; below {SAFE_WINDOWS} the int8 ranges "
            f"depend on which windows they are"
        )
    chosen = np.unique(np.linspace(0, len(windows) - 1, min(len(windows), MAX_WINDOWS)).round())
    return windows[chosen.astype(np.int64)]


def _sliding(train: Dataset, count: int) -> NDArray[np.float32]:
    """``count`` windows spread evenly over the recordings, fewer where there is no room."""
    n_times = train.contract.n_times
    room = [max(r.signal.shape[1] - n_times, 0) for r in train.recordings]
    positions = np.linspace(0, max(sum(room) - 1, 0), count).astype(np.int64)
    starts = np.concatenate([[0], np.cumsum(room)])
    parts = [
        _cut(
            recording, np.unique(positions[(positions >= low) & (positions < high)]) - low, n_times
        )[0]
        for recording, low, high in zip(train.recordings, starts[:-1], starts[1:], strict=True)
    ]
    return np.concatenate(parts)
