# SPDX-License-Identifier: BSD-3-Clause
"""Read windows from an ``.npz`` file: ``X``, ``y`` and what else is known of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.data import amplitude
from edge.data.dataset import Dataset, refuse_empty_classes
from edge.errors import IncompatibleError, UsageError, listing
from edge.signal import rates
from edge.signal.contract_file import ContractFile
from firmware_bridge.signal import contract_values
from firmware_bridge.signal.contract import UNKNOWN, Filter, Scaling, SignalContract, is_real
from quantize.arrays import read_npz

DEFAULT_HOP = 15
MAX_BYTES = 2**35
"""Of all arrays together."""


def read(path: Path, spec: str, file: ContractFile | None) -> Dataset:
    """Read windows that were cut elsewhere.

    ``X`` (n, n_chans, n_times), ``y`` (n,) integers or names; optional ``session`` (n,),
    ``ch_names`` (n_chans,), ``sfreq``, ``unit``, ``classes``. What is absent is unknown, unless a
    contract file says it. Filters are not applied: the windows are taken as they are.
    """
    return from_arrays(_load(path), path, spec, file)


def from_arrays(
    arrays: Mapping[str, Any], path: Path, spec: str, file: ContractFile | None = None
) -> Dataset:
    """Take windows from arrays in memory; messages call them ``path``."""
    x, y = np.asarray(arrays["X"]), np.asarray(arrays["y"])
    if x.size == 0 or y.size == 0:
        raise UsageError(f"{str(path)!r} holds no window.")
    if x.ndim != 3 or y.shape != x.shape[:1] or not is_real(x) or not x.size:
        raise UsageError(
            f"{str(path)!r} holds X of shape {x.shape} and y of shape {y.shape}; expected numbers "
            f"(windows, channels, samples) and (windows,)."
        )
    named = tuple(str(c) for c in np.ravel(arrays["classes"])) if "classes" in arrays else None
    classes, labels = _classes(path, y, named, () if file is None else file.classes)
    session = np.asarray(arrays.get("session", np.full(len(y), "all")))
    contract = _contract(path, arrays, file, x.shape, classes)
    try:
        contract_values.check(contract, repr(str(path)))
    except IncompatibleError as error:
        raise UsageError(str(error)) from None
    windows = x.astype(np.float32)
    contract.refuse(windows, f"{str(path)!r}")
    _refuse_amplitude(path, windows, contract.unit)
    dataset = Dataset(spec, False, contract, windows, labels, session.astype(np.str_))
    refuse_empty_classes(dataset, spec)
    return dataset


def _classes(
    path: Path, y: NDArray[Any], named: tuple[str, ...] | None, expected: tuple[str, ...]
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Names of the classes in the order of the logits, and each window's index into them.

    The file's ``classes`` say names and order; without them the contract's; without those the
    sorted values of ``y``. Names in ``y`` are looked up; numbers in ``y`` are places in the list.

    Raises
    ------
    UsageError
        When ``y`` holds less than two classes, or something that the list has no place for.
    IncompatibleError
        When the file's list is not the contract's.
    """
    values = np.unique(y)
    if not len(values):
        raise UsageError(f"{str(path)!r} holds no window.")
    if len(values) < 2:
        raise UsageError(
            f"{str(path)!r} holds no other class than {str(values[0])!r} in y; two are needed to "
            f"decode."
        )
    if named is not None and expected and named != expected:
        raise IncompatibleError(
            f"{path.name} has classes {listing(named)} and the contract says {listing(expected)}. "
            f"Correct the contract; the order is that of the logits."
        )
    names = named or expected
    if not names:
        return tuple(map(str, values)), np.searchsorted(values, y).astype(np.int64)
    if len(set(names)) < len(names):
        raise UsageError(f"{str(path)!r} names a class twice: {listing(names)}.")
    whose = "its classes are" if named else "the contract says"
    if np.issubdtype(y.dtype, np.number) or y.dtype == np.bool_:
        strangers = [str(v) for v in values if v not in range(len(names))]
        if strangers:
            raise UsageError(
                f"{str(path)!r} holds {listing(strangers)} in y, and {whose} {listing(names)}: "
                f"numbers in y count these from 0. Renumber y, or store names in it."
            )
        return names, y.astype(np.int64)
    strangers = [str(v) for v in values if str(v) not in names]
    if strangers:
        raise UsageError(
            f"{str(path)!r} holds {listing(strangers)} in y, and {whose} {listing(names)}. "
            f"Correct one of them."
        )
    place = {name: i for i, name in enumerate(names)}
    return names, np.array([place[str(v)] for v in y], np.int64)


