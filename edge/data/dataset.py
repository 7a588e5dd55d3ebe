# SPDX-License-Identifier: BSD-3-Clause
"""Hold a data set: labelled windows in groups, the signal behind them, and its contract."""

from __future__ import annotations

import fnmatch
import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from edge.errors import IncompatibleError, UsageError, listing
from firmware_bridge.signal.contract import SignalContract
from quantize.graph.measures import evenly
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
    closed
        Spans of samples, from and to, that no window may touch: marked bad, or held out. An edge
        may lie between two samples; a span without length closes what lies around it.
    """

    name: str
    signal: NDArray[np.float32]
    onsets: NDArray[np.int64]
    labels: NDArray[np.int64]
    closed: tuple[tuple[float, float], ...] = ()

    def is_open(self, starts: NDArray[np.int64], n_times: int) -> NDArray[np.bool_]:
        """Return whether windows that start at some samples touch no closed span.

        The rule is that of MNE's epochs: a span that begins before the window's end and ends after
        its start spoils it.
        """
        is_open = np.ones(len(starts), np.bool_)
        for begin, end in self.closed:
            is_open &= (begin >= starts + n_times) | (end <= starts)
        return is_open

    def only(self, kept: NDArray[np.bool_]) -> Recording:
        """Return the same signal with some of its labelled windows."""
        return replace(self, onsets=self.onsets[kept], labels=self.labels[kept])


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled windows, filtered and not scaled, in the contract's unit, with their groups.

    Attributes
    ----------
    spec
        What the user typed.
    simulated
        Whether the signal was made in code.
    windows, labels, groups
        Windows, class indices and the group (session or file) of each.
    recordings
        What the windows were cut from, one window for each of their onsets, in order; empty where
        only windows are known.
    shifts
        Samples by which training windows are also cut earlier (-) and later (+).
    holdout
        Patterns of groups to hold out that the data itself names; may be empty.
    left_out
        Labelled windows that touch a span marked bad and are not among the windows.
    notes
        What the user has to know of the data, a line each.
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
    left_out: int = 0
    notes: tuple[str, ...] = ()

    def select(self, keep: NDArray[np.bool_]) -> Dataset:
        """Return the part whose windows are marked."""
        groups = set(self.groups[keep].tolist())
        return replace(
            self,
            windows=self.windows[keep],
            labels=self.labels[keep],
            groups=self.groups[keep],
            recordings=tuple(
                recording.only(marks)
                for recording, marks in zip(self.recordings, self._marks(keep), strict=True)
                if recording.name in groups
            ),
        )

    def _marks(self, keep: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
        """Marks of windows, recording by recording."""
        edges = np.cumsum([len(recording.onsets) for recording in self.recordings])
        return np.split(keep, edges)[:-1] if len(edges) else []

    def group_names(self) -> tuple[str, ...]:
        """Return the groups in the order in which they first appear."""
        return tuple(dict.fromkeys(self.groups.tolist()))


@dataclass(frozen=True, eq=False)
class Split:
    """A training part and a held-out part that share no group; ``rule`` says how in words."""

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
    notes: tuple[str, ...] = (),
) -> Dataset:
    """Cut the labelled windows out of continuous recordings.

    Raises
    ------
    IncompatibleError
        When a class has no window that lies inside its recording and touches no closed span.
    """
    windows, labels, groups, kept = [], [], [], []
    left_out = 0
    for recording in recordings:
        inside, marks = _cut(recording, recording.onsets, contract.n_times)
        windows.append(inside)
        labels.append(recording.labels[marks])
        groups.append(np.full(len(inside), recording.name))
        kept.append(recording.only(marks))
        fits = _fits(recording, recording.onsets, contract.n_times)
        left_out += int((fits & ~marks).sum())
    dataset = Dataset(
        spec,
        simulated,
        contract,
        np.concatenate(windows),
        np.concatenate(labels),
        np.concatenate(groups),
        tuple(kept),
        shifts,
        holdout,
        left_out,
        notes,
    )
    if not len(dataset.labels) and left_out:
        raise IncompatibleError(
            f"{spec} has no labelled window but {left_out} that touch a span marked bad. Add "
            f"--keep-bad to take them, or correct the marks."
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
    """Windows that lie inside the recording and touch nothing closed; which onsets gave one."""
    kept = _fits(recording, onsets, n_times) & recording.is_open(onsets, n_times)
    n_chans = len(recording.signal)
    if not kept.any():
        return np.zeros((0, n_chans, n_times), np.float32), kept
    every = np.lib.stride_tricks.sliding_window_view(recording.signal, n_times, axis=1)
    return np.ascontiguousarray(every[:, onsets[kept]].transpose(1, 0, 2)), kept


def _fits(recording: Recording, onsets: NDArray[np.int64], n_times: int) -> NDArray[np.bool_]:
    """Which windows lie inside the recording."""
    return np.asarray((onsets >= 0) & (onsets + n_times <= recording.signal.shape[1]))


def refuse_empty_classes(dataset: Dataset, where: str) -> None:
    """Raise if a class of the contract has no window."""
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

    With a single group the last quarter of its windows is held out, in the order of recording;
    training windows that reach into it are left out, and so are shifted and sliding ones later on.

    Raises
    ------
    UsageError
        When a pattern matches no group, or nothing is left on one side.
    IncompatibleError
        When a class is missing on one side, or a held-out window is in the training part too.
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
    train = dataset.select(~test)
    if not held:
        train = _closed_from(dataset, train, test)
    parts = train, dataset.select(test)
    for part, name in zip(parts, ("training", "held-out"), strict=True):
        refuse_empty_classes(part, f"The {name} part of {dataset.spec}")
    _refuse_shared(*parts)
    return Split(*parts, rule, tuple(held))


def _closed_from(dataset: Dataset, train: Dataset, test: NDArray[np.bool_]) -> Dataset:
    """The training part of a single group, closed where the held-out windows begin."""
    n_times = dataset.contract.n_times
    recordings, kept = [], []
    for recording, marks in zip(dataset.recordings, dataset._marks(test), strict=True):
        mine = recording.only(~marks)
        if marks.any():
            first = float(recording.onsets[marks].min())
            mine = replace(mine, closed=(*mine.closed, (first, math.inf)))
        is_open = mine.is_open(mine.onsets, n_times)
        kept.append(is_open)
        recordings.append(mine.only(is_open))
    if not recordings:
        return train
    keep = np.concatenate(kept)
    return replace(
        train,
        windows=train.windows[keep],
        labels=train.labels[keep],
        groups=train.groups[keep],
        recordings=tuple(recordings),
    )


def _refuse_shared(train: Dataset, test: Dataset) -> None:
    """Raise when a held-out window is, sample for sample, a training window too.

    Windows of one single value do not count: they are a dead signal, which every recording has.
    """
    known = {_digest(window) for window in train.windows}
    shared = sum(_digest(window) in known and bool(np.ptp(window) > 0) for window in test.windows)
    if shared:
        raise IncompatibleError(
            f"{shared} of the {len(test.windows)} held-out windows of {test.spec} are in its "
            f"training part too, sample for sample: something was stored twice. Leave the copies "
            f"out, or hold out the groups that hold them together."
        )


def _digest(window: NDArray[np.float32]) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(window).tobytes(), digest_size=16).digest()


def training_windows(train: Dataset) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return windows and labels to train on: every event, and shifted copies if asked."""
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
    """Return windows to calibrate on, from the training part only.

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
    return windows[evenly(len(windows), MAX_WINDOWS)]


def _sliding(train: Dataset, count: int) -> NDArray[np.float32]:
    """``count`` windows spread evenly over the recordings, fewer where there is no room."""
    n_times = train.contract.n_times
    room = []
    for recording in train.recordings:
        starts = np.arange(max(recording.signal.shape[1] - n_times, 0))
        room.append(starts[recording.is_open(starts, n_times)])
    edges = np.concatenate([[0], np.cumsum([len(starts) for starts in room])])
    positions = evenly(int(edges[-1]), count, down=True)
    parts = [
        _cut(
            recording,
            starts[positions[(positions >= low) & (positions < high)] - low],
            n_times,
        )[0]
        for recording, starts, low, high in zip(
            train.recordings, room, edges[:-1], edges[1:], strict=True
        )
    ]
    return np.concatenate(parts)
