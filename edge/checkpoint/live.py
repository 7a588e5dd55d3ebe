# SPDX-License-Identifier: BSD-3-Clause
"""Take a model as it stands in memory, instead of one from a file."""

from __future__ import annotations

from typing import Any

from edge.checkpoint import configuration, weights
from edge.checkpoint.build import construct, network_class
from edge.checkpoint.model import FloatModel
from edge.checkpoint.stored import in_memory
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
    described = configuration.describe(inner.get_config(), "The model's get_config()")
    module = construct(described.spec, chs_info=described.chs_info)
    state = {name: value.detach().cpu() for name, value in inner.state_dict().items()}
    where = "The model does not fit its own get_config()"
    fitted = weights.fit(in_memory(state), module.state_dict(), where)
    module.load_state_dict(fitted.tensors)
    return FloatModel(module, described.spec, channels=described.channels, notes=described.notes)
