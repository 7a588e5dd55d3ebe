# SPDX-License-Identifier: BSD-3-Clause
"""Read what ``model.get_config()`` wrote: the description of a network.

braindecode's ``from_pretrained`` takes the keys that its constructor knows and leaves the others,
of an older or a newer version, where they are. So does this, and says which they were.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edge.checkpoint.build import MAX_ARGUMENT, own_fields
from edge.checkpoint.stored import printable, shown
from edge.errors import IncompatibleError, suggestion
from edge.families import base as families
from edge.families.base import Family
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
        When it is not the configuration of a network that there is a family for.
    """
    found = families.described(config)
    if found is None:
        keys = ", ".join(printable(key) for key in sorted(map(str, config))[:12])
        raise IncompatibleError(
            f"{where} is not the configuration of a network that can be exported, which are "
            f"{families.titles()}: it has {keys or 'nothing'}."
        )
    name, family = found
    known = family.parameters
    foreign = [key for key in config if key not in known and key not in (VERSION, HUB)]
    notes = _notes(foreign, list(known), where)
    return Description(_spec(config, name, family, where), _channels(config, where), notes)


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


def _spec(config: Mapping[str, Any], name: str, family: Family, where: str) -> ModelSpec:
    variant = family.variant_in(config)
    if not isinstance(variant, str) or len(variant) > MAX_NAME:
        raise IncompatibleError(f"{where}: {family.variant} is no name, got {shown(variant)}.")
    sizes: dict[str, Any] = {
        "n_chans": config.get("n_chans") or len(_channels(config, where) or ()),
        "n_times": config.get("n_times") or _samples(config, where),
        "n_outputs": config.get("n_outputs"),
    }
    absent = [name for name, value in sizes.items() if not value]
    if absent:
        raise IncompatibleError(f"{where} does not say {', '.join(absent)}.")
    known, skipped = family.parameters, (*own_fields(family), "input_window_seconds")
    arguments = {
        key: value
        for key, value in config.items()
        if key in known and key not in skipped and value is not None
    }
    return ModelSpec(mode=variant or name, arguments=arguments, **sizes)


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
    named = {TRAINING_NAMES.get(str(key), str(key)): value for key, value in hyper.items()}
    if not all(named.get(name) for name in ("n_chans", "n_times", "n_outputs")):
        return None
    found = families.described(named)
    _, family = families.default() if found is None else found
    config = {key: value for key, value in named.items() if key in family.parameters}
    return dict.fromkeys(family.marks) | config
