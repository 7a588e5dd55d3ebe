# SPDX-License-Identifier: BSD-3-Clause
"""Build braindecode's ``AttentionBaseNet`` from a specification, or say why that cannot work."""

from __future__ import annotations

import inspect
import json
import pydoc
import warnings
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch

from edge import registry
from edge.checkpoint.model import FloatModel
from edge.errors import IncompatibleError, suggestion
from edge.spec import Argument, ModelSpec

OWN_FIELDS = ("attention_mode", "n_chans", "n_times", "n_outputs")
"""Constructor arguments that ``--mode`` and the data decide."""


def network_class() -> Any:
    """The class ``braindecode.models.AttentionBaseNet``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from braindecode.models import AttentionBaseNet
    return AttentionBaseNet


def build(
    spec: ModelSpec, seed: int = 0, chs_info: Sequence[Mapping[str, Any]] | None = None
) -> FloatModel:
    """An untrained model.

    Raises
    ------
    UsageError
        For a mode that does not exist.
    IncompatibleError
        For arguments that cannot work, with the limit.
    """
    mode = registry.load(registry.MODES, spec.mode, "--mode")
    complaints = mode.limits(spec)
    if complaints:
        raise IncompatibleError(" ".join(complaints))
    arguments = _constructor_arguments(spec.arguments)
    from edge.families.attentionbasenet.network import AttentionBaseNet

    torch.manual_seed(seed)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that kernels are shortened is said by `shortened`
            module = AttentionBaseNet(
                n_chans=spec.n_chans,
                n_times=spec.n_times,
                n_outputs=spec.n_outputs,
                chs_info=chs_info,
                attention_mode=None if spec.mode == "none" else spec.mode,
                **arguments,
            )
    except Exception as error:  # whatever braindecode and PyTorch stumble over
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise IncompatibleError(
            f"braindecode cannot build this AttentionBaseNet: {reason.rstrip('.')}. "
            f"Correct its arguments (--arg, or the configuration)."
        ) from error
    refuse_broken(module.eval(), spec)
    return FloatModel(module, spec)


def refuse_broken(module: Any, spec: ModelSpec) -> None:
    """Run one window of noise.

    Raises
    ------
    IncompatibleError
        When braindecode can build the network and not run it: a gate that expects another number
        of tokens, or one that divides by the only token there is.
    """
    noise = torch.randn(1, spec.n_chans, spec.n_times, generator=torch.Generator().manual_seed(0))
    built = f"braindecode builds this {spec.mode} network for {spec.n_times} samples, but"
    advice = "Use a longer window, an odd temp_filter_length or shorter pools (--arg)."
    try:
        with torch.no_grad():
            logits = module(noise)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise IncompatibleError(f"{built} cannot run it: {reason}. {advice}") from None
    if not bool(torch.isfinite(logits).all()):
        raise IncompatibleError(f"{built} its logits are not numbers. {advice}")


def _constructor_arguments(arguments: Mapping[str, Argument]) -> dict[str, Any]:
    known = inspect.signature(network_class()).parameters
    for name in arguments:
        if name in OWN_FIELDS:
            raise IncompatibleError(f"{name} is not free: --mode and the data decide it.")
        if name not in known:
            raise IncompatibleError(
                f"AttentionBaseNet has no argument {name!r}.{suggestion(name, list(known))}"
            )
        _refuse_kind(name, arguments[name], known[name].default)
    resolved: dict[str, Any] = dict(arguments)
    if isinstance(activation := resolved.get("activation"), str):
        found = pydoc.locate(activation)
        if not (isinstance(found, type) and issubclass(found, torch.nn.Module)):
            raise IncompatibleError(
                f"Invalid activation {activation!r}: not a torch.nn.Module class. "
                f"Type its import path, e.g. 'torch.nn.modules.activation.ELU'."
            )
        resolved["activation"] = found
    return resolved


KINDS: Mapping[type, tuple[tuple[type, ...], str]] = MappingProxyType(
    {
        bool: ((bool,), "true or false"),
        int: ((int,), "a whole number"),
        float: ((int, float), "a number"),
    }
)
"""What an argument may be whose default is of a type, and that in words."""


def _refuse_kind(name: str, value: Argument, default: Any) -> None:
    """Raise where an argument is of another kind than its default."""
    kinds, words = KINDS.get(type(default), ((object,), ""))
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in (*kinds, object)):
        raise IncompatibleError(f"{name} must be {words}, got {value!r}. Try {_typed(default)}.")


def _typed(value: Any) -> str:
    """As it is typed behind ``--arg NAME=``."""
    return json.dumps(value)
