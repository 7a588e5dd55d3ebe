# SPDX-License-Identifier: BSD-3-Clause
"""Windows from an ``.npz`` file: ``X``, ``y`` and what else is known of them."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from edge.data.dataset import Dataset, refuse_empty_classes
from edge.errors import IncompatibleError, UsageError
from edge.signal.contract_file import ContractFile
from firmware_bridge.signal.contract import UNKNOWN, Filter, Scaling, SignalContract, is_real

DEFAULT_HOP = 15


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
    """The same from arrays in memory; messages call them ``path``."""
    x, y = np.asarray(arrays["X"]), np.asarray(arrays["y"])
    if x.ndim != 3 or y.shape != x.shape[:1] or not is_real(x):
        raise UsageError(
            f"{str(path)!r} holds X of shape {x.shape} and y of shape {y.shape}; expected numbers "
            f"(windows, channels, samples) and (windows,)."
        )
    values, labels = np.unique(y, return_inverse=True)
    classes = tuple(str(c) for c in arrays.get("classes", values))
    if not len(values):
        raise UsageError(f"{str(path)!r} holds no window.")
    if len(values) < 2:
        raise UsageError(
            f"{str(path)!r} holds no other class than {str(values[0])!r} in y; two are needed to "
            f"decode."
        )
    if len(classes) != len(values):
        raise UsageError(
            f"{str(path)!r} holds {len(values)} classes in y and names {len(classes)}; each needs "
            f"a window."
        )
    session = np.asarray(arrays.get("session", np.full(len(y), "all")))
    contract = _contract(path, arrays, file, x.shape, classes)
    windows = x.astype(np.float32)
    contract.refuse(windows, f"{str(path)!r}")
    dataset = Dataset(
        spec, False, contract, windows, labels.astype(np.int64), session.astype(np.str_)
    )
    refuse_empty_classes(dataset, spec)
    return dataset


def _load(path: Path) -> dict[str, Any]:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise UsageError(f"{str(path)!r} does not exist.") from None
    except (ValueError, OSError, EOFError, AttributeError, zipfile.BadZipFile):
        raise UsageError(
            f"{str(path)!r} is not an .npz file of plain arrays, or is cut off. Write one: "
            f"np.savez({path.name!r}, X=windows, y=labels)."
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
    own = Known(
        tuple(str(n) for n in arrays["ch_names"]) if "ch_names" in arrays else None,
        float(arrays["sfreq"]) if "sfreq" in arrays else None,
        str(arrays["unit"]) if "unit" in arrays else None,
    )
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
        if here not in (None, there):
            raise IncompatibleError(
                f"{path.name} has {field.name} {here!r} and the contract says {there!r}. "
                f"Correct the contract."
            )
    return said