def _refuse_amplitude(path: Path, windows: NDArray[np.float32], unit: str) -> None:
    """Raise when windows cannot be EEG in the unit that the file or the contract says."""
    if unit not in amplitude.UV_PER:
        return
    n, n_chans, n_times = windows.shape
    spread = amplitude.deviation(windows.reshape(n * n_chans, n_times).astype(np.float64), n_times)
    if amplitude.is_plausible(spread * amplitude.UV_PER[unit]):
        return
    likely = amplitude.likely_unit(spread)
    remedy = f"Write unit={likely!r}" if likely else "Leave unit out"
    spread_uv = spread * amplitude.UV_PER[unit]
    raise IncompatibleError(
        f"{path.name} deviates by {spread_uv:,.3g} uV if X is in {unit!r}, as is said; EEG "
        f"deviates by {amplitude.LEAST_UV:g} to {amplitude.MOST_UV:,.0f} uV. {remedy}, in the file "
        f"or the contract."
    )


def _load(path: Path) -> dict[str, Any]:
    try:
        arrays = read_npz(path, MAX_BYTES)
    except IncompatibleError as error:
        raise UsageError(
            f"{error} Write one of plain arrays: np.savez({path.name!r}, X=windows, y=labels)."
        ) from None
    refuse_missing(arrays, repr(str(path)))
    return arrays


def refuse_missing(arrays: Mapping[str, Any], where: str) -> None:
    """Raise unless there are windows and labels."""
    missing = [name for name in ("X", "y") if name not in arrays]
    if missing:
        raise UsageError(
            f"{where} has no array {' and '.join(missing)}; it has "
            f"{', '.join(sorted(arrays)) or 'none'}."
        )


@dataclass(frozen=True)
class Known:
    """What a file says of its windows; None where it says nothing."""

    channels: tuple[str, ...] | None = None
    sfreq: float | None = None
    unit: str | None = None


def _contract(
    path: Path,
    arrays: Mapping[str, Any],
    file: ContractFile | None,
    shape: tuple[int, ...],
    classes: tuple[str, ...],
) -> SignalContract:
    try:
        own = Known(
            tuple(str(n) for n in arrays["ch_names"]) if "ch_names" in arrays else None,
            float(arrays["sfreq"]) if "sfreq" in arrays else None,
            str(arrays["unit"]) if "unit" in arrays else None,
        )
    except (TypeError, ValueError):
        raise UsageError(
            f"{str(path)!r}: ch_names is a list of names and sfreq a number; they are not."
        ) from None
    if own.channels is not None and len(own.channels) != shape[1]:
        raise UsageError(f"{str(path)!r} names {len(own.channels)} channels and X has {shape[1]}.")
    if file is None:
        return SignalContract(
            channels=own.channels,
            reference=UNKNOWN,
            unit=own.unit or UNKNOWN,
            sfreq=own.sfreq,
            filter=Filter("unknown"),
            scaling=Scaling("per_channel"),
            n_times=shape[2],
            hop=DEFAULT_HOP,
            classes=classes,
        )
    known = _agree(path, own, file)
    return replace(
        file.contract(),
        channels=known.channels,
        unit=known.unit or UNKNOWN,
        sfreq=known.sfreq,
        classes=classes,
    )


def _agree(path: Path, own: Known, file: ContractFile) -> Known:
    """What the contract says, as far as the file does not contradict it."""
    said = Known(file.signal.channels, file.signal.sfreq, file.signal.unit)
    for field in fields(Known):
        here, there = getattr(own, field.name), getattr(said, field.name)
        if here is None or here == there:
            continue
        if field.name != "sfreq" or not rates.agree(here, there):
            raise IncompatibleError(
                f"{path.name} has {field.name} {here!r} and the contract says {there!r}. "
                f"Correct the contract."
            )
    return said
