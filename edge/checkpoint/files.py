# SPDX-License-Identifier: BSD-3-Clause
"""Save a model as a checkpoint, and load one.

A checkpoint is a folder with ``config.json`` and ``model.safetensors``, exactly as braindecode's
``save_pretrained`` writes them, so that ``AttentionBaseNet.from_pretrained(folder)`` loads it; and,
where they are known, ``contract.json`` (the signal contract), ``contract.toml`` (the contract file
it came from) and ``training.json`` (how it was trained).
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors.torch import save as serialize

from edge.checkpoint import configuration, one_logit, weights
from edge.checkpoint.build import construct, refuse_broken
from edge.checkpoint.configuration import Description
from edge.checkpoint.model import FloatModel, TrainingRecord
from edge.errors import IncompatibleError
from firmware_bridge.signal import contract_values
from quantize import plain as manifest
from quantize.reading import MIB, read_bytes

CONTRACT = "contract.json"
CONTRACT_FILE = "contract.toml"
TRAINING = "training.json"
NAMES = (weights.CONFIG, weights.WEIGHTS, CONTRACT, CONTRACT_FILE, TRAINING)
"""All files that :func:`save` may write."""

MAX_CONTRACT_BYTES = MIB
"""Largest contract file that is read."""


def save(model: FloatModel, folder: Path) -> None:
    """Write a checkpoint into an existing folder."""
    import braindecode

    config = model.module.get_config() | {"braindecode_version": braindecode.__version__}
    (folder / weights.CONFIG).write_text(json.dumps(config, indent=2) + "\n")
    state = {k: v.contiguous() for k, v in model.module.state_dict().items()}
    (folder / weights.WEIGHTS).write_bytes(serialize(state, metadata={"format": "pt"}))
    if model.contract is not None:
        manifest.write(folder / CONTRACT, model.contract)
    if model.training is not None:
        manifest.write(folder / TRAINING, model.training)
    if model.contract_file is not None:
        (folder / CONTRACT_FILE).write_text(model.contract_file)


def load(source: Path | str) -> FloatModel:
    """Read a checkpoint, in any form that :mod:`edge.checkpoint.weights` knows.

    Raises
    ------
    UsageError
        When there is no checkpoint.
    IncompatibleError
        When configuration and weights do not fit each other.
    """
    files = weights.find(source)
    saved = weights.read(files.weights)
    described, name = _described(files, saved)
    module = construct(described.spec, chs_info=described.chs_info)
    fitted = weights.fit(saved.state, module.state_dict(), f"{files.weights} does not fit {name}")
    refuse_broken(module, described.spec)
    module.load_state_dict(fitted.tensors)
    model = FloatModel(
        module,
        described.spec,
        contract=None if (path := files.beside(CONTRACT)) is None else contract_values.read(path),
        training=_optional(files.beside(TRAINING), TrainingRecord),
        contract_file=_text(files.beside(CONTRACT_FILE)),
        channels=described.channels,
        notes=(*described.notes, *(f"{files.weights}: {note}" for note in fitted.notes)),
    )
    return one_logit.as_two(model)


def _described(files: weights.Files, saved: weights.Saved) -> tuple[Description, str]:
    """The network of a checkpoint, and the name of what described it."""
    if files.config is not None:
        config = configuration.read(files.config)
        return configuration.describe(config, str(files.config)), files.config.name
    config_inside = configuration.from_hyper_parameters(saved.hyper_parameters)
    if config_inside is None:
        weights.refuse_no_configuration(files.weights)
    name = "its hyper_parameters"
    described = configuration.describe(config_inside, f"{files.weights}, {name}")
    note = f"{files.weights} has no configuration beside it; {name} describe the network"
    return replace(described, notes=(note, *described.notes)), name


def _text(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return read_bytes(path, MAX_CONTRACT_BYTES).decode()
    except UnicodeDecodeError:
        raise IncompatibleError(f"{path} is not text in UTF-8.") from None


def _optional(path: Path | None, kind: type[Any]) -> Any:
    return None if path is None else manifest.read(path, kind)
