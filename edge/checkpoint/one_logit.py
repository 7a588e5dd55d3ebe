# SPDX-License-Identifier: BSD-3-Clause
"""Rewrite a head of one logit as an equal one of two.

A network that was trained with a binary cross-entropy gives one logit ``z`` and decides for the
second class where ``z > 0``. The bundles' decisions are the largest of several logits. With
``(-z / 2, z / 2)`` the decision is the same, and so is the probability, since
``softmax((-z / 2, z / 2)) = (1 - sigmoid(z), sigmoid(z))``. Halving is exact in binary.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from edge.checkpoint.build import construct
from edge.checkpoint.model import FloatModel
from edge.families import base as families

NOTE = (
    "its one logit z is exported as two, -z/2 and z/2: the second class is decided where z > 0, "
    "and softmax gives sigmoid(z)"
)


def as_two(model: FloatModel) -> FloatModel:
    """Return a model with two logits that decides alike; others are returned as they are."""
    if model.spec.n_outputs != 1:
        return model
    spec = replace(model.spec, n_outputs=2)
    config = model.module.get_config()
    module = construct(spec, chs_info=config.get("chs_info"))
    state = model.module.state_dict()
    head = families.of(spec).head_name(model.module)
    names = [name for name in state if name.startswith(f"{head}.")]
    state |= {name: torch.cat([-state[name] / 2, state[name] / 2]) for name in names}
    module.load_state_dict(state)
    return replace(model, module=module, spec=spec, notes=(*model.notes, NOTE))
