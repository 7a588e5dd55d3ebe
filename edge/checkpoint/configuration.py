# SPDX-License-Identifier: BSD-3-Clause
"""Read what ``model.get_config()`` wrote: the description of an ``AttentionBaseNet``.

braindecode's ``from_pretrained`` takes the keys that its constructor knows and leaves the others,
of an older or a newer version, where they are. So does this, and says which they were.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edge.checkpoint.build import MAX_ARGUMENT, OWN_FIELDS, network_class
from edge.checkpoint.stored import printable, shown
from edge.errors import IncompatibleError, suggestion
from edge.spec import ModelSpec
from quantize import plain
from quantize.reading import read_bytes

MAX_BYTES = 1 << 22
"""Largest configuration that is read; with the positions of 256 electrodes it has 250 kB."""

MAX_NAME = 80
"""Longest name of a mode."""

VERSION = "braindecode_version"
HUB = "_hub_mixin_config"
"""Keys that braindecode and the Hub write beside the arguments."""


@dataclass(frozen=True)
class Description:
    """What a configuration says about a network.

    Attributes
    ----------
    spec
        The network.
    chs_info
        braindecode's list of channels; None where there is none.
    notes
        What was left out, in words.
    """

    spec: ModelSpec
    chs_info: Sequence[Mapping[str, Any]] | None = None
    notes: tuple[str, ...] = ()

    @property
    def channels(self) -> tuple[str, ...] | None:
        """The names of the channels, where they are known."""
        if not self.chs_info:
            return None
        return tuple(str(channel.get("ch_name")) for channel in self.chs_info)


def read(path: Path) -> dict[str, Any]:
    """Parse a configuration file into a dictionary.

    Raises
    ------
    IncompatibleError
        When it is not JSON, or not a dictionary.
    """
    config = plain.parse(read_bytes(path, MAX_BYTES), str(path), nan=True)
    if not isinstance(config, dict):
        raise IncompatibleError(f"{path} holds a {type(config).__name__}, expected a dictionary.")
    return config


def describe(config: Mapping[str, Any], where: str) -> Description:
    """Return the network that a ``get_config()`` describes.

    Raises
    ------
    IncompatibleError
        When it is not the configuration of an ``AttentionBaseNet``.
    """
    if "attention_mode" not in config:
        keys = ", ".join(printable(key) for key in sorted(map(str, config))[:12])
        raise IncompatibleError(
            f"{where} is not the configuration of an AttentionBaseNet: it has no attention_mode; "
            f"it has {keys or 'nothing'}."
        )
    known = inspect.signature(network_class()).parameters
    foreign = [key for key in config if key not in known and key not in (VERSION, HUB)]
    return Description(
        _spec(config, known, where), _channels(config, where), _notes(foreign, list(known), where)
    )


def _notes(foreign: Sequence[str], known: Sequence[str], where: str) -> tuple[str, ...]:
    if not foreign:
        return ()
    names = ", ".join(printable(key) for key in foreign[:5])
    more = f" and {len(foreign) - 5} more" if len(foreign) > 5 else ""
    close = suggestion(foreign[0][:MAX_NAME], known) if len(foreign) == 1 else ""
    return (f"{where}: {names}{more} left out, as braindecode leaves out keys it has not.{close}",)


def _channels(config: Mapping[str, Any], where: str) -> Sequence[Mapping[str, Any]] | None:
    channels = config.get("chs_info")
    if channels is None:
        return None
    if (
        not isinstance(channels, list | tuple)
        or len(channels) > MAX_ARGUMENT
        or not all(isinstance(channel, Mapping) for channel in channels)
    ):
        raise IncompatibleError(f"{where}: chs_info is not a list of channels.")
    return channels or None


def _spec(config: Mapping[str, Any], known: Mapping[str, Any], where: str) -> ModelSpec:
    mode = config["attention_mode"]
    if not isinstance(mode, str | None) or len(mode or "") > MAX_NAME:
        raise IncompatibleError(f"{where}: attention_mode is no name, got {shown(mode)}.")
    sizes: dict[str, Any] = {
        "n_chans": config.get("n_chans") or len(_channels(config, where) or ()),
        "n_times": config.get("n_times") or _samples(config, where),
        "n_outputs": config.get("n_outputs"),
    }
    absent = [name for name, value in sizes.items() if not value]
    if absent:
        raise IncompatibleError(f"{where} does not say {', '.join(absent)}.")
    skipped = (*OWN_FIELDS, "input_window_seconds")
    arguments = {
        key: value
        for key, value in config.items()
        if key in known and key not in skipped and value is not None
    }
    return ModelSpec(mode=mode or "none", arguments=arguments, **sizes)


def _samples(config: Mapping[str, Any], where: str) -> int:
    """Samples of a window, where seconds and rate are given in their stead."""
    seconds, rate = config.get("input_window_seconds"), config.get("sfreq")
    if not seconds or not rate:
        return 0
    for name, value in (("input_window_seconds", seconds), ("sfreq", rate)):
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise IncompatibleError(f"{where}: {name} must be a number, got {shown(value)}.")
    samples = float(seconds * rate)
    if not 0 < samples <= MAX_ARGUMENT:
        raise IncompatibleError(
            f"{where}: input_window_seconds times sfreq must give 1 to {MAX_ARGUMENT:,} samples."
        )
    return round(samples)


TRAINING_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "n_classes": "n_outputs",
        "n_channels": "n_chans",
        "in_chans": "n_chans",
        "input_window_samples": "n_times",
        "dropout_inp": "drop_prob_inp",
        "dropout": "drop_prob_attn",
    }
)
"""Arguments by the names that the network's authors, and braindecode before 0.8, gave them."""


def from_hyper_parameters(hyper: Mapping[str, Any]) -> dict[str, Any] | None:
    """Make a configuration of what Lightning's ``save_hyperparameters`` wrote.

    Returns
    -------
    dict or None
        None where it does not say the sizes of the network.
    """
    known = inspect.signature(network_class()).parameters
    named = {TRAINING_NAMES.get(str(key), str(key)): value for key, value in hyper.items()}
    config = {key: value for key, value in named.items() if key in known}
    if not all(config.get(name) for name in ("n_chans", "n_times", "n_outputs")):
        return None
    return {"attention_mode": None} | config
