# SPDX-License-Identifier: BSD-3-Clause
"""Take a model as it stands in memory, instead of one from a file."""

from __future__ import annotations

from typing import Any

from edge.checkpoint import configuration, weights
from edge.checkpoint.build import network_class
from edge.checkpoint.model import FloatModel
from edge.errors import IncompatibleError


def from_module(module: Any) -> FloatModel:
    """A live model: braindecode's, or a fitted skorch ``EEGClassifier`` around one.

    It is copied to the CPU, in float32 and evaluation mode, and not changed.

    Raises
    ------
    IncompatibleError
        When it is of another class, or holds values that are not finite.
    """
    inner = getattr(module, "module_", module)
    if not isinstance(inner, network_class()):
        raise IncompatibleError(
            f"This is a {type(inner).__module__}.{type(inner).__qualname__}, expected "
            f"braindecode.models.AttentionBaseNet, or a fitted EEGClassifier with one."
        )
    model = configuration.untrained(inner.get_config(), "The model's get_config()")
    state = {name: value.detach().cpu() for name, value in inner.state_dict().items()}
    where = "The model does not fit its own get_config()"
    model.module.load_state_dict(weights.fit(state, model.module.state_dict(), where))
    return model
