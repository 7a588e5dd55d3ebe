# SPDX-License-Identifier: BSD-3-Clause
"""Read what ``model.get_config()`` wrote: the description of an ``AttentionBaseNet``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge.checkpoint.build import OWN_FIELDS, build
from edge.checkpoint.model import FloatModel
from edge.errors import IncompatibleError
from edge.spec import ModelSpec


def read(path: Path) -> dict[str, Any]:
    """Parse a configuration file into a dictionary.

    Raises
    ------
    IncompatibleError
        When it is not JSON, or not a dictionary.
    """
    try:
        config = json.loads(path.read_text())
    except ValueError as error:
        raise IncompatibleError(f"{path} is not JSON: {error}.") from None
    if not isinstance(config, dict):
        raise IncompatibleError(f"{path} holds a {type(config).__name__}, expected a dictionary.")
    return config


def untrained(config: Mapping[str, Any], where: str) -> FloatModel:
    """An untrained model as a configuration describes it."""
    spec = spec_of(config, where)
    channels = config.get("chs_info")
    model = build(spec, chs_info=channels)
    if not channels:
        return model
    return replace(model, channels=tuple(str(channel.get("ch_name")) for channel in channels))


def spec_of(config: Mapping[str, Any], where: str) -> ModelSpec:
    """The model that a ``get_config()`` describes.

    Raises
    ------
    IncompatibleError
        When it is not the configuration of an ``AttentionBaseNet``.
    """
    if "attention_mode" not in config:
        raise IncompatibleError(
            f"{where} is not the configuration of an AttentionBaseNet: it has no attention_mode; "
            f"it has {', '.join(sorted(config)) or 'nothing'}."
        )
    sizes: dict[str, Any] = {
        "n_chans": config.get("n_chans") or len(config.get("chs_info") or ()),
        "n_times": config.get("n_times") or _samples(config),
        "n_outputs": config.get("n_outputs"),
    }
    absent = [name for name, value in sizes.items() if not value]
    if absent:
        raise IncompatibleError(f"{where} does not say {', '.join(absent)}.")
    skipped = (*OWN_FIELDS, "braindecode_version", "chs_info", "input_window_seconds")
    return ModelSpec(
        mode=config["attention_mode"] or "none",
        n_chans=sizes["n_chans"],
        n_times=sizes["n_times"],
        n_outputs=config["n_outputs"],
        arguments={k: v for k, v in config.items() if k not in skipped and v is not None},
    )


def _samples(config: Mapping[str, Any]) -> int:
    """Samples of a window, where seconds and rate are given in their stead."""
    return round((config.get("input_window_seconds") or 0) * (config.get("sfreq") or 0))
