# SPDX-License-Identifier: BSD-3-Clause
"""Find which model ``--mode``, ``--checkpoint`` and ``--data`` mean, and on which data."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from edge import registry
from edge.checkpoint import alone, files
from edge.checkpoint.model import FloatModel
from edge.data import dataset, source
from edge.errors import IncompatibleError, UsageError
from edge.signal import contract_file, rates
from firmware_bridge.signal.contract import Scaling, SignalContract

ZOO = Path(__file__).parents[1] / "zoo"

UNKNOWN_SPLIT = "held out from calibration; training split unknown"


@dataclass(frozen=True)
class Request:
    """What the user asked for.

    ``held_out`` is how many windows to compare on at most; None for what an export takes by itself.
    """

    mode: str | None = None
    checkpoint: str | FloatModel | None = None
    data: str | dataset.Dataset | None = None
    contract: Path | None = None
    holdout: tuple[str, ...] = ()
    keep_bad: bool = False
    held_out: int | None = None


@dataclass(frozen=True)
class Resolved:
    """A model with its contract, and its windows for training and for measuring."""

    model: FloatModel
    contract: SignalContract
    split: dataset.Split
    origin: str


def resolve(request: Request, note: Callable[[str], None]) -> Resolved:
    """Find the model and its data.

    Raises
    ------
    UsageError
        When data is asked for without a checkpoint, or a checkpoint comes without data.
    IncompatibleError
        When the mode is not the checkpoint's, or the data does not fit the model.
    """
    if request.mode is not None:
        registry.refuse_unknown_network(request.mode, "--mode")
    model, origin = _model(request)
    _refuse_other_mode(request.mode, model)
    data = _data(request, model, note)
    for line in data.notes:
        note(f"note: {line}")
    contract = _agree(model, data)
    split = dataset.split(replace(data, contract=contract), _holdout(request, model, data))
    if model.training is None:
        split = replace(split, rule=f"{split.rule}; {UNKNOWN_SPLIT}")
    return Resolved(model, contract, split, origin)


def _model(request: Request) -> tuple[FloatModel, str]:
    if isinstance(request.checkpoint, FloatModel):
        return request.checkpoint, "a live model"
    if request.checkpoint is not None:
        return files.load(request.checkpoint), f"checkpoint {request.checkpoint!r}"
    mode = request.mode or registry.DEFAULT_NETWORK
    if request.data is not None:
        alone.refuse(request.data if isinstance(request.data, str) else request.data.spec, mode)
    shipped = ZOO / mode
    if not shipped.is_dir():
        raise UsageError(
            f"There is no shipped checkpoint for mode {mode!r}. Type: edge train --mode {mode} "
            f"--data sim --out model && edge export --mode {mode} --checkpoint model"
        )
    return files.load(shipped), f"shipped checkpoint {mode!r}, trained on simulated data"


def _refuse_other_mode(mode: str | None, model: FloatModel) -> None:
    if mode is not None and mode != model.spec.mode:
        raise IncompatibleError(
            f"--mode {mode!r} was asked for and the checkpoint is {model.spec.mode!r}. "
            f"Type --mode {model.spec.mode}, or train a model of the other mode."
        )


def _data(request: Request, model: FloatModel, note: Callable[[str], None]) -> dataset.Dataset:
    if isinstance(request.data, dataset.Dataset):
        return request.data
    return source.read(
        _data_spec(request, model, note),
        contract_of(request, model),
        request.keep_bad or (model.training is not None and model.training.keep_bad),
    )


def _data_spec(request: Request, model: FloatModel, note: Callable[[str], None]) -> str:
    assert not isinstance(request.data, dataset.Dataset)
    if request.data is not None:
        return request.data
    if model.training is None:
        if isinstance(request.checkpoint, FloatModel):
            raise UsageError("A live model needs data to be calibrated on: give data=RECORDINGS.")
        raise UsageError(
            f"The checkpoint {request.checkpoint!r} was trained elsewhere and int8 needs "
            f"windows to be calibrated on. Type: edge export --checkpoint {request.checkpoint} "
            f"--data RECORDINGS"
        )
    spec = model.training.data
    simulated = model.training.simulated and spec.partition(":")[0] == source.SIMULATED
    there = simulated or (not model.training.simulated and Path(spec).exists())
    if not there:
        raise UsageError(
            f"The checkpoint {request.checkpoint!r} was trained on {spec!r}, which is not "
            f"here. Type: edge export --checkpoint {request.checkpoint} --data RECORDINGS"
        )
    note(f"data: {spec}, as recorded when the model was trained")
    return spec


def contract_of(request: Request, model: FloatModel) -> contract_file.ContractFile | None:
    """Return the contract file that data is read with, None where nobody gave one."""
    if request.contract is not None:
        return contract_file.read(request.contract)
    if model.contract_file is not None:
        return contract_file.parse(model.contract_file, "the checkpoint's contract.toml")
    return None


def _holdout(request: Request, model: FloatModel, data: dataset.Dataset) -> tuple[str, ...]:
    """What was asked, else what training held out, as far as this data has it."""
    if request.holdout or model.training is None:
        return request.holdout
    names = data.group_names()
    return tuple(
        pattern
        for pattern in model.training.holdout
        if any(fnmatch.fnmatch(name, pattern) for name in names)
    )


def _agree(model: FloatModel, data: dataset.Dataset) -> SignalContract:
    """The contract of model and data together.

    Raises
    ------
    IncompatibleError
        Where both say something and it differs, with both values.
    """
    spec, theirs = model.spec, data.contract
    n_chans = data.windows.shape[1]
    pairs: list[tuple[str, object, object]] = [
        ("channels", spec.n_chans, n_chans),
        ("samples a window", spec.n_times, theirs.n_times),
        ("classes", spec.n_outputs, len(theirs.classes)),
    ]
    ours = model.contract
    if ours is None:
        pairs += [
            ("channels", model.channels, theirs.channels),
            ("sfreq", spec.arguments.get("sfreq"), theirs.sfreq),
        ]
    else:
        pairs += [
            (name, getattr(ours, name), getattr(theirs, name))
            for name in ("channels", "reference", "unit", "sfreq", "classes")
        ]
    for name, expected, got in pairs:
        known = "unknown" not in (expected, got) and None not in (expected, got)
        if known and expected != got and not _same_rate(name, expected, got):
            raise IncompatibleError(
                f"The model has {name} {_plain(expected)} and {data.spec} has {_plain(got)}. "
                f"Give data that fits, or its --contract."
            )
    if ours is not None:
        return ours
    return replace(theirs, scaling=Scaling("unknown"))


def _same_rate(name: str, one: object, other: object) -> bool:
    if name != "sfreq" or not isinstance(one, int | float) or not isinstance(other, int | float):
        return False
    return rates.agree(one, other)


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
