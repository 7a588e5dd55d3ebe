"""Recordings through MNE: picks, unit, reference, causal filter, events; nothing is resampled."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.data import filters
from edge.data.contract import AS_RECORDED, AVERAGE, SignalContract
from edge.data.contract_file import ContractFile, EventRule
from edge.data.dataset import Dataset, Recording, from_recordings
from edge.errors import IncompatibleError, MissingToolError, UsageError, listing

SUFFIXES = (".bdf", ".edf", ".fif", ".gdf", ".set", ".vhdr")

PER_VOLT = {"uV": 1e6, "mV": 1e3, "V": 1.0}


def read(path: Path, spec: str, file: ContractFile) -> Dataset:
    """Read a recording, or every recording in a folder that the contract has events for.

    Raises
    ------
    UsageError
        Nothing to read, or a file that is not what it seems.
    IncompatibleError
        A file that contradicts the contract: rate, channels, non-finite samples.
    """
    if len(file.classes) < 2:
        raise UsageError(
            f"The contract's [[events]] name {len(file.classes)} classes; two are needed to decode."
        )
    contract = file.contract()
    recordings = [_recording(p, file, rule, contract) for p, rule in _matching(path, file)]
    sfreq = file.signal.sfreq
    return from_recordings(
        spec,
        recordings,
        contract,
        shifts=tuple(round(shift * sfreq) for shift in file.window.shifts_s),
        holdout=file.split.holdout,
    )


def _matching(path: Path, file: ContractFile) -> list[tuple[Path, EventRule]]:
    candidates = [path]
    if path.is_dir():
        candidates = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
    found = [(p, rule) for p in candidates if (rule := file.rule(p.name)) is not None]
    if not found:
        patterns = listing(pattern for rule in file.events for pattern in rule.files)
        there = f"it holds {len(candidates)} recordings" if path.is_dir() else "its name does not"
        raise UsageError(
            f"No recording in {str(path)!r} matches the contract's [[events]] files {patterns}; "
            f"{there}."
        )
    return found


def _recording(
    path: Path, file: ContractFile, rule: EventRule, contract: SignalContract
) -> Recording:
    raw = open_raw(path)
    if raw.info["sfreq"] != file.signal.sfreq:
        raise IncompatibleError(
            f"{path.name} was recorded at {raw.info['sfreq']:g} Hz and the contract says "
            f"{file.signal.sfreq:g} Hz. Set signal.sfreq to the recording's rate; nothing is "
            f"resampled."
        )
    samples = _samples(raw, path, file, contract)
    filtered = filters.apply(contract.filter, samples).astype(np.float32)
    index = {name: i for i, name in enumerate(file.classes)}
    events = [
        (round((onset + file.window.start_s) * file.signal.sfreq), index[rule.classes[text]])
        for onset, text in zip(raw.annotations.onset, raw.annotations.description, strict=True)
        if text in rule.classes
    ]
    onsets, labels = zip(*events, strict=True) if events else ((), ())
    return Recording(path.stem, filtered, np.array(onsets, np.int64), np.array(labels, np.int64))


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
    _refuse_truncated(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return mne.io.read_raw(path, verbose="ERROR")
    except Exception as error:  # MNE raises whatever its readers stumble over
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UsageError(f"MNE cannot read {str(path)!r}: {first_line}") from error


def _refuse_truncated(path: Path) -> None:
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
                f"or is cut off."
            ) from None
    promised = header_bytes + n_records * width * sum(lengths)
    actual = path.stat().st_size
    if n_records >= 0 and actual < promised:
        raise UsageError(
            f"{str(path)!r} is truncated: its header promises {promised:,} bytes and it has "
            f"{actual:,}. Fetch it again."
        )


def _samples(
    raw: Any, path: Path, file: ContractFile, contract: SignalContract
) -> NDArray[np.float64]:
    """(n_chans, n_samples) in the contract's unit, order and reference, finite."""
    wanted = list(file.signal.channels)
    names = {file.rename.get(name, name): name for name in raw.ch_names}
    reference = file.signal.reference
    extra = [] if reference in (AS_RECORDED, AVERAGE) else [reference]
    missing = [name for name in (*wanted, *extra) if name not in names]
    if missing:
        raise IncompatibleError(
            f"{path.name} has no channel {listing(missing)}; it has {_some(sorted(names))}. "
            f"Correct signal.channels or [rename] in the contract."
        )
    samples: NDArray[np.float64] = raw.get_data([names[name] for name in wanted], verbose="ERROR")
    if reference == AVERAGE:
        samples = samples - samples.mean(0)
    elif extra:
        samples = samples - raw.get_data([names[reference]], verbose="ERROR")
    bad = np.argwhere(~np.isfinite(samples))
    if len(bad):
        channel, sample = (int(i) for i in bad[0])
        raise IncompatibleError(
            f"{path.name} holds {samples[channel, sample]} in channel {wanted[channel]} at "
            f"{sample / file.signal.sfreq:.3f} s ({len(bad)} non-finite samples in all). "
            f"Cut or interpolate them first."
        )
    return samples * PER_VOLT[contract.unit]


def _some(names: Sequence[str], limit: int = 80) -> str:
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
