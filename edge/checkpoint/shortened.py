# SPDX-License-Identifier: BSD-3-Clause
"""Say which filters and pools braindecode shortened because the window is short."""

from __future__ import annotations

from edge.checkpoint.model import FloatModel
from edge.errors import IncompatibleError
from edge.families import base as families


def changes(model: FloatModel) -> dict[str, tuple[int, int]]:
    """Return lengths that braindecode changed because the window is short: (asked, built)."""
    built = families.of(model.spec).lengths(model.module)
    asked = model.module.get_config()
    return {name: (asked[name], value) for name, value in built.items() if asked[name] != value}


def shortened(model: FloatModel) -> str | None:
    """Say in words what :func:`changes` found; None if there is nothing."""
    found = [f"{name} {asked} -> {built}" for name, (asked, built) in changes(model).items()]
    if not found:
        return None
    n_times = model.spec.n_times
    return f"braindecode shortened this network for {n_times} samples: {', '.join(found)}"


def refuse_degenerate(model: FloatModel) -> None:
    """Raise when a filter or pool was shortened to a single sample.

    Raises
    ------
    IncompatibleError
        The window is too short for the network that was asked for.
    """
    single = [f"{name} {asked}" for name, (asked, built) in changes(model).items() if built == 1]
    if single:
        raise IncompatibleError(
            f"A window of {model.spec.n_times} samples is too short: braindecode would shorten "
            f"{', '.join(single)} to 1. Use a longer window, or ask for shorter lengths with --arg."
        )
