# SPDX-License-Identifier: BSD-3-Clause
"""Take a model as it stands in memory, instead of one from a file.

The module as it was given is the reference. A network is built from its ``get_config()`` and gets
its weights; what sets the two apart is refused by name here, and
:mod:`edge.exporting.as_given` compares what they compute before anything else is done.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch.nn.utils import parametrize

from edge.checkpoint import configuration, differences, one_logit, weights
from edge.checkpoint.build import construct, refuse_broken
from edge.checkpoint.configuration import Description
from edge.checkpoint.model import FloatModel
from edge.checkpoint.stored import in_memory
from edge.checkpoint.unwrap import unwrap
from edge.errors import IncompatibleError
from edge.families import base as families
from edge.families.base import Family

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
CONFIG = "The model's get_config()"


def from_module(given: Any) -> FloatModel:
    """Take a live model: braindecode's, what compiles or trains one, or a fitted classifier.

    It is copied to the CPU, in float32 and evaluation mode, and not changed.

    Raises
    ------
    IncompatibleError
        When it is of another class, holds values that are not finite, or computes what its
        configuration does not say.
    """
    chain = unwrap(given)
    inner = chain[-1]
    differences.refuse_own_code(chain)
    notes = [*_notes(inner)]
    reference = _copy(inner)
    described = _described(reference)
    module = construct(described.spec, chs_info=described.chs_info)
    differences.refuse_other_parts(reference, module)
    notes += _parametrizations(inner, module)
    expected = module.state_dict()
    where = "The model does not fit its own get_config()"
    fitted = weights.fit(in_memory(_state(reference, expected)), expected, where)
    refuse_broken(module, described.spec)
    module.load_state_dict(fitted.tensors)
    model = FloatModel(
        module,
        described.spec,
        channels=described.channels,
        notes=(*described.notes, *notes),
        given=reference,
    )
    return one_logit.as_two(model)


def _notes(module: Any) -> Iterator[str]:
    """What of a module's state does not pass into a bundle, in words.

    Raises
    ------
    IncompatibleError
        For weights that have no values, or none that are numbers of PyTorch's float types.
    """
    tensors = dict(module.named_parameters()) | dict(module.named_buffers())
    for name, value in tensors.items():
        if value.is_meta or value.layout is not torch.strided:
            raise IncompatibleError(f"The model's {name} holds no values: {_kind(value)}.")
        if (value.is_floating_point() or value.is_complex()) and value.dtype not in FLOATS:
            raise IncompatibleError(f"The model's {name} is of type {value.dtype}: use float32.")
    if module.training:
        yield "the model is in training mode; its evaluation mode is exported"
    others = {str(v.dtype)[6:] for v in tensors.values() if v.dtype in FLOATS} - {"float32"}
    if others:
        yield f"the model is in {', '.join(sorted(others))}; it is exported in float32"


def _kind(value: torch.Tensor) -> str:
    return "it is on the device meta" if value.is_meta else f"its layout is {value.layout}"


def _copy(module: Any) -> Any:
    """The module on the CPU in evaluation mode, in float32, or float64 where it has that.

    Raises
    ------
    IncompatibleError
        When Python cannot copy it.
    """
    try:
        copied = copy.deepcopy(module)
    except Exception as error:  # whatever a module's parts raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise IncompatibleError(
            f"The model cannot be copied: {reason.rstrip('.')}. Save it with save_pretrained and "
            f"give the folder."
        ) from None
    double = any(value.dtype == torch.float64 for value in copied.parameters())
    return copied.cpu().to(torch.float64 if double else torch.float32).eval().requires_grad_(False)


def _parametrizations(module: Any, described: Any) -> Iterator[str]:
    """The weights that are computed from others, and not by the class itself, in words."""
    own = {name for name, part in described.named_modules() if parametrize.is_parametrized(part)}
    for name, part in module.named_modules():
        if parametrize.is_parametrized(part) and name not in own:
            for tensor, steps in part.parametrizations.items():
                kinds = ", ".join(type(step).__name__.lstrip("_") for step in steps)
                yield f"{name}.{tensor} is exported as its parametrization ({kinds}) gives it"


def _state(module: Any, names: Iterable[str]) -> dict[str, torch.Tensor]:
    """Tensors of a module by name, as its forward pass reads them; absent where it has none."""
    found = {}
    for name in names:
        owner, _, tensor = name.rpartition(".")
        value = getattr(module.get_submodule(owner), tensor, None)
        if isinstance(value, torch.Tensor):
            found[name] = value.detach()
    return found


def _described(module: Any) -> Description:
    """The network that a module's configuration describes, with the head that it has."""
    described = configuration.describe(module.get_config(), CONFIG)
    said = described.spec.n_outputs
    n_outputs = _n_outputs(families.of(described.spec), module, said)
    if n_outputs == said:
        return described
    note = f"the head was replaced: it has {n_outputs} outputs and get_config() says {said}"
    return replace(
        described,
        spec=replace(described.spec, n_outputs=n_outputs),
        notes=(*described.notes, note),
    )


def _n_outputs(family: Family, module: Any, otherwise: int) -> int:
    """How many outputs the last linear layer has."""
    try:
        layer = family.head(module)
    except StopIteration:
        return otherwise
    features: int = getattr(layer, "out_features", otherwise)
    return int(getattr(layer, "out_channels", features))
