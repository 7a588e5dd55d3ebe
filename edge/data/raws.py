# SPDX-License-Identifier: BSD-3-Clause
"""Apply a contract to a described recording: filter its signal, and label its events.

Nothing is resampled, and nothing is filtered across a joint. Where recordings were put together, or
a recorder paused, the filter starts anew, as it would on a device that was switched off, and no
window lies across.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge.data import picking
from edge.data.dataset import Recording
from edge.data.description import Annotation, Description, Samples, Span, Trials
from edge.data.picking import Picks
from edge.errors import IncompatibleError
from edge.signal import chain
from edge.signal.contract_file import ContractFile, EventRule
from firmware_bridge.signal.contract import SignalContract


def to_recordings(
    described: Description,
    name: str,
    file: ContractFile,
    rule: EventRule,
    keep_bad: bool = False,
) -> list[Recording]:
    """Return a recording's pieces, filtered, with the events that the rule knows.

    Parameters
    ----------
    name
        The group that its windows belong to.
    keep_bad
        Whether windows may touch spans that are marked bad.

    Raises
    ------
    IncompatibleError
        When it contradicts the contract: rate, channels, units, non-finite samples.
    """
    contract = file.contract()
    picks = picking.pick(described, contract, believe_unit=file.signal.file_unit is not None)
    bad = () if keep_bad else described.bad_spans()
    events = _events(described, file, rule)
    return [
        _piece(_Piece(described, picks, contract, piece, i == 0), name, events, bad)
        for i, piece in enumerate(described.pieces)
    ]


@dataclass(frozen=True)
class _Event:
    """An event's place and its window's, seconds of signal, and its class."""

    at_s: float
    window_s: float
    label: int


def _events(described: Description, file: ContractFile, rule: EventRule) -> list[_Event]:
    index = {text: i for i, text in enumerate(file.classes)}
    return [
        _Event(each.onset_s, each.onset_s + file.window.start_s, index[rule.classes[each.text]])
        for each in described.annotations
        if each.text in rule.classes
    ]


@dataclass(frozen=True)
class _Piece:
    """A piece of a recording under a contract."""

    described: Description
    picks: Picks
    contract: SignalContract
    span: Span
    is_first: bool

    @property
    def samples(self) -> tuple[int, int]:
        """First sample of the piece and the one after its last."""
        return self.span.samples(self.picks.sfreq)

    def holds(self, event: _Event) -> bool:
        """Whether an event lies in the piece; one before the first sample counts to the first."""
        start, stop = self.samples
        at = round(event.at_s * self.picks.sfreq)
        return (start <= at or self.is_first) and at < stop


def _piece(
    piece: _Piece, name: str, events: Sequence[_Event], bad: Sequence[Annotation]
) -> Recording:
    start, stop = piece.samples
    sfreq = piece.picks.sfreq
    samples = picking.samples(piece.described, piece.picks, piece.contract, start, stop)
    _refuse_non_finite(samples, piece)
    marked = sorted(  # a set: a trigger may be there as an annotation too
        {(round(e.window_s * sfreq) - start, e.label) for e in events if piece.holds(e)}
    )
    onsets, labels = zip(*marked, strict=True) if marked else ((), ())
    closed = tuple(
        (each.onset_s * sfreq - start, (each.onset_s + each.duration_s) * sfreq - start)
        for each in bad
    )
    return Recording(
        name,
        chain.apply(piece.contract, samples),
        np.array(onsets, np.int64),
        np.array(labels, np.int64),
        closed,
    )


def _refuse_non_finite(samples: Samples, piece: _Piece) -> None:
    bad = np.argwhere(~np.isfinite(samples))
    if not len(bad):
        return
    channel, sample = (int(i) for i in bad[0])
    seconds = (piece.samples[0] + sample) / piece.picks.sfreq
    wanted = piece.contract.channels or ()
    raise IncompatibleError(
        f"{piece.described.name} holds {samples[channel, sample]} in channel {wanted[channel]} at "
        f"{seconds:.3f} s ({len(bad)} non-finite samples in all). Cut or interpolate them first."
    )


@dataclass(frozen=True, eq=False)
class CutWindows:
    """Windows that a file brought along, as the contract wants them, and their labels."""

    windows: Samples
    labels: list[int]
    texts: Counter[str]


def from_trials(trials: Trials, file: ContractFile, rule: EventRule) -> CutWindows:
    """Return windows of a file of trials: channels, unit and interval as the contract says.

    They are taken as they are: a filter cannot be run over windows, so the contract's says what was
    done to them before.

    Raises
    ------
    IncompatibleError
        When they contradict the contract, or do not reach from ``start_s`` for ``n_times``.
    """
    contract = file.contract()
    as_one = _as_recording(trials).with_unit(file.signal.file_unit)
    picks = picking.pick(as_one, contract, believe_unit=file.signal.file_unit is not None)
    n_times = trials.samples.shape[2]
    first = round((file.window.start_s - trials.start_s) * picks.sfreq)
    if first < 0 or first + contract.n_times > n_times:
        raise IncompatibleError(
            f"{trials.name} holds windows from {trials.start_s:g} s to "
            f"{trials.start_s + n_times / picks.sfreq:g} s around their events, and the contract "
            f"wants {contract.n_times} samples from {file.window.start_s:g} s. Correct "
            f"window.start_s or window.n_times."
        )
    index = {text: i for i, text in enumerate(file.classes)}
    kept = [i for i, text in enumerate(trials.texts) if text in rule.classes]
    windows = np.array(
        [
            picking.samples(
                as_one, picks, contract, i * n_times + first, i * n_times + first + contract.n_times
            )
            for i in kept
        ]
    ).reshape(len(kept), len(contract.channels or ()), contract.n_times)
    labels = [index[rule.classes[trials.texts[i]]] for i in kept]
    return CutWindows(windows, labels, Counter(trials.texts))


def _as_recording(trials: Trials) -> Description:
    """Trials one after the other, so that channels are picked as in any recording."""
    n, n_chans, n_times = trials.samples.shape
    joined = trials.samples.transpose(1, 0, 2).reshape(n_chans, n * n_times)
    number = {channel.name: i for i, channel in enumerate(trials.channels)}
    sfreq = trials.channels[0].sfreq
    return Description(
        path=trials.path,
        files=trials.files,
        channels=trials.channels,
        pieces=(Span(0.0, n * n_times / sfreq),),
        annotations=(),
        source=lambda names, start, stop: joined[[number[name] for name in names], start:stop],
    )
