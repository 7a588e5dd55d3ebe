# SPDX-License-Identifier: BSD-3-Clause
"""One continuous recording through MNE: picks, unit, reference, causal filter, events.

Nothing is resampled, and nothing is filtered across a joint: where files were concatenated (MNE's
``BAD boundary``, EEGLAB's ``boundary``) the filter starts anew, as it would on a device that was
switched off, and no window lies across.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.data.dataset import Recording
from edge.errors import IncompatibleError, MissingToolError, UsageError, listing
from edge.signal import chain
from edge.signal.contract_file import ContractFile, EventRule
from firmware_bridge.signal.contract import AS_RECORDED, AVERAGE, SignalContract

JOINTS = ("bad boundary", "edge boundary", "boundary")
"""Annotations at which two recordings were put together."""

TRIGGER_BITS = 0xFFFF
"""Trigger codes are 16 bits wide; BioSemi keeps its own state in the bits above."""


def to_recordings(
    raw: Any, name: str, where: str, file: ContractFile, rule: EventRule
) -> list[Recording]:
    """A recording's pieces between joints, filtered, with the events that the rule knows.

    Parameters
    ----------
    raw
        ``mne.io.Raw``.
    name
        The group that its windows belong to.
    where
        What messages call it.

    Raises
    ------
    IncompatibleError
        When it contradicts the contract: rate, channels, non-finite samples.
    """
    sfreq = file.signal.sfreq
    if raw.info["sfreq"] != sfreq:
        raise IncompatibleError(
            f"{where} was recorded at {raw.info['sfreq']:g} Hz and the contract says "
            f"{sfreq:g} Hz. Set signal.sfreq to the recording's rate; nothing is resampled."
        )
    contract = file.contract()
    samples = _samples(raw, where, file, contract)
    index = {text: i for i, text in enumerate(file.classes)}
    events = {  # a set: a trigger may be there as an annotation too
        (round((seconds + file.window.start_s) * sfreq), index[rule.classes[text]])
        for seconds, text in events_of(raw)
        if text in rule.classes
    }
    edges = [0, *joints(raw), samples.shape[1]]
    return [
        _piece(
            name, samples[:, a:b], contract, [(t - a, k) for t, k in sorted(events) if a <= t < b]
        )
        for a, b in itertools.pairwise(edges)
    ]


def _piece(
    name: str,
    samples: NDArray[np.float64],
    contract: SignalContract,
    events: Sequence[tuple[int, int]],
) -> Recording:
    filtered = chain.apply(contract, samples)
    onsets, labels = zip(*events, strict=True) if events else ((), ())
    return Recording(name, filtered, np.array(onsets, np.int64), np.array(labels, np.int64))


def events_of(raw: Any) -> Iterator[tuple[float, str]]:
    """Every annotation, and every trigger of a stimulus channel by its code; (seconds, text).

    Seconds count from the first sample, which MNE's annotations do not where a recording was
    cropped.
    """
    import mne

    for onset, text in zip(raw.annotations.onset, raw.annotations.description, strict=True):
        yield float(onset) - raw.first_time, str(text)
    if len(mne.pick_types(raw.info, meg=False, stim=True)):
        found = mne.find_events(
            raw, shortest_event=1, mask=TRIGGER_BITS, mask_type="and", verbose="ERROR"
        )
        for sample, _, code in found:
            yield float(sample - raw.first_samp) / raw.info["sfreq"], str(code)


def joints(raw: Any) -> list[int]:
    """Samples at which another recording begins."""
    rate, n_samples = raw.info["sfreq"], raw.n_times
    found = {
        round((onset - raw.first_time) * rate)
        for onset, text in zip(raw.annotations.onset, raw.annotations.description, strict=True)
        if text.lower() in JOINTS
    }
    return sorted(sample for sample in found if 0 < sample < n_samples)


def open_raw(path: Path) -> Any:
    """A recording as MNE's ``Raw``, samples not loaded yet.

    Raises
    ------
    UsageError
        When the file is absent, truncated, or not a recording.
    """
    try:
        import mne
    except ImportError:
        raise MissingToolError(
            "Reading recordings needs MNE, which is not installed. "
            "Type: pip install 'eeg-edge[export]'"
        ) from None
    if not path.exists():
        raise UsageError(f"{str(path)!r} does not exist.")
    refuse_truncated(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return mne.io.read_raw(path, verbose="ERROR")
    except Exception as error:  # MNE raises whatever its readers stumble over
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UsageError(f"MNE cannot read {str(path)!r}: {first_line}") from error


def refuse_truncated(path: Path) -> None:
    """Compare an EDF or BDF file's size with what its header promises.

    The header is 256 bytes and 256 a signal, in ASCII (Kemp et al. 1992): records at 236, signals
    at 252, samples a record of each signal 216 bytes a signal further on.
    """
    width = {".edf": 2, ".bdf": 3}.get(path.suffix.lower())
    if width is None:
        return
    with path.open("rb") as stream:
        head = stream.read(256)
        try:
            header_bytes, n_records, n_signals = (
                int(head[a:b]) for a, b in ((184, 192), (236, 244), (252, 256))
            )
            stream.seek(256 + 216 * n_signals)
            lengths = [int(stream.read(8)) for _ in range(n_signals)]
        except ValueError:
            raise UsageError(
                f"{str(path)!r} is not an {path.suffix[1:].upper()} file: its header is not one, "
                f"or is cut off. Fetch it again."
            ) from None
    promised = header_bytes + n_records * width * sum(lengths)
    actual = path.stat().st_size
    if n_records >= 0 and actual < promised:
        raise UsageError(
            f"{str(path)!r} is truncated: its header promises {promised:,} bytes and it has "
            f"{actual:,}. Fetch it again."
        )


def _samples(
    raw: Any, where: str, file: ContractFile, contract: SignalContract
) -> NDArray[np.float64]:
    """(n_chans, n_samples) in the contract's unit, order and reference, finite."""
    wanted = list(file.signal.channels)
    names = {file.rename.get(name, name): name for name in raw.ch_names}
    reference = file.signal.reference
    extra = [] if reference in (AS_RECORDED, AVERAGE) else [reference]
    missing = [name for name in (*wanted, *extra) if name not in names]
    if missing:
        raise IncompatibleError(
            f"{where} has no channel {listing(missing)}; it has {_some(sorted(names))}. "
            f"Correct signal.channels or [rename] in the contract."
        )
    samples: NDArray[np.float64] = raw.get_data([names[name] for name in wanted], verbose="ERROR")
    if reference == AVERAGE:
        samples = chain.rereferenced(samples, None)
    elif extra:
        samples = chain.rereferenced(samples, raw.get_data([names[reference]], verbose="ERROR")[0])
    bad = np.argwhere(~np.isfinite(samples))
    if len(bad):
        channel, sample = (int(i) for i in bad[0])
        raise IncompatibleError(
            f"{where} holds {samples[channel, sample]} in channel {wanted[channel]} at "
            f"{sample / file.signal.sfreq:.3f} s ({len(bad)} non-finite samples in all). "
            f"Cut or interpolate them first."
        )
    return samples * chain.PER_VOLT[contract.unit]


def _some(names: Sequence[str], limit: int = 80) -> str:
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
